/** Reads single values of a policy's document: with the place where they are written, and in plain units. */

import type {Locate} from '../job/at.js';
import type {Valued} from '../job/job.js';
import type {Problems} from '../job/problems.js';
import {parseDuration, parseSize} from '../job/quantity.js';

type Quantity = string | number | undefined;

/** Tells problems, and throws none. */
export class Reader {
  readonly locate: Locate;
  readonly problems: Problems;

  constructor(locate: Locate, problems: Problems) {
    this.locate = locate;
    this.problems = problems;
  }

  /** null: nothing is written there. */
  given<T>(written: T | undefined, pointer: string): Valued<T> | null {
    return written === undefined ? null : {value: written, provenance: {source: 'policy', at: this.locate(pointer)}};
  }

  /** The value with its place when it is written, else the other one. */
  or<T>(written: T | undefined, pointer: string, otherwise: Valued<T>): Valued<T> {
    return this.given(written, pointer) ?? otherwise;
  }

  /** In bytes; null: nothing is written there, or no size, which is a problem. */
  size(written: Quantity, pointer: string): number | null {
    return written === undefined ? null : this.problems.attempt(() => parseSize(written, this.locate(pointer)));
  }

  /** In microseconds; null: nothing is written there, or no duration, which is a problem. */
  duration(written: Quantity, pointer: string): number | null {
    return written === undefined ? null : this.problems.attempt(() => parseDuration(written, this.locate(pointer)));
  }
}
