/** Each command of Tare that a document writes, also within a sentence, against the commands that there are: its name, its flags and their words. */

import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import MarkdownIt from 'markdown-it';
import {checkout, contentOf} from './tables.js';

interface Flag {
  type: 'option' | 'boolean';
  char?: string;
  options?: string[];
}

interface Command {
  aliases: string[];
  args: Record<string, unknown>;
  flags: Record<string, Flag>;
  /** It has no more arguments than those of `args`. */
  strict: boolean;
}

const {commands} = JSON.parse(contentOf('oclif.manifest.json')) as {commands: Record<string, Command>};
/** By their words on a command line. */
const byWords = new Map(
  Object.entries(commands).flatMap(([id, command]) =>
    [id, ...command.aliases].map((name) => [name.replaceAll(':', ' '), command] as const),
  ),
);
const topics = new Set([...byWords.keys()].filter((name) => name.includes(' ')).map((name) => name.split(' ')[0]));
/** What is behind its first argument is a command of the user's own. */
const RUNS_OTHERS = 'exec';

const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...(readdirSync(join(checkout, 'docs'), {recursive: true}) as string[])
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** What stands in backticks, and the lines of blocks that are typed. */
function linesOf(text: string): string[] {
  return new MarkdownIt().parse(text, {}).flatMap(({type, info, content, children}) => {
    if (type === 'fence') return /^(?:sh|text)\b/.test(info) ? content.split('\n') : [];
    return (children ?? []).filter((child) => child.type === 'code_inline').map((child) => child.content);
  });
}

/** The command lines of Tare in it, without the brackets around what can be left out, each up to what is not Tare's: the payload, another program, a redirection, a comment. */
const linesOfTare = (line: string): string[] =>
  [...line.matchAll(/(?:^|[|(]\s*|&&\s*|\$\()(?:bin\/)?tare ([a-z].*?)(?= -- | --$|\\?\||[>&;#)`]| \d>|$)/g)].map(([, words = '']) =>
    words.replaceAll(/[[\]]/g, '').trim(),
  );

/** What is wrong with it; null: nothing. */
function fault(line: string): string | null {
  const words = line.split(/\s+/);
  const name = [words.slice(0, 2).join(' '), words[0] ?? ''].find((each) => byWords.has(each));
  const command = byWords.get(name ?? '');
  if (name === undefined || command === undefined) return topics.has(words[0]) && words.length === 1 ? null : 'is no command';
  const rest = words.slice(name.split(' ').length);
  let others = 0;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-') || word === '-') {
      others++;
      if (name === RUNS_OTHERS && others > 1) return null;
      if (command.strict && others > Object.keys(command.args).length) return `does not take ${word}`;
    } else {
      const wrong = flagFault(command, word, rest);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

/** Takes its value from the words behind it. */
function flagFault(command: Command, word: string, rest: string[]): string | null {
  const [, long, , written] = /^--([a-z-]+)(=(.*))?$/.exec(word) ?? [];
  if (long === 'help') return null;
  const named =
    long === undefined ? Array.from(word.slice(1), (char) => Object.values(command.flags).find((flag) => flag.char === char)) : [];
  const flags = long === undefined ? named : [command.flags[long]];
  const last = flags.at(-1);
  if (last === undefined || flags.includes(undefined)) return `has no flag ${word}`;
  const value = last.type === 'boolean' ? undefined : (written ?? rest.shift());
  // what is in capitals stands for a value
  if (value === undefined || last.options === undefined || !/^[a-z]/.test(value) || last.options.includes(value)) return null;
  return `${word} does not take ${value}`;
}

describe('commands in documents', () => {
  it('are there, with the flags that are written', () => {
    const found = pages.flatMap((page) => linesOf(contentOf(page)).flatMap((line) => linesOfTare(line).map((each) => ({page, each}))));
    console.log(`${String(found.length)} commands`);
    expect(found.length).to.be.above(200);
    const wrong = found.flatMap(({page, each}) => (fault(each) === null ? [] : [`${page}: tare ${each}: ${fault(each) ?? ''}`]));
    expect(wrong).to.deep.equal([]);
  });

  it('would be found wrong', () => {
    const faults = [
      'sweep',
      'images show X',
      'ps --al',
      'ps -x',
      'plan JOB --as tar',
      'records',
      'exec ID sh -c true',
      'run --memory 1GiB',
    ].map(fault);
    expect(faults).to.deep.equal([
      ...['is no command', 'does not take show', 'has no flag --al', 'has no flag -x', '--as does not take tar'],
      ...[null, null, null],
    ]);
  });
});
