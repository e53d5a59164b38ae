import type {Groups, GroupUsage} from './groups.js';

export const unknownUsage: GroupUsage = {
  cpuUserUs: null,
  cpuSystemUs: null,
  cpuSource: null,
  throttledUs: null,
  memPeakBytes: null,
  memPeakSource: null,
  memCurrentBytes: null,
  anonBytes: null,
  fileBytes: null,
  shmemBytes: null,
  swapBytes: null,
  memNowSource: null,
  swapPeakBytes: null,
  swapPeakSource: null,
  memswPeakBytes: null,
  ioReadBytes: null,
  ioWriteBytes: null,
  ioSource: null,
  pidsNow: null,
  pidsPeak: null,
  pidsPeakSource: null,
  pidsLimitHits: null,
};

/** Where no group can be had: everything is unknown and nothing is done, so callers never branch. */
export const noGroups: Groups = {
  joins: {engine: [], payload: []},
  usage: () => ({...unknownUsage}),
  look: () => false,
  seen: () => ({memoryBytes: null, pids: null}),
  cpuUs: () => null,
  memoryEvents: () => ({version: null, oomKills: null, groups: []}),
  verdict: () => null,
  processes: () => [],
  kill: () => undefined,
  freeze: () => undefined,
  populated: () => false,
  waitEmpty: () => Promise.resolve(true),
  remove: () => Promise.resolve([]),
};
