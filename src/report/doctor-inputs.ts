/** What doctor is given: what was found of the node, and the policy. */

import type {BatchFinding, Engine} from '@tare/contract';
import type {Facts} from '../host/facts.js';
import type {Policy} from '../policy/policy.js';
import type {NodeFound} from './node-checks.js';

/** Programs of Tare's own. */
export interface DoctorTools {
  /** The static program of native/: path, or null and why it cannot be used. */
  native: {path: string | null; because: string | null};
}

/** Everything that a diagnosis follows from. */
export interface DoctorInputs {
  facts: Facts;
  policy: Policy;
  /** Those that Tare has, in their order. */
  engines: readonly Engine[];
  tools: DoctorTools;
  /** What the batch system of this job says; absent: it is no job, or it says nothing. */
  batch?: BatchFinding | null;
  /** Of the node's own state; absent: not looked at. */
  node?: NodeFound;
  /** Absent: not looked at. */
  killSwitch?: {file: string; on: boolean};
}
