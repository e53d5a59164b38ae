/** One line on the terminal of `tare run`, while it waits. What the payload writes is never mixed with it. */

import {readlinkSync} from 'node:fs';
import {ifPossible} from '../../errors.js';
import {pidNamespace} from '../../process/process.js';
import type {RunRequest} from '../../prepare/request.js';
import {TERMINAL} from './terminals.js';

/** Values of `--progress`. */
export const PROGRESS_MODES = ['never', 'auto', 'always'] as const;
/** When the line is shown; `auto`: on a terminal. */
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/**
 * Our own descriptor 2 is a pipe to the shim, which has the caller's until the payload has it.
 * @returns what `tare run` calls; null when nothing is to be shown, and then nothing of it is loaded
 */
export async function openProgress(mode: ProgressMode, isVerbose: boolean): Promise<RunRequest['onlooker']> {
  // log lines would be mixed with it
  if (mode === 'never' || (mode === 'auto' && isVerbose) || (process.env['TERM'] ?? 'dumb') === 'dumb') return null;
  // where /proc is of another namespace, our parent's number belongs to another process
  if (pidNamespace() === null) return null;
  const link = `/proc/${process.ppid}/fd/2`;
  if (ifPossible(() => TERMINAL.test(readlinkSync(link))) !== true) return null; // or it is closed
  const {Progress} = await import('./progress-line.js');
  return Progress.open(link, process.ppid, mode === 'always');
}
