/** /etc/tare, over which each test's daemons see a folder of their own. */

import {readFileSync, rmdirSync} from 'node:fs';
import {processes} from './tare.js';

export const POLICY_FOLDER = '/etc/tare';

/** Removes it if it is empty and not a mount point in any namespace: such a mount would be gone too. */
export function removePolicyFolder(): void {
  if (processes().some(({pid}) => isMountedFor(pid))) return;
  try {
    rmdirSync(POLICY_FOLDER);
  } catch {
    // a site's own
  }
}

function isMountedFor(pid: number): boolean {
  try {
    return readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8').includes(` ${POLICY_FOLDER} `);
  } catch {
    return false; // it is gone
  }
}
