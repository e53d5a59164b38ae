/** What a fault is, and which one a seed and a number give. */

import type {Supervisor} from '../support/name-service.js';
import type {Role} from '../support/tare.js';
import {fullDirectory, goneDirectory} from './kinds/directories.js';
import {hungFile} from './kinds/fuse.js';
import {smallLimit} from './kinds/limits.js';
import {pressure} from './kinds/memory.js';
import {killed, stopped, storm} from './kinds/signals.js';
import {failingCall} from './kinds/syscalls.js';
import {Random} from './random.js';
import type {Scene} from './scene.js';

/** A job that a fault meets, and how it is run. */
export interface Way {
  role: Role;
  supervisor: Supervisor;
  pattern: 'ulimit++' | 'quotas++' | 'vm-lite';
  /** `observe`: no box, no engine, and nothing that a limit ends. */
  mode: 'enforce' | 'observe';
  /** Whose slot it is in, as far as the environment and its files tell. */
  batch: Batch;
  /** How long the payload takes, and how it ends. */
  payload: {ms: number; exit: number};
}

const BATCHES = ['none', 'htcondor', 'slurm'] as const;
export type Batch = (typeof BATCHES)[number];

/** What happens to it. Each part is optional; `after` is always called, and mends what lasts longer than the job. */
export interface Harm {
  /** The fault in words: what, to which process, when. */
  words: string;
  /** root: only root can do it; strace, fuse: needs the program. */
  needs?: readonly Need[];
  /**
   * The wrapper may leave something to a sweep: it was killed itself, or can write nowhere. Else only where it says so: in a message, by a flag,
   * or because three supervisors died.
   */
  sweep?: boolean;
  /** Words before the wrapper's own. */
  prefix?: (scene: Scene) => string[];
  /** Words between a supervisor's interpreter and what starts it. */
  supervisorPrefix?: string[];
  before?: (scene: Scene) => Promise<void> | void;
  during?: (scene: Scene) => Promise<void>;
  after?: (scene: Scene) => Promise<void> | void;
}

export type Need = 'root' | 'strace' | 'fuse' | 'groups of memory' | 'a runtime and busybox';

export interface Kind {
  name: string;
  /** How often it comes, among all. */
  weight: number;
  draw: (random: Random, way: Way) => Harm;
}

export interface Fault {
  number: number;
  kind: string;
  way: Way;
  harm: Harm;
}

const KINDS: readonly Kind[] = [storm, stopped, killed, failingCall, fullDirectory, goneDirectory, smallLimit, hungFile, pressure];
const ALL_WEIGHTS = KINDS.reduce((sum, {weight}) => sum + weight, 0);

/** @param only the name of a kind: all are of that one; null: of any */
export function faultOf(seed: number, number: number, only: string | null = null): Fault {
  const random = new Random(seed, number);
  const pattern = random.chance(0.25) ? 'quotas++' : random.chance(0.15) ? 'vm-lite' : 'ulimit++';
  const way: Way = {
    role: random.chance(0.5) ? 'root' : 'user',
    supervisor: random.chance(0.3) ? 'checkout' : 'folder',
    pattern,
    mode: pattern !== 'vm-lite' && random.chance(0.15) ? 'observe' : 'enforce',
    batch: random.chance(0.3) ? random.pick(BATCHES) : 'none',
    payload: {ms: random.scaled(20, 500), exit: random.pick([0, 0, 7])},
  };
  const drawn = kindAt(random.next() * ALL_WEIGHTS);
  const kind = only === null ? drawn : named(only);
  return {number, kind: kind.name, way, harm: kind.draw(random, way)};
}

function kindAt(weight: number): Kind {
  let left = weight;
  const kind = KINDS.find((each) => (left -= each.weight) < 0);
  if (kind === undefined) throw new Error('weights of kinds do not add up');
  return kind;
}

function named(name: string): Kind {
  const kind = KINDS.find((each) => each.name === name);
  if (kind === undefined) throw new Error(`${name}: no kind of faults; there are ${KINDS.map((each) => each.name).join(', ')}`);
  return kind;
}

export const wordsOf = ({kind, way, harm}: Fault): string =>
  `${kind}: ${harm.words}; ${way.role}, ${way.supervisor}, ${way.pattern}, ${way.mode}, batch system ${way.batch}, ${String(way.payload.ms)} ms, exit ${String(way.payload.exit)}`;
