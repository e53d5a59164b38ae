/** Where the time of one job went, as a table for people. */

const US_PER_MS = 1000;

/** A moment that came. */
export interface Came {
  /** What it is, for people. */
  what: string;
  /** When, on a clock of any start, µs. */
  us: number;
}

/**
 * One line for each moment: when it came, how long it took to come to it, and what it is.
 * @param startedUs when the wrapper started, on the clock of the moments, µs
 * @param isFirst whether no supervisor before this one died, and with it what it knew
 */
export function formatTrace(came: readonly Came[], startedUs: number, isFirst: boolean): string {
  let lastUs = startedUs;
  const lines = came.map(({what, us}) => {
    const line = `${ms(us - startedUs)} ${ms(us - lastUs)}  ${what}`;
    lastUs = us;
    return line;
  });
  const lost = isFirst ? [] : ['a supervisor died: what came before the last one is not known'];
  return [
    ...lost,
    `${'at, ms'.padStart(WIDTH)} ${'took'.padStart(WIDTH)}`,
    `${ms(0)} ${''.padStart(WIDTH)}  the wrapper started`,
    ...lines,
  ].join('\n');
}

const WIDTH = 9;
const ms = (us: number): string => (us / US_PER_MS).toFixed(2).padStart(WIDTH);
