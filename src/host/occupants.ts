/**
 * Whether the processes of a v2 group can be moved: a group with processes cannot hand controllers to its children (the kernel's
 * admin-guide/cgroup-v2, "No Internal Process Constraint"), so processes in a delegated group move to a leaf below it first.
 */

import {words} from './hierarchy.js';
import type {Tree} from './tree.js';

/** The leaf that they move to; one for all wrappers of a group. */
export const LEAF = 'tare-caller';

/** The process that would move others. */
export interface Mover {
  uid: number;
  /** The wrapper's own processes and those that lead to it. */
  family: ReadonlySet<number>;
}

/** What is known of the processes of a group. */
export interface Occupants {
  /** Only the wrapper, and the processes that lead to it, are in the group. */
  onlyFamily: boolean;
  /** Why they cannot be moved; null when they can. */
  obstacle: string | null;
}

/**
 * The processes in a group; null: none. The kernel lets the owner of a group move every process in it. Tare moves only processes of its own user,
 * but all of them at the top of a cgroup namespace, which is root's.
 */
export function occupants(tree: Tree, directory: string, mover: Mover, isTop: boolean): Occupants | null {
  const list = (): number[] => words(tree.text(`${directory}/cgroup.procs`)).map(Number);
  const there = list();
  if (there.length === 0) return null;
  const onlyFamily = there.every((pid) => mover.family.has(pid));
  if (there.includes(0)) return {onlyFamily, obstacle: 'a process outside this PID namespace is in it'};
  const foreign = there.find((pid) => !mover.family.has(pid) && !isMovable(tree, pid, mover.uid, isTop));
  if (foreign === undefined || !list().includes(foreign)) return {onlyFamily, obstacle: null};
  return {onlyFamily, obstacle: `process ${String(foreign)} in it is not the caller’s`};
}

function isMovable(tree: Tree, pid: number, uid: number, isTop: boolean): boolean {
  const real = /^Uid:\s+(\d+)/m.exec(tree.text(`/proc/${String(pid)}/status`) ?? '')?.[1];
  return real !== undefined && (Number(real) === uid || (isTop && uid === 0));
}

/** Deeper than any tree of processes that leads to a job. */
const MOST_ANCESTORS = 64;

/** This process, the shim, and what is above both. */
export function familyOf(tree: Tree, shim: number | undefined): ReadonlySet<number> {
  const family = new Set<number>();
  const self = Number.parseInt(tree.text('/proc/self/stat') ?? '', 10);
  for (const first of [self, shim ?? 0])
    for (let pid = first, level = 0; pid > 0 && level < MOST_ANCESTORS && !family.has(pid); pid = parentOf(tree, pid), level++)
      family.add(pid);
  return family;
}

/** 0 when it cannot be read. */
export function parentOf(tree: Tree, pid: number): number {
  const stat = tree.text(`/proc/${String(pid)}/stat`) ?? '';
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}
