/** What a reader makes of a description that another tool wrote: a job, proposals for the site's policy, and what it leaves, each with its origin. */

import type {JobDocument} from '../schema/generated/job-1.js';
import type {PolicyDocument} from '../schema/generated/policy-1.js';

/** The place of a value in the foreign description. */
export interface Origin {
  /** `FILE:LINE:COLUMN`, `FILE#/json/pointer`, or `command line, word N`. */
  at: string;
  /** The foreign name of the setting, such as `<memory>` or `--cpus`, with its value where that is short. */
  as: string;
}

/** A value of a job or of a policy, and its origin. */
export interface Taken {
  value: unknown;
  origin: Origin;
}

/** A value that only the site may decide: it becomes no field of the job. */
export interface Proposal extends Taken {
  /** The way to the key in a policy document. */
  key: readonly [keyof PolicyDocument, ...string[]];
  /** What the description asks for, one sentence. */
  because: string;
}

/** A setting that nothing was made of. */
export interface Leaving {
  origin: Origin;
  /** Why, one sentence. */
  because: string;
}

/** Fields of a job that a foreign description may set. Identity, devices and writable directories are the policy's: they become proposals. */
export type Field = Exclude<keyof JobDocument, 'schema' | 'limits' | 'environment' | 'user' | 'identity' | 'devices' | 'writable'>;
/** Limits of a job. */
export type Limit = keyof NonNullable<JobDocument['limits']>;

/** Collects what a reader finds. A later value of a field replaces an earlier one, as the tools have it, and the earlier one is left. */
export class Draft {
  readonly fields = new Map<Field, Taken>();
  readonly limits = new Map<Limit, Taken>();
  readonly environment = new Map<string, Taken>();
  readonly proposals: Proposal[] = [];
  readonly left: Leaving[] = [];

  /** A field of the job. */
  field<F extends Field>(name: F, value: NonNullable<JobDocument[F]>, origin: Origin): void {
    this.#replace(this.fields.get(name), origin);
    this.fields.set(name, {value, origin});
  }

  /** Units as in a job document: bytes, seconds, cores, or text with a unit. */
  limit<L extends Limit>(name: L, value: NonNullable<NonNullable<JobDocument['limits']>[L]>, origin: Origin): void {
    this.#replace(this.limits.get(name), origin);
    this.limits.set(name, {value, origin});
  }

  /** A variable to set, or to take away (null). */
  variable(name: string, value: string | null, origin: Origin): void {
    this.#replace(this.environment.get(name), origin);
    this.environment.set(name, {value, origin});
  }

  /** What only the policy can allow; of a list an element or several. */
  propose(key: Proposal['key'], value: unknown, origin: Origin, because: string): void {
    this.proposals.push({key, value, origin, because});
  }

  /** A setting of which nothing is made. */
  leave(origin: Origin, because: string): void {
    this.left.push({origin, because});
  }

  /** Leaves a setting that another one replaces. */
  replaced(before: Origin, by: Origin): void {
    if (before.at === by.at && before.as === by.as) return;
    this.leave(before, `${before.as === by.as ? by.at : `\`${by.as}\``} replaces it`);
  }

  #replace(before: Taken | undefined, by: Origin): void {
    if (before !== undefined) this.replaced(before.origin, by);
  }
}
