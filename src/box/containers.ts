/** What a daemon keeps of a box. */

import {runAbandonable} from '../host/abandon.js';
import type {Undo} from '../steps/def.js';

/** A daemon may be busy with the end of the box. */
const DEADLINE_MS = 20_000;
/** Docker's words for one that goes by itself. One that is gone is no error to it, since it is told to force it. */
const GOES = 'already in progress';

/**
 * Removes a container, whether it ever ran or not.
 * @returns what is left of it, with the reason
 */
export async function removeContainer({client, name}: Extract<Undo, {op: 'container.remove'}>): Promise<string[]> {
  const {code, error} = await runAbandonable(client, ['rm', '--force', name], null, {deadlineMs: DEADLINE_MS});
  return code === 0 || error.includes(GOES) ? [] : [`the container ${name} (${error || `${client} ended with ${String(code)}`})`];
}
