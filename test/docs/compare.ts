/** What a document shows and what came, but for what differs from run to run: one fixed list. */

const VOLATILE: readonly (readonly [RegExp, string])[] = [
  // date: 2026-03-01T12:00:00Z, and without the time
  [/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?\b/g, '<date>'],
  // id: of a record, of a box, and digests
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<id>'],
  [/\b(?:[0-9a-f]{64}|[0-9a-f]{16}|[0-9a-f]{12})\b/g, '<id>'],
  // path: of a control group
  [/\/sys\/fs\/cgroup\/\S*/g, '<path>'],
  // duration: 1.017s, 1m9s, 36 s
  [/\b(?:\d+(?:\.\d+)? ?(?:d|h|m|min|s|ms|µs|us)\b)+/g, '<duration>'],
  [/\b(?:\d+(?:\.\d+)?(?:d|h|m|s|ms))+\b/g, '<duration>'],
  // size: 512 MiB
  [/\b\d+(?:\.\d+)? (?:B|bytes|[KMGT]iB)(?!\w)/g, '<size>'],
];

function plain(line: string): string {
  return VOLATILE.reduce((text, [pattern, name]) => text.replaceAll(pattern, name), line)
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/**
 * Whether the output is what the document shows. There a line `...` stands for any lines, and `…` in a line for any text.
 * @returns the first line of the document that has no counterpart, and where it was looked for; null: all is as shown
 */
export function difference(shown: string, came: string): {shown: string; came: string} | null {
  const expected = linesOf(shown);
  const found = linesOf(came);
  let at = 0;
  let anywhere = false;
  for (const line of expected) {
    if (line.trim() === '...') {
      anywhere = true;
      continue;
    }
    const matches = matcher(line);
    const next = anywhere ? found.findIndex((each, index) => index >= at && matches(each)) : at;
    const candidate = found[next];
    if (next < 0 || candidate === undefined || !matches(candidate))
      return {shown: line, came: anywhere ? 'no such line in the rest' : (candidate ?? 'the end of the output')};
    at = next + 1;
    anywhere = false;
  }
  const rest = found[at];
  return anywhere || rest === undefined ? null : {shown: 'the end of the output', came: rest};
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');

function matcher(shown: string): (line: string) => boolean {
  const pattern = plain(shown)
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.*');
  const whole = new RegExp(`^${pattern}$`);
  return (line) => whole.test(plain(line));
}
