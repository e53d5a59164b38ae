/** The only place that chooses between hierarchies, versions and none. */
import {chownSync, mkdirSync, realpathSync} from 'node:fs';
import {errnoOf} from '../errors.js';
import type {CgroupCreate, CgroupEvacuate, Plan} from '../schema/generated/plan-1.js';
import {evacuate, restore} from './evacuate.js';
import {BoxGroups} from './box-groups.js';
import {cpusetFill} from './cpuset.js';
import {cgroupFailed} from './explain.js';
import {isCgroup, reader, writeGroupFile} from './files.js';
import type {Groups, Part} from './groups.js';
import {pause} from './kill.js';
import {layout, type CgroupStep, type GroupTree} from './layout.js';
import {noGroups} from './none.js';
import {removeOnce} from './remove.js';

export {noGroups} from './none.js';
export {killAll, waitEmpty} from './kill.js';
export {removeGroups} from './remove.js';
export {restore as restoreGroup} from './evacuate.js';
export {eventsAround} from './memory-events.js';
export {verdictFromOutside} from './outside.js';
export {verdictAround, verdictInside} from './verdict.js';
export type {Freeze, GroupEvents, Groups, GroupUsage, MemoryEvents, Part} from './groups.js';
export type {StallReading} from './stall.js';

/** How groups are made, for tests. */
export interface Options {
  /** Is this directory a control group? Tests on a fake tree say yes. */
  isCgroup?: (directory: string) => boolean;
}

/** Does the plan's cgroup steps, in their order. What was made is taken back when one fails. @throws TareError CGROUP_FAILED */
export function createGroups(steps: Plan['steps'], id: string, options: Options = {}): Groups {
  const {steps: own, trees, evacuations} = layout(steps, id);
  if (trees.length === 0) return noGroups;
  for (let attempt = 1; ; attempt++) {
    const made: string[] = [];
    try {
      for (const step of own) perform(step, made, options.isCgroup ?? isCgroup);
      return new BoxGroups(id, trees);
    } catch (error) {
      for (const {box} of trees) if (made.includes(box)) removeOnce(box);
      if (evacuations.length === 0 || attempt === ATTEMPTS || !isPassing(error)) {
        evacuations.forEach(restore);
        throw error;
      }
      pause(Math.min(attempt, MOST_PAUSE_MS));
    }
  }
}

/** How often a box is begun in a group to which other wrappers just restore processes, or in which a process is ending: some three seconds. */
const ATTEMPTS = 150;
const MOST_PAUSE_MS = 20;

/** ENOENT, ENODEV: a controller or a leaf is gone again; EBUSY: a process has entered the group again. */
function isPassing(error: unknown): boolean {
  const code = errnoOf((error as Error).cause ?? error);
  return code === 'ENOENT' || code === 'ENODEV' || code === 'EBUSY';
}

/** The same groups, made earlier by a wrapper that died. Those that are gone are left out. */
export function openGroups(steps: Plan['steps'], id: string, options: Options = {}): Groups {
  const exists = options.isCgroup ?? isCgroup;
  const there = (groups: ReadonlyMap<Part, string>): Map<Part, string> => new Map([...groups].filter(([, directory]) => exists(directory)));
  const {trees: planned} = layout(steps, id);
  const trees = planned
    .filter(({box}) => exists(box))
    .map((tree): GroupTree => ({...tree, parts: there(tree.parts), jobs: there(tree.jobs)}));
  return trees.length === 0 ? noGroups : new BoxGroups(id, trees);
}

function perform(step: CgroupStep, made: string[], isGroup: (directory: string) => boolean): void {
  if (step.op === 'cgroup.create') {
    make(step.directory, step.controllers, made, isGroup);
    if (step.owner !== undefined) giveAway(step, step.owner);
    if (step.version === 1 && step.controllers.includes('cpuset')) {
      const parent = step.directory.slice(0, step.directory.lastIndexOf('/'));
      for (const {file, value} of cpusetFill(reader(parent), reader(step.directory))) write(step.directory, file, value, ['cpuset']);
    }
  } else if (step.op === 'cgroup.write') {
    write(step.directory, step.file, step.value, [step.controller]);
  } else if (step.op === 'cgroup.evacuate') {
    evacuateAll(step);
  } else {
    enable(step.directory, step.controllers);
  }
}

/** What a delegation is (admin-guide/cgroup-v2): the directory, and the files by which groups are made and processes moved below it. */
function giveAway({directory, controllers}: CgroupCreate, {uid, gid}: {uid: number; gid: number}): void {
  try {
    for (const name of ['.', 'cgroup.procs', 'cgroup.threads', 'cgroup.subtree_control']) chownSync(`${directory}/${name}`, uid, gid);
  } catch (error) {
    throw cgroupFailed({doing: 'give away', directory, controllers, error});
  }
}

function evacuateAll(step: CgroupEvacuate): void {
  try {
    evacuate(step);
  } catch (error) {
    throw cgroupFailed({doing: 'empty', directory: step.directory, controllers: [], error});
  }
}

function make(directory: string, controllers: readonly string[], made: string[], isGroup: (directory: string) => boolean): void {
  // Co-mounted controllers (cpu,cpuacct) share one directory, also where it is named by two symbolic links.
  if (made.includes(directory)) return;
  try {
    mkdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && made.some((other) => realpathSync(other) === realpathSync(directory))) return;
    throw cgroupFailed({doing: 'make', directory, controllers, error});
  }
  made.push(directory);
  if (!isGroup(directory)) throw cgroupFailed({doing: 'use', directory, controllers, error: 'it does not lie on a cgroup file system'});
}

function write(directory: string, file: string, value: string, controllers: readonly string[]): void {
  try {
    writeGroupFile(directory, file, value);
  } catch (error) {
    throw cgroupFailed({doing: 'write', directory, file, value, controllers, error});
  }
}

/** Controllers that are on already are not written: the file may belong to another account. */
function enable(directory: string, controllers: readonly string[]): void {
  const read = reader(directory);
  const list = (file: string): string[] => (read(file) ?? '').split(/\s+/);
  const missing = controllers.filter((controller) => !list('cgroup.subtree_control').includes(controller));
  if (missing.length === 0) return;
  const value = missing.map((controller) => `+${controller}`).join(' ');
  const unavailable = missing.filter((controller) => !list('cgroup.controllers').includes(controller));
  try {
    writeGroupFile(directory, 'cgroup.subtree_control', value);
  } catch (error) {
    const named = unavailable.length > 0 ? unavailable : missing;
    throw cgroupFailed({doing: 'enable', directory, file: 'cgroup.subtree_control', value, controllers: named, error});
  }
}
