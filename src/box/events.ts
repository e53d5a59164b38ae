/** What happens to a live box, and what is known of it after that: the state of a box is a fold of these. Pure. */

import type {ProbeResult} from '../cvmfs/classify.js';
import type {EndedObservation, Weighing} from '../decide/observation.js';
import type {ProcessId} from '../process/process.js';
import type {OomVerdict, Stop} from '../record/outcome.js';
import type {RecordChildren} from '../record/parts.js';
import type {RecordApplication, UsageRecord} from '../record/record.js';
import type {Undo} from '../steps/def.js';
import type {BoxState} from './box-state.js';

/** An event without its number and time; src/schema/event-1.json explains each type. */
export type Happening =
  | {type: 'adopted'; wrapper: UsageRecord['wrapper']}
  | {type: 'connected'; undo: Undo[]; addresses: string[] | null}
  | {type: 'executed'; startEpochUs: number; init: ProcessId | null; payload: ProcessId | null}
  | {type: 'applications'; applications: BoxState['applications']; noted: RecordApplication[]}
  | {type: 'heard'; parts: RecordChildren}
  | {type: 'limit'; stop: Stop; atUs: number}
  | {type: 'clients-ended'; looked: ProbeResult[]}
  | {type: 'observed'; observation: EndedObservation}
  | {type: 'weighed'; weighing: Weighing}
  | {type: 'killed-by'; oom: OomVerdict | null}
  | {type: 'recorded'};

/** `us`: when it was known, on the monotonic clock. */
export type BoxEvent = {seq: number; us: number} & Happening;

/** What is known after it. One that is known already changes nothing: a supervisor that follows reads all again. */
export function reduce(state: BoxState, event: BoxEvent): BoxState {
  return event.seq <= state.seq ? state : {...state, ...changes(state, event), seq: event.seq};
}

function changes(state: BoxState, event: BoxEvent): Partial<BoxState> {
  const {started} = state;
  switch (event.type) {
    case 'adopted':
      return {started: {...started, wrapper: event.wrapper}};
    case 'connected': {
      const {addresses} = event;
      const {identity} = started;
      const others = addresses === null || identity == null ? {} : {started: {...started, identity: {...identity, addresses}}};
      return {connected: true, undo: [...state.undo, ...event.undo], ...others};
    }
    case 'executed':
      return {init: event.init, payload: event.payload, startEpochUs: state.startEpochUs ?? event.startEpochUs};
    case 'applications':
      return {applications: event.applications, noted: event.noted};
    case 'heard':
      return {parts: event.parts};
    case 'limit':
      return {stop: event.stop, stopUs: event.atUs};
    case 'clients-ended':
      return {looked: event.looked};
    case 'observed':
      return {observed: event.observation, weighed: event.observation.weighing};
    case 'weighed':
      return {weighed: event.weighing};
    case 'killed-by':
      return {oom: event.oom};
    case 'recorded':
      return {recorded: true};
  }
}

/** A line in a file of events. It begins with the end of the one before, which may have been cut off. */
export const lineOf = (event: BoxEvent): string => `\n${JSON.stringify(event)}`;
