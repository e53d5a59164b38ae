// What a suite says of itself, as scripts/mocha-reporter.mjs prints it and others read it.

/** The line that ends every suite. */
const COUNTS = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/** One of these for each file with a failure, before the counts. */
export const hasFailures = (file, {passed, failed, skipped}) => `has failures: ${file}: ${sentence({passed, failed, skipped})}`;
const HAS_FAILURES = /^has failures: (\S+): (.*)$/;

export const none = () => ({passed: 0, failed: 0, skipped: 0});

export const sentence = ({passed, failed, skipped}) => `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

/** Adds to the first. */
export function add(sum, counts) {
  for (const key of Object.keys(none())) sum[key] += counts[key];
}

/** The counts of a line, or null when it has none. */
export function countsOf(line) {
  const found = COUNTS.exec(line)
    ?.slice(1)
    .map((each) => Number(each ?? 0));
  return found === undefined ? null : {passed: found[0], failed: found[1], skipped: found[2]};
}

/** Counts by file, of the files with failures. */
export function filesWithFailures(lines) {
  const rows = lines.flatMap((line) => {
    const [, file, rest] = HAS_FAILURES.exec(line) ?? [];
    const counts = rest === undefined ? null : countsOf(rest);
    return counts === null ? [] : [[file, counts]];
  });
  return new Map(rows);
}
