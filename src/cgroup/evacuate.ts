/**
 * Moves all processes of a delegated v2 group into its leaf, and back. All wrappers of one group share the leaf, and none waits for another:
 * each looks again at what it finds, a bounded number of times.
 */

import {mkdirSync, readdirSync, rmdirSync} from 'node:fs';
import {basename} from 'node:path';
import {errnoOf, makes} from '../errors.js';
import type {CgroupEvacuate} from '../schema/generated/plan-1.js';
import {reader, tryWrite, writeGroupFile} from './files.js';
import {pause} from './kill.js';

/** Processes that fork while they are moved are found in the next round. */
const MOVING_ROUNDS = 50;
/** Some two seconds: on a busy machine, one that has been killed or has called exit() may wait that long for its last moment on a CPU. */
const ENDING_ROUNDS = 200;
const MOST_PAUSE_MS = 10;

/**
 * Moves every process in the group to its leaf. One that is still named after it was moved is ending, which the kernel does not move any more, or
 * another wrapper has moved it back: controllers cannot be switched on then (EBUSY), and whoever calls begins again.
 * @throws the kernel's error when the leaf cannot be made or a process cannot be moved
 */
export function evacuate({directory, into}: Pick<CgroupEvacuate, 'directory' | 'into'>): void {
  const moved = new Set<number>();
  for (let round = 0; round < MOVING_ROUNDS; round++) {
    makes(() => mkdirSync(into));
    const there = processesIn(directory).filter((pid) => !moved.has(pid));
    if (there.length === 0) return;
    for (const pid of there) {
      try {
        writeGroupFile(into, 'cgroup.procs', String(pid));
        moved.add(pid);
      } catch (error) {
        // ESRCH: it has ended; ENOENT, ENODEV: another wrapper, the last of those before, has just removed the leaf
        if (!['ESRCH', 'ENOENT', 'ENODEV'].includes(errnoOf(error) ?? '')) throw error;
      }
    }
  }
}

/**
 * When no other group is left in the group: switches the controllers off, moves everybody back and removes the leaf, so that the group is as it was
 * and the system that delegated it can put a process into it again. Leaves all as it is for others who need it: the kernel refuses to take
 * a controller from a group that hands it on.
 */
export function restore({directory, into}: Pick<CgroupEvacuate, 'directory' | 'into'>): void {
  if (groupsIn(directory).some((name) => name !== basename(into))) return;
  const enabled = (reader(directory)('cgroup.subtree_control') ?? '').split(/\s+/).filter((name) => name !== '');
  if (enabled.length > 0 && !tryWrite(directory, 'cgroup.subtree_control', enabled.map((name) => `-${name}`).join(' '))) return;
  for (let round = 0; round < ENDING_ROUNDS; round++) {
    // EBUSY: a wrapper that has just begun has switched controllers on again
    for (const pid of processesIn(into)) if (!tryMove(directory, pid)) return;
    try {
      rmdirSync(into);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY') return;
      // one that is ending is not moved, and keeps the group until it has ended, named or not
      pause(Math.min(1 + round, MOST_PAUSE_MS));
    }
  }
}

/** false: no process can be moved there now. */
function tryMove(directory: string, pid: number): boolean {
  try {
    writeGroupFile(directory, 'cgroup.procs', String(pid));
    return true;
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
}

/** 0, a process outside of our PID namespace, would be ourselves when it is written. */
function processesIn(directory: string): number[] {
  return (reader(directory)('cgroup.procs') ?? '')
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

function groupsIn(directory: string): string[] {
  try {
    return readdirSync(directory, {withFileTypes: true})
      .filter((entry) => entry.isDirectory())
      .map(({name}) => name);
  } catch {
    return [];
  }
}
