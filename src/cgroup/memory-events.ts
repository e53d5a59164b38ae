import {existsSync} from 'node:fs';
import {deepestFirst, inodeOf, reader} from './files.js';
import type {GroupEvents, MemoryEvents} from './groups.js';
import {sumKnown} from './keyed.js';
import type {GroupTree} from './layout.js';
import {memoryCounters, type MemoryCounters} from './memory.js';

/** The memory counters of the box's groups and of all groups around it that can be seen. */
export function memoryEvents(tree: GroupTree | undefined): MemoryEvents {
  if (tree === undefined) return {version: null, oomKills: null, groups: []};
  const {version, box, parts} = tree;
  const groups: GroupEvents[] = [];
  for (const level of ['payload', 'engine'] as const) {
    const directory = parts.get(level);
    if (directory !== undefined) groups.push({directory, inode: inodeOf(directory), level, ...withBelow(version, directory)});
  }
  const add = (directory: string, level: 'box' | 'ancestor'): number =>
    groups.push({directory, inode: inodeOf(directory), level, ...memoryCounters(version, reader(directory))});
  add(box, 'box');
  for (const directory of around(box)) add(directory, 'ancestor');
  return {version, oomKills: groups.find(({level}) => level === 'payload')?.oomKills ?? null, groups};
}

/** Events of a box without a group for memory: the payload is in the caller's group, whose counters also count other processes. */
export function eventsAround(own: {version: 1 | 2; own: string} | undefined): MemoryEvents {
  if (own === undefined) return {version: null, oomKills: null, groups: []};
  const {version, own: directory} = own;
  const groups = around(`${directory}/box`).map((at): GroupEvents => ({
    directory: at,
    inode: inodeOf(at),
    level: 'ancestor',
    ...memoryCounters(version, reader(at)),
  }));
  return {version, oomKills: null, groups};
}

/** The counters of the same group now; null when it is gone, or was made anew under its name. */
export function readAgain(group: GroupEvents): GroupEvents | null {
  const {directory, level, inode} = group;
  if (inode === null || inodeOf(directory) !== inode) return null;
  const read = reader(directory);
  const version = read('cgroup.controllers') === null ? 1 : 2;
  return {directory, level, inode, ...memoryCounters(version, read)};
}

/** v1 counts a kill and a hit limit only in their own group, so those that the payload made below are added. v2 adds by itself. */
export function withBelow(version: 1 | 2, directory: string): MemoryCounters {
  if (version === 2) return memoryCounters(2, reader(directory));
  const all = deepestFirst(directory).map((group) => memoryCounters(1, reader(group)));
  return {
    oomKills: sumKnown(...all.map(({oomKills}) => oomKills)),
    limitHits: sumKnown(...all.map(({limitHits}) => limitHits)),
    memswReached: all.some(({memswReached}) => memswReached),
    oom: null,
    oomLocal: null,
    oomGroupKills: null,
    killsWhole: null,
  };
}

/** Groups around the box, the nearest first, up to the top of the hierarchy as far as it is mounted here. */
function around(box: string): string[] {
  const directories: string[] = [];
  for (let at = parent(box); existsSync(`${at}/cgroup.procs`); at = parent(at)) directories.push(at);
  return directories;
}

const parent = (directory: string): string => directory.slice(0, directory.lastIndexOf('/'));
