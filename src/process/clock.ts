/** Two clocks: the monotonic one that durations are measured with, and the calendar that only labels them. */

/** The clock of this runtime, µs: it counts from a moment of the runtime's own choice. */
const runtimeUs = (): number => Number(process.hrtime.bigint() / 1000n);

/** From this runtime's clock to CLOCK_MONOTONIC, µs. */
let offsetUs = 0;

/** CLOCK_MONOTONIC in µs: the same clock as the shim's. */
export const monotonicUs = (): number => runtimeUs() + offsetUs;

/**
 * Sets the clock by the shim's.
 * @param shimUs what the shim's clock showed between `askedUs` and now; it answers at once, but we may be late to hear it
 */
export function setClock(shimUs: number, askedUs: number): void {
  const isSame = shimUs >= askedUs && shimUs <= monotonicUs();
  if (!isSame) offsetUs += shimUs - askedUs;
}

/** Calendar time in µs since 1970. */
export const epochUs = (): number => Date.now() * 1000;

/** Waits, and keeps the process alive meanwhile. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Blocks the whole process for a time; without one, for ever. */
export function standStill(ms = Infinity): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** setTimeout's longest delay; it takes a longer one for 1 ms. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Calls back after any time, however long; the function returned calls it off. */
export function after(ms: number, callback: () => void): () => void {
  let timer = setTimeout(wait, Math.min(ms, LONGEST_TIMER_MS));
  let left = ms;
  function wait(): void {
    left -= LONGEST_TIMER_MS;
    if (left <= 0) callback();
    else timer = setTimeout(wait, Math.min(left, LONGEST_TIMER_MS));
  }
  return () => clearTimeout(timer);
}
