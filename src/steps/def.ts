/** The row of a step of a plan: the process that performs it, its words in `tare plan`, the check of a saved one, and what the shim is sent. */

import type {Facts} from '../host/facts.js';
import type {IdMaps} from '../plan/machine-ids.js';
import type {Step, StepOf} from '../plan/step.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {UndoList} from '../schema/generated/undo-1.js';

/**
 * The process that performs a step, which also says when: `node`: the supervisor, on the node, before the launch; `shim`: the shim's enter, in the box's mounts,
 * before the engine; `engine`: the plan's engine, by its plugin; `init`: process 1 of the box, for what it starts; `watch`: the supervisor,
 * while it runs.
 */
export type By = 'node' | 'shim' | 'engine' | 'init' | 'watch';

/** The table of `tare plan` that lists a step, and the heads of its columns. */
export const SECTIONS = {
  'Control groups': ['step', 'where', 'value', 'why'],
  Box: ['step', 'what', 'why'],
  Mounts: ['destination', 'source', 'options', 'why'],
  Repositories: ['repository', 'oldest revision', 'deadline', 'if it cannot be used', 'why'],
  Environment: ['variable', 'value', 'why'],
  Watches: ['watch', 'limit', 'why'],
} as const;

/** Titles of tables. */
export type Section = keyof typeof SECTIONS;

/** A row of a table. Its last column, the reason of the step, is added; a row of four has one already. */
export type Row = readonly string[];

/** What a saved plan is held against. */
export interface Here {
  plan: Plan;
  facts: Facts;
  policy: Policy;
}

/** Why a step of a saved plan cannot be obeyed here. */
export interface Misfit {
  /** What is wrong with the plan, after `the plan does not fit this node: `. */
  message: string;
  found: string;
  allowed: string;
}

/** The place of a plan's paths on this node, and the owner of what is made there. */
export interface Ground {
  plan: Plan;
  id: string;
  /** A path of the plan on this node. */
  place: (path: string) => string;
  owner: StepOf<'identity.take'> | undefined;
  maps: IdMaps | undefined;
}

/** The row of one kind of step: everything that is known of it but how the plan comes to it. */
export interface StepDef<S extends Step> {
  by: readonly By[];
  /** null: the step has a table of its own. */
  section: Section | null;
  /** Rows of the section's table without the reason, which is the step's. */
  rows?: (step: S) => readonly Row[];
  /** A saved step on this node; absent: it can do no harm, or the plan as a whole is checked (src/prepare/saved-plan.ts). */
  check?: (step: S, here: Here) => Misfit | null;
  /** What enter does of it: an operation of native/README.md, Views, and its arguments; empty: nothing. */
  enter?: (step: S, ground: Ground) => readonly string[];
  /** What takes away what the step makes on the node; absent: it makes nothing that is there when the box is gone. */
  undo?: (step: S, ground: Ground) => readonly Undo[];
}

/** An instruction of the closed vocabulary of src/schema/undo-1.json. */
export type Undo = UndoList[number];

/** A row for each of some kinds of steps. */
export type Steps<Op extends Step['op']> = {[O in Op]: StepDef<StepOf<O>>};
/** Rows for the kinds that one file is about. */
export type SomeSteps = Partial<Steps<Step['op']>>;

/** What a box makes lies in its own folder. */
export const isOwn = (path: string | null): boolean => path === null || (path.startsWith('{box}/') && !path.split('/').includes('..'));

/** The misfit of a step that would mount on the node's own files. */
export const mountsOutside = (at: string): Misfit => ({
  message: 'it mounts outside the box’s own folder',
  found: at,
  allowed: 'below {box}',
});
