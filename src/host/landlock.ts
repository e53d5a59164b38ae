/** Landlock (landlock(7)): what a process may write to, as the kernel holds it beside mounts. */

import type {Cached} from './cache.js';
import type {Facts} from './facts.js';
import type {ProcessStatus} from './status.js';
import type {Tree} from './tree.js';

const ASKED = 'landlock_create_ruleset(2)';
const FILE_SYSTEMS = '/proc/filesystems';
const MENDED = 'use a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in CONFIG_LSM or in its parameter lsm=';

/** @param ask the static program, which prints the version of the kernel's interface; absent: not asked for */
export function readLandlock(
  tree: Tree,
  {filtered}: ProcessStatus,
  ask: (() => string | null) | undefined,
  cache: Cached | null,
): Facts['landlock'] {
  const queues = /\bmqueue$/m.test(tree.text(FILE_SYSTEMS) ?? '');
  const none = (how: string, remedy: string): Facts['landlock'] => ({abi: null, queues, how, remedy});
  if (ask === undefined) return none('it was not asked for', MENDED);
  // a container's filter can deny what the kernel has
  const key = `landlock ${String(filtered)}`;
  const said = cache?.get(key) ?? ask()?.trim() ?? '';
  if (!/^\d+$/.test(said)) return none(`${ASKED} could not be tried`, 'see that Tare’s own program can be run: bin/tare');
  cache?.put(key, said);
  if (said === '0') return none(`${ASKED}: the kernel has no Landlock`, MENDED);
  return {abi: Number(said), queues, how: ASKED, remedy: null};
}
