/** All that is known of one job, live or ended, as one object: `tare inspect`. */

import {readForeignState} from '../box/state-read.js';
import {ifPossible} from '../errors.js';
import type {Policy} from '../policy/policy.js';
import {value, type LiveBox} from './box-view.js';
import type {EndedJob} from './ended.js';
import {findKept} from './kept.js';

/** One job; what is null is not there or not known. */
export interface Inspected {
  id: string | null;
  recordId: string | null;
  name: string | null;
  live: boolean;
  /** The record: of a live job as it is open, of an ended one as it was closed. */
  record: unknown;
  /** The plan of a live job. */
  plan: unknown;
  /** What the wrapper noted of a live box beside its plan and record. */
  box: unknown;
  /** The folder in which output of an ended job is kept. */
  kept: string | null;
}

/** Of the state of a box, what is of use only to a supervisor that takes over. */
const INTERNAL = new Set(['plan', 'started', 'undo', 'settings', 'memoryBefore', 'abilities', 'looked', 'noted']);

/** A live box by its state on disk, which its owner may have written. */
export function inspectLive({id, recordId, name, directory, uid}: LiveBox): Inspected {
  const read = ifPossible(() => readForeignState(directory));
  // the folder can be gone by now, or another's
  const state: unknown = read?.uid === uid ? read.state : null;
  const box = Object.fromEntries(Object.entries(Object(state) as object).filter(([key]) => !INTERNAL.has(key)));
  return {
    ...{id, recordId, name, live: true},
    record: value(state, 'started') ?? null,
    plan: value(state, 'plan') ?? null,
    box: state === null ? null : {...box, directory, uid},
    kept: null,
  };
}

/** An ended job by its record. */
export function inspectEnded({boxId, record: {recordId, payload}, text}: EndedJob, policy: Policy, uid: number): Inspected {
  return {
    ...{id: boxId, recordId, name: payload.name, live: false},
    record: JSON.parse(text) as unknown,
    ...{plan: null, box: null},
    kept: findKept(policy, uid, boxId)?.directory ?? null,
  };
}

/** What lies at a path such as `record.outcome.exitCode`; elements of lists by their number. A text says where the path ends, and with which keys it could go on. */
export function fieldOf(root: unknown, path: string): {found: unknown} | string {
  let at = root;
  const keys = path.split('.');
  for (const [index, key] of keys.entries()) {
    const isThere = typeof at === 'object' && at !== null && Object.hasOwn(at, key);
    if (!isThere) {
      const allowed = typeof at === 'object' && at !== null ? Object.keys(at).slice(0, MOST_KEYS).join(', ') : '';
      return `no ${keys.slice(0, index + 1).join('.')}; allowed there: ${allowed === '' ? 'nothing, it has no parts' : allowed}`;
    }
    at = (at as Record<string, unknown>)[key];
  }
  return {found: at};
}

const MOST_KEYS = 60;
