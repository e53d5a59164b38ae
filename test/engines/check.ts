/** What a check of the conformance suite is: one promise that a box keeps, whatever engine builds it. */

import type {EnginePattern} from '@tare/contract';
import type {Ask, Bench, Ran} from './bench.js';

interface Common {
  /** Unique: a row of the table in docs/reference/engines.md, and what an engine's `unclaimed` names. */
  name: string;
  /** What is promised, in one sentence. */
  promise: string;
  /** Patterns that promise it; absent: all. */
  patterns?: readonly EnginePattern[];
  /** Also in `npm test`: one box, or two, and nothing that is waited for. */
  sample?: true;
  /** That it may take on a machine of the usual speed, s; absent: 60. */
  seconds?: number;
}

/** One box: what is asked of it, and what holds of how it ran. */
interface Asked extends Common {
  ask: (bench: Bench) => Ask;
  holds: (ran: Ran, bench: Bench) => void;
}

/** What takes several boxes, or a live one. */
interface Tried extends Common {
  /** @throws Error where the promise is not kept */
  body: (bench: Bench) => Promise<void>;
}

export type Check = Asked | Tried;

/** Whether the promise is kept. @throws Error where it is not, with what was found */
export async function perform(check: Check, bench: Bench): Promise<void> {
  if ('body' in check) await check.body(bench);
  else check.holds(await bench.run(check.ask(bench)), bench);
}

/** Why a check cannot be tried on this node, whatever the engine. */
export class NotTried extends Error {}
/** Why this engine cannot give what is asked, as it says itself before anything starts. */
export class NotClaimed extends Error {}

/** Leaves a check out where the node lacks something. @throws NotTried */
export function has(present: boolean, reason: string): void {
  if (!present) throw new NotTried(reason);
}
