/** What a daemon keeps of a box, and what its client leaves behind. */

import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {runAbandonable} from '../host/abandon.js';
import {sleep} from '../process/clock.js';
import {allPids, isAllOf} from '../process/process.js';
import type {Undo} from '../steps/def.js';
import {killForgotten} from './forgotten.js';

/** A daemon may be busy with the end of the box. */
const DEADLINE_MS = 20_000;
/** Docker's words for one that goes by itself. One that is gone is no error to it, since it is told to force it. */
const GOES = 'already in progress';

/**
 * Removes a container, whether it ever ran or not, and kills what its daemon has forgotten of it.
 * @returns what is left of it, with the reason
 */
export async function removeContainer({client, name}: Extract<Undo, {op: 'container.remove'}>): Promise<string[]> {
  const {code, error} = await runAbandonable(client, ['rm', '--force', name], null, {deadlineMs: DEADLINE_MS});
  const said = code === 0 || error.includes(GOES) ? [] : [`the container ${name} (${error || `${client} ended with ${String(code)}`})`];
  return [...said, ...(await killForgotten(name))];
}

/** As long as the bridge waits for them (native/bridge.c), and a little more. */
const TIDY_MS = 12_000;
const LOOK_MS = 20;

/**
 * Whether a process has something in the folder among its arguments (proc_pid_cmdline(5)), as bridge, client and monitor of a box have, and is of this
 * account, as they are: another one could have itself waited for.
 */
const isNamed = (folder: string, pid: number): boolean =>
  ifPossible(() => readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes(`${folder}/`)) === true &&
  isAllOf(pid, process.getuid?.() ?? -1);

/**
 * Waits for processes that tidy up in a folder. Where the shim was killed, or the bridge, nobody else has waited for them; without control groups
 * nothing has killed them.
 * @returns nothing: what cannot be removed because of them is said then
 */
export async function waitForClient({path}: Extract<Undo, {op: 'client.wait'}>): Promise<string[]> {
  const look = (pids: readonly number[]): number[] => pids.filter((pid) => isNamed(path, pid));
  let waited = 0;
  // all processes are looked at again when those that were found have ended: one of them may have started another
  for (let left = look(allPids()); left.length > 0 && waited < TIDY_MS; left = look(allPids()))
    for (; left.length > 0 && waited < TIDY_MS; waited += LOOK_MS, left = look(left)) await sleep(LOOK_MS);
  return [];
}
