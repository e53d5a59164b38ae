/**
 * Whether the caller is in a box already. Proved by the kernel, never by a variable that a user could set: a read-only mount of ours, the
 * name of the caller's control group, or a shim among the caller's ancestors.
 */

import {ifPossible} from '../errors.js';
import {parentOf} from './occupants.js';
import type {Facts} from './facts.js';
import type {Hierarchy} from './hierarchy.js';
import type {Mount} from './mountinfo.js';
import type {Tree} from './tree.js';

/** The directory in which every box has the facts about itself (plan/features.ts), read-only. */
const ABOUT = '/dev/tare';
const PAYLOAD_GROUP = /\/tare-[0-9a-f]{16}\/payload(?:\/|$)/;
/** Deeper than any tree of processes that leads to a job. */
const MOST_ANCESTORS = 64;

/** The shim of this very call; for a call that has none, its own process and the real path of what would be its shim. */
export interface Shim {
  pid: number;
  executable: string | null;
}

/** The box that the caller is in, by the read-only mount in it, the own group's name, or a shim among the ancestors; null: none. */
export function readWithin(
  tree: Tree,
  mounts: readonly Mount[],
  hierarchies: readonly Hierarchy[],
  shim: Shim | undefined,
): Facts['within'] {
  const found = boxAround(tree, mounts, hierarchies, shim);
  return found === null || !isOffline(tree) ? found : {...found, offline: true};
}

function boxAround(
  tree: Tree,
  mounts: readonly Mount[],
  hierarchies: readonly Hierarchy[],
  shim: Shim | undefined,
): {recordId: string | null; how: string} | null {
  if (mounts.findLast(({point}) => point === ABOUT)?.options.includes('ro') === true)
    return {recordId: recordIn(tree.text(`${ABOUT}/box.json`)), how: `${ABOUT} is mounted read-only`};
  const group = hierarchies.map(({path}) => path[0] ?? '').find((directory) => PAYLOAD_GROUP.test(directory));
  if (group !== undefined) return {recordId: null, how: `the own group is ${group}`};
  const ancestor = shim === undefined ? null : shimAbove(tree, shim);
  return ancestor === null ? null : {recordId: null, how: `process ${String(ancestor)} above is a shim`};
}

/**
 * Devices that lead nowhere in a network namespace that nobody has configured: the loopback's, and those that modules of tunnels make in each
 * namespace (fb_tunnels_only_for_init_net in the kernel's Documentation/admin-guide/sysctl/net.rst).
 */
const LOOPBACK = 'lo';
const FALLBACK_TUNNELS = ['tunl0', 'gre0', 'gretap0', 'erspan0', 'sit0', 'ip6tnl0', 'ip6gre0', 'ip_vti0', 'ip6_vti0'];

/** Whether the own network namespace has nothing but these (/proc/net/dev, proc_net(5)); false where that cannot be read. */
function isOffline(tree: Tree): boolean {
  const devices = (tree.text('/proc/self/net/dev') ?? '').split('\n').flatMap((line) => /^\s*(\S+):/.exec(line)?.[1] ?? []);
  return devices.includes(LOOPBACK) && devices.every((name) => name === LOOPBACK || FALLBACK_TUNNELS.includes(name));
}

const recordIn = (text: string | null): string | null =>
  ifPossible(() => {
    const {recordId} = JSON.parse(text ?? '') as {recordId?: unknown};
    return typeof recordId === 'string' ? recordId : null;
  });

function shimAbove(tree: Tree, shim: Shim): number | null {
  const executable = shim.executable ?? tree.link(`/proc/${String(shim.pid)}/exe`);
  if (executable === null) return null;
  let pid = parentOf(tree, shim.pid);
  for (let level = 0; pid > 1 && level < MOST_ANCESTORS; level++, pid = parentOf(tree, pid))
    if (tree.link(`/proc/${String(pid)}/exe`) === executable) return pid;
  return null;
}
