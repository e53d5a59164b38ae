/** The state of a box that another version began, as this one reads it. */

import type {Plan} from '../schema/generated/plan-1.js';
import type {Undo} from '../steps/def.js';
import {undoOf} from '../steps/undo.js';

/** Of version 0.1.0: what took a box away was code that read its plan. */
interface Box010 {
  schema?: string;
  id: string;
  plan: Plan;
  /** The program that stood for the box's network. */
  helper?: {pid: number; startTicks: number} | null;
}

/** @param state as it was read; what is no box's is given back as it is */
export function migrateBox(state: unknown): unknown {
  if (!isOf010(state)) return state;
  const {helper = null, ...rest} = state;
  const {plan, id} = rest;
  const undo: Undo[] = undoOf(plan, id, `${plan.directories.scratch}/tare-${id}`);
  if (helper !== null) undo.push({op: 'process.kill', ...helper});
  return {...rest, schema: 'tare/box/v1', seq: 0, undo};
}

function isOf010(state: unknown): state is Box010 {
  const {schema, plan} = Object(state) as Partial<Box010>;
  return schema === undefined && Array.isArray(plan?.steps);
}
