/** Whether an application is ready for those that need it, seen from outside of the box. */

import {lstatSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {dirname} from 'node:path';
import {ifPossible} from '../errors.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import {liesIn} from '../policy/glob.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {jobFiles} from '../files/job-files.js';
import {readTree} from '../process/tree.js';

/** The processes and the plan in which an application is looked for. */
export interface Where {
  plan: Plan;
  /** null when it does not run any more. */
  keeperPid: number | null;
  initPid: number | null;
}

/** Whether an application is ready by its file or its port; other kinds of readiness are not seen here. */
export function isReady({ready}: StepOf<'application.execute'>, {plan, keeperPid, initPid}: Where): boolean {
  if (ready.when === 'port') return keeperPid !== null && listens(ready.port, keeperPid);
  if (ready.when !== 'file') return false;
  if (isOutside(ready.path, plan)) return isThereOutside(ready.path, plan);
  // only root can look into init and keepers; the processes that they started can be looked into
  const witnesses = [keeperPid, initPid].flatMap((pid) => (pid === null ? [] : [...readTree(pid).map((process) => process.pid), pid]));
  return witnesses.some((pid) => isThere(ready.path, pid));
}

/** Whether the path leads to the same file outside of the box. */
function isOutside(path: string, plan: Plan): boolean {
  const mounts = stepsOf(plan, 'mount.bind');
  return (
    mounts.length === 0 ||
    mounts.some(({source, destination, options}) => options.includes('rw') && source === destination && liesIn(path, destination))
  );
}

const isThereOutside = (path: string, plan: Plan): boolean =>
  ifPossible(() => jobFiles(stepOf(plan, 'identity.take') ?? null, dirname(path)).exists(path)) ?? false; // it cannot be told

/** A path in the box of a process. Links in it that are absolute lead elsewhere: then it is not there. */
const isThere = (path: string, pid: number): boolean =>
  // the process is gone, or is not ours to look at
  ifPossible(() => lstatSync(`/proc/${String(pid)}/root${path}`, {throwIfNoEntry: false}) !== undefined) ?? false;

/** TCP_LISTEN of the kernel's include/net/tcp_states.h. */
const LISTENS = '0A';

/** A process below `pid` listens on a port of TCP (the kernel's proc_net_tcp: addresses in hex, the state, the inode). */
function listens(port: number, pid: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tree = readTree(pid);
  const inodes = new Set(
    ['tcp', 'tcp6'].flatMap((name) =>
      read(`/proc/${String(tree[0]?.pid ?? pid)}/net/${name}`)
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, local = '', , state]) => state === LISTENS && local.endsWith(suffix))
        .map((fields) => `socket:[${fields[9] ?? ''}]`),
    ),
  );
  return inodes.size > 0 && tree.some((process) => holdsAny(process.pid, inodes));
}

function holdsAny(pid: number, inodes: ReadonlySet<string>): boolean {
  const directory = `/proc/${String(pid)}/fd`;
  const holds = (descriptor: string): boolean => ifPossible(() => inodes.has(readlinkSync(`${directory}/${descriptor}`))) ?? false;
  return ifPossible(() => readdirSync(directory).some(holds)) ?? false;
}

const read = (path: string): string => ifPossible(() => readFileSync(path, 'latin1')) ?? '';
