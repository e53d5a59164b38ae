import {cpuTimes, throttling} from './cpu.js';
import type {Groups, GroupUsage} from './groups.js';
import {ioUsage} from './io.js';
import {memoryUsage} from './memory.js';
import {pidsUsage} from './pids.js';
import {NO_PRESSURE} from './pressure.js';

const nothing = (): null => null;

/** Usage of a group of which nothing can be read. */
export const unknownUsage: GroupUsage = {
  ...cpuTimes(2, nothing),
  ...throttling(2, nothing),
  ...memoryUsage(2, nothing),
  ...ioUsage(2, nothing),
  ...pidsUsage(2, nothing),
  ...NO_PRESSURE,
};

/** Groups of a node on which none can be made: all figures are unknown and all calls do nothing, so that callers need no branch. */
export const noGroups: Groups = {
  has: () => false,
  joins: () => [],
  entries: () => [],
  usage: () => ({...unknownUsage}),
  level: () => ({cpuUs: null, memoryBytes: null, memoryPeakBytes: null, processes: null}),
  cpuUs: () => null,
  memoryEvents: () => ({version: null, oomKills: null, groups: []}),
  kills: () => ({oomKills: null, ownLimit: null}),
  verdict: () => null,
  processes: () => [],
  kill: () => undefined,
  freeze: () => undefined,
  frozen: () => ({frozen: null, frozenUs: null}),
  eventFiles: () => ({memory: null, processes: null, state: null}),
  processLimitHits: () => null,
  stallReading: () => null,
  populated: () => false,
  waitEmpty: () => Promise.resolve(true),
};
