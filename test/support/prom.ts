/** Prometheus' text format 0.0.4, as far as it is used here. */

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,|(?=\})))*\})? (\+?-?[0-9.e+]+|NaN|\+Inf)$/;

export function problemsOfProm(text: string): string[] {
  const problems: string[] = [];
  if (text !== '' && !text.endsWith('\n')) problems.push('no end of line at the end');
  const types = new Map<string, string>();
  const seen = new Set<string>();
  for (const line of text.split('\n').slice(0, -1)) {
    const type = /^# TYPE (\S+) (counter|histogram|gauge)$/.exec(line);
    if (type !== null) types.set(type[1] ?? '', type[2] ?? '');
    if (line.startsWith('# ')) continue;
    const sample = SAMPLE.exec(line);
    const name = sample?.[1] ?? '';
    if (sample === null) problems.push(`not a sample: ${line}`);
    else if (!types.has(name) && types.get(name.replace(/_(bucket|sum|count)$/, '')) !== 'histogram') problems.push(`no type: ${line}`);
    const series = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(series)) problems.push(`twice: ${series}`);
    seen.add(series);
  }
  return problems;
}

/** Value of a series, null when it is not there. */
export function sampleOf(text: string, series: string): number | null {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}
