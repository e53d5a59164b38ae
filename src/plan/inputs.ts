/** What a plan is made from. All of it is data: the same inputs give the same plan, byte for byte, on every machine. */

import type {Engine, EngineFacts} from '@tare/contract';
import type {Facts, IdentityFacts} from '../host/facts.js';
import type {Job, Valued} from '../job/job.js';
import type {Policy} from '../policy/policy.js';
import type {ImageFound} from './image.js';

/** What belongs to this one call, beside job, policy and node. */
export interface Call {
  /** The account of the payload. */
  identity: Valued<IdentityFacts>;
  /** The caller's environment. */
  environment: Readonly<Record<string, string>>;
  /** Variables of it that are the wrapper's, and not the payload's; absent: none. */
  ownVariables?: readonly string[];
  /** Files that the batch system's own script writes to, outside the work directory; absent: none. */
  writable?: readonly Valued<string>[];
  /** Directories above what is mounted that the job's user may pass through and not list, the outermost first; absent: none. */
  closed?: readonly string[];
  /** Where paths lead that go through links: each as it is written, and without them; absent: none does. */
  real?: Readonly<Record<string, string>>;
  /** Of the node's /run what the payload's account can reach: entries of the policy's, and files that the environment names as credentials. Absent: nothing. */
  run?: readonly string[];
  /** The job starts in a directory that is not its own: neither where it was called nor its account's, or one for all to write to. Absent: it is its own. */
  foreignDirectory?: true;
  /** What the batch system granted, null where it does not say. */
  slot: CallSlot;
  /** What the batch system calls the job. */
  batchId: string | null;
  /** Why no namespaces are to be built around the payload; null when they are. `always`: even where a box is required. */
  unboxed: {because: string; always: boolean} | null;
  /** The engine that the caller wants; absent: the policy's first that can. */
  engine?: string | undefined;
  /** Number of tasks that join the box; absent: the payload is the only one. */
  tasks?: number | undefined;
  /** What this node has by its facts and could not give this job; absent: nothing. */
  lost?: readonly ('box' | 'groups' | 'disk' | 'ids')[] | undefined;
  /** What the job's image is; absent: there is none, or it was not looked at yet. */
  image?: ImageFound | undefined;
  /** The account or map that has an id of the policy's range for small machines, for messages; absent: none has. */
  idsTaken?: string;
  /** A number in [0, 1) that belongs to the job: decides whether it is in the observed share. */
  sample: number;
}

/** The slot's share as the batch system and the node tell, each with its place; null: unknown. */
export interface CallSlot {
  name: string | null;
  cores: Valued<number> | null;
  memoryBytes: Valued<number> | null;
  scratchBytes: Valued<number> | null;
  gpus: Valued<number> | null;
  wallTimeUs: Valued<number> | null;
  cpuTimeUs: Valued<number> | null;
}

/** An engine that can build the box, as it is on the node. */
export interface EngineChoice {
  engine: Engine;
  facts: EngineFacts;
  /** Where it was found, and why none before it. */
  because: string;
}

/** Everything that a plan is computed from. Plans read nothing else. */
export interface Inputs {
  job: Job;
  policy: Policy;
  facts: Facts;
  call: Call;
  /** The engines that Tare has: what they say is plain functions, so that the plan stays pure. */
  engines: readonly Engine[];
  /** The one that was chosen; null, or absent: none, or not yet. */
  engine?: EngineChoice | null;
}
