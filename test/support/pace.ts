/** Slow machines: a test's deadlines, and what it asks of the clock, grow with them; what is counted does not. */

/** How many times slower than the machines that the tests were written on, 1 or more: set by the lab, whose machines are emulated. */
const SLOWNESS = Number(process.env.TARE_TEST_SLOWNESS ?? '1');

/** A deadline as this machine needs it, in the unit that it is given in. */
export const patience = (time: number): number => time * SLOWNESS;
