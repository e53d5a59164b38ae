/** What is known of a call while it is prepared and run. */

import {randomName} from '../builtin.js';
import type {BatchJob, BatchSettings} from '@tare/contract';
import type {OuterBox} from '../box/outer-box.js';
import type {ProbeResult} from '../cvmfs/classify.js';
import type {JobFiles} from '../files/job-files.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import type {Shim} from '../host/within.js';
import type {Job} from '../job/job.js';
import {BUILTIN} from '../policy/builtin.js';
import type {Policy} from '../policy/policy.js';
import type {Phases} from './earlier.js';
import {callerIdentity} from './identity.js';

/** What is known even when preparing fails: the record of a refusal is made of it. */
export interface AttemptContext {
  id: string;
  role: 'wrapper' | 'command';
  /** The attempt as its batch system tells it. */
  batch: BatchJob;
  settings: BatchSettings;
  /** The shim of this call. */
  shim: Shim | undefined;
  caller: IdentityFacts;
  policy: Policy | null;
  job: Job | null;
  facts: Facts | null;
  /** The box that this one is in already. */
  outer: OuterBox | null;
  /** What was found of the repositories that the job needs. */
  looked: ProbeResult[];
  /** Says what is done, and for how long the shim may wait for it (`Channel.doing`); absent: no shim waits. */
  doing?: (what: string, patienceMs?: number | null) => void;
  /** Another call has the record of this attempt already, so that this one's has a name of its own; null: not looked up yet. */
  again: boolean | null;
  /** The attempt can have several phases; null: this call is all of it. */
  phases: Phases | null;
  /** A box is only tried. */
  probe: boolean;
  /** What could not be removed of a box that was begun, and was to be taken back. */
  left: string[];
  /** The way to files that the job names, as whose it is by what is known so far. */
  files: JobFiles;
}

/** The context of an attempt that begins: a random id, and nothing known but the call. */
export const newAttemptContext = (batch: BatchJob, role: AttemptContext['role'], files: JobFiles, shim?: Shim): AttemptContext => ({
  id: randomName(8),
  role,
  batch,
  settings: {oom: BUILTIN.batch.oom.value},
  shim,
  caller: callerIdentity(),
  policy: null,
  job: null,
  facts: null,
  outer: null,
  looked: [],
  again: null,
  phases: null,
  probe: false,
  left: [],
  files,
});
