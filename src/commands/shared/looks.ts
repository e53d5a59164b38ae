/** A text that changes, shown again and again: on a whole terminal, or one below the other. */

import {parseDuration} from '../../job/quantity.js';
import {sleep} from '../../process/clock.js';
import {say} from './output.js';
import {Screen} from './screen.js';

/** Time over which CPU use is measured for a single look, ms. */
const ONCE_MS = 500;
const LEAST_US = 100_000;

/** What is shown now; null: there is nothing to look at any more. */
export type Look = () => string | null;

/** The time between two looks in ms, at least 100. @throws TareError QUANTITY_INVALID */
export const periodOf = (written: string): number => Math.max(LEAST_US, parseDuration(written, '--interval')) / 1000;

/**
 * Looks until somebody ends it, nobody reads any more, or there is nothing to look at; with `once` a single time. A look is made before all others,
 * and not shown: use is measured between two.
 */
export async function showLooks(look: Look, {periodMs, once}: {periodMs: number; once: boolean}): Promise<void> {
  look();
  if (once) {
    await sleep(ONCE_MS);
    say(look()?.trimEnd() ?? '');
  } else if (process.stdin.isTTY && process.stdout.isTTY && process.env['TERM'] !== 'dumb') {
    await onScreen(look, periodMs);
  } else {
    await inLines(look, periodMs);
  }
}

async function inLines(look: Look, periodMs: number): Promise<void> {
  for (;;) {
    await sleep(periodMs);
    const text = look();
    if (text === null || !say(text)) return; // nobody reads any more
  }
}

async function onScreen(look: Look, periodMs: number): Promise<void> {
  const screen = new Screen();
  try {
    for (let wait = Math.min(ONCE_MS, periodMs); !(await screen.quitWithin(wait)); wait = periodMs) {
      const text = look();
      if (text === null) return;
      screen.show(text);
    }
  } finally {
    screen.close();
  }
}
