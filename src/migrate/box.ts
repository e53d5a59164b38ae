/** The state of a box that another version began, as this one reads it. Pure. */

import {LIMIT_NAMES, LIMIT_UNITS, type LimitName} from '../job/job.js';
import type {Plan, PlannedLimit} from '../schema/generated/plan-1.js';
import type {Undo} from '../steps/def.js';
import {undoOf} from '../steps/undo.js';
import {change, each, isTree, migrateApplication, migrateChildren, migrateRecord, migrateWrapper} from './record.js';

/** The state of version 0.1.0, in which code that read the plan removed a box. */
interface Box010 {
  schema?: string;
  id: string;
  plan: {directories: Plan['directories']; steps: {op: string}[]};
  /** The program that stood for the box's network. */
  helper?: {pid: number; startTicks: number} | null;
}

/** Names that are others now: keys of the state, and steps of its plan. */
const KEYS: Readonly<Record<string, string>> = {frontStartedUs: 'shimStartedUs', around: 'outer'};
const OPS: Readonly<Record<string, string>> = {
  'scratch.contain': 'scratch.quota',
  'cvmfs.hold': 'mount.pin',
  'mount.graft': 'mount.move',
};

/** @param state as it was read; what is no box's is given back as it is */
export function migrateBox(state: unknown): unknown {
  return change(isOf010(state) ? migrateBox010(state) : migrateRecords(state), {plan: migratePlan});
}

function migrateBox010(state: Box010): unknown {
  const {helper = null, plan: old, ...rest} = state;
  const plan = {...old, steps: old.steps.map((step) => ({...step, op: OPS[step.op] ?? step.op}))} as Plan;
  const undo: Undo[] = undoOf(plan, rest.id, `${plan.directories.scratch}/tare-${rest.id}`);
  if (helper !== null) undo.push({op: 'process.kill', ...helper});
  const renamed = Object.fromEntries(Object.entries(rest).map(([key, value]) => [KEYS[key] ?? key, value]));
  return migrateRecords({...renamed, plan, schema: 'tare/box/v1', seq: 0, undo});
}

/** A plan has a value for each limit of this version: those that came later are none. */
const migratePlan = (plan: unknown): unknown =>
  change(plan, {limits: migrateLimits, observed: (observed) => change(observed, {limits: migrateLimits})});

function migrateLimits(limits: unknown): unknown {
  if (!isTree(limits)) return limits;
  const missing = LIMIT_NAMES.filter((name) => !Object.hasOwn(limits, name));
  return missing.length === 0 ? limits : {...limits, ...Object.fromEntries(missing.map((name) => [name, unknownLimit(name)]))};
}

const unknownLimit = (name: LimitName): PlannedLimit => ({
  value: null,
  unit: LIMIT_UNITS[name],
  asked: null,
  clamped: false,
  provenance: {source: 'builtin', at: 'builtin'},
  enforcement: 'none',
  by: null,
  because: 'the version that began the box has no such limit',
});

/**
 * A state with its records, and what becomes a part of them, as this version has them; all else as it is.
 * @param state as it was read: nothing of it need be as it should be
 */
export const migrateRecords = (state: unknown): unknown =>
  change(state, {
    started: migrateRecord,
    noted: (list) => each(list, migrateApplication),
    parts: migrateChildren,
    phases: (phases) => change(phases, {earlier: migrateRecord}),
  });

/** The same of a line of `events.jsonl`. */
export const migrateEvent = (event: unknown): unknown =>
  change(event, {wrapper: migrateWrapper, noted: (list) => each(list, migrateApplication), parts: migrateChildren});

function isOf010(state: unknown): state is Box010 {
  const {schema, plan} = Object(state) as Partial<Box010>;
  return schema === undefined && Array.isArray(plan?.steps);
}
