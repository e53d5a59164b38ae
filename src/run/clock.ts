/** Two clocks: the monotonic one that durations are measured with, and the calendar that only labels them. */

/** CLOCK_MONOTONIC in µs: the same clock as the front's. */
export const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n);

/** Calendar time in µs since 1970. */
export const epochUs = (): number => Date.now() * 1000;

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
