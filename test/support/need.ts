/** Tests that need more of the machine than every machine has. */
import type {Context, Runnable, Suite} from 'mocha';

interface Skippable {
  /** Read by scripts/mocha-reporter.mjs. */
  skipReason?: string;
}

/**
 * Skips the test (called in a test) or the suite (called in its `before`) where the machine lacks something, and says why.
 * With TARE_MUST_WORK=1 it fails there instead: a machine that claims the capability may not skip.
 */
export function need(context: Context, present: boolean, reason: string): void {
  if (!present && process.env.TARE_MUST_WORK === '1') throw new Error(`TARE_MUST_WORK is set, but ${reason}`);
  needKernel(context, present, reason);
}

/** The same of what a kernel was built without: no setup brings that, so it is skipped everywhere. The lab's kernels have it. */
export function needKernel(context: Context, present: boolean, reason: string): void {
  if (present) return;
  const runnable = context.runnable() as Runnable & Skippable & {type: 'hook' | 'test'; parent?: Suite & Skippable};
  const skipped: Skippable = runnable.type === 'hook' ? (runnable.parent ?? runnable) : runnable;
  skipped.skipReason = reason;
  context.skip();
}

/**
 * Set in `npm run test:long`: tests that take too long for every change are defined where it is true, and only there.
 * Each says beside it what it takes.
 */
export const LONG = process.env.TARE_LONG === '1';

/** Of inputs that chance makes, other ones each time: a fifth of those of a long run. */
export const runsOf = (longRun: number): number => (LONG ? longRun : Math.ceil(longRun / 5));
