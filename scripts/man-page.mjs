// The manual page tare(1), from the list of commands that oclif has.

/** Text as roff takes it: no escapes, no request by a dot in front. */
const plain = (text) =>
  text
    .replaceAll('<%= config.bin %>', 'tare')
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=['.])/gm, '\\&');

function flag([name, {char, type, allowNo, helpValue = 'VALUE', description = ''}]) {
  const names = [...(char === undefined ? [] : [`-${char}`]), `--${allowNo ? '[no-]' : ''}${name}`].map((each) => `\\fB${plain(each)}\\fR`);
  return `.TP\n${names.join(', ')}${type === 'option' ? ` \\fI${plain(helpValue)}\\fR` : ''}\n${plain(description)}\n`;
}

function command([id, {summary, description, usage, args, flags, examples = []}]) {
  const usages = [usage ?? [id, ...Object.keys(args).map((each) => each.toUpperCase())].join(' ')].flat();
  return [
    `.SS ${id}\n${plain(summary)}\n`,
    description === undefined ? '' : `.PP\n${plain(description)}\n`,
    ...usages.map((each) => `.PP\n.B tare ${plain(each)}\n`),
    ...Object.entries(flags)
      .filter(([, {hidden}]) => !hidden)
      .map(flag),
    ...examples.map((each) => `.PP\nExample: ${plain(each)}\n`),
  ].join('');
}

export const commandLinePage = ({commands}) => `.TH TARE 1 "" "Tare" "User Commands"
.SH NAME
tare \\- a job wrapper for grid worker nodes
.SH SYNOPSIS
.B tare
.I COMMAND
.RI [ FLAGS ]
.SH DESCRIPTION
Builds a box of limits and isolation around a job, and leaves an exact record of what the job used.
.SH COMMANDS
${Object.entries(commands)
  .filter(([, {hidden}]) => !hidden)
  .map(command)
  .join('')}.SH SEE ALSO
.BR tare\\-wrap (1),
.BR bwrap (1)
`;
