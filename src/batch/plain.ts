/** The plain case: no batch system, or none that Tare knows. No system grants a slot, and none is told how the job ended. */

import type {BatchAdapter, BatchJob} from '@tare/contract';

/** The job of a call without a batch system: no identity, no slot, the first attempt. */
export const plainJob = (): BatchJob => ({
  system: 'none',
  lrms: {host: null, queue: null, localJobId: null, globalJobId: null, attempt: 1},
  slot: {name: null, cores: null, memoryBytes: null, scratchBytes: null, gpus: null, wallTimeUs: null, cpuTimeUs: null},
  about: {name: null, vo: null, fqan: null, subject: null, issuer: null, groups: []},
  kind: 'job',
  because: 'no batch system called',
  descriptor: null,
  own: {},
  remarks: [],
});

/** The adapter of a call without a batch system: it reports to none. */
export const PLAIN: BatchAdapter = {
  read: plainJob,
  reportOutcome: () => Promise.resolve({quit: null}),
  reportFailure: () => Promise.resolve({quit: null}),
};
