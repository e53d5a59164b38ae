/** One limit of one job: what was asked, what the policy says, what the slot has, and what therefore holds. */

import type {LimitName, Provenance, Valued} from '../job/job.js';
import {formatLimit} from '../job/limits.js';

/** The values from which a limit is decided; null: not given. */
export interface LimitSources {
  /** The job's wish, or the command line's. */
  asked: Valued<number> | null;
  policyDefault: Valued<number> | null;
  maximum: Valued<number> | null;
  /** The slot's share; for memory, what the reserve leaves of it. */
  slot: Valued<number> | null;
}

/** A limit after the policy and the slot, in the limit's unit. */
export interface ResolvedLimit {
  /** null: no limit. */
  value: number | null;
  asked: number | null;
  /** The value is less than what was asked; for pinCores: pinning was forced on a job that asked for none. */
  clamped: boolean;
  provenance: Provenance;
  /** A sentence for people, without its full stop. */
  because: string;
}

const BUILTIN: Provenance = {source: 'builtin', at: 'builtin'};

/** The wish, else the policy's default, else the slot's share; then no more than the policy's maximum, nor than the slot has. */
export function resolveLimit(name: LimitName, {asked, policyDefault, maximum, slot}: LimitSources): ResolvedLimit {
  const fallback: Valued<number> | null = name === 'swap' ? {value: 0, provenance: BUILTIN} : null;
  const wish = asked ?? policyDefault ?? slot ?? fallback;
  const bound = boundOf(name, wish, maximum, slot);
  const chosen = bound ?? wish;
  return {
    value: chosen?.value ?? null,
    asked: asked?.value ?? null,
    clamped: bound !== null && asked !== null,
    provenance: chosen?.provenance ?? BUILTIN,
    because: sentence(name, asked, wish, bound),
  };
}

function boundOf(
  name: LimitName,
  wish: Valued<number> | null,
  maximum: Valued<number> | null,
  slot: Valued<number> | null,
): Valued<number> | null {
  if (name === 'pinCores') return forcing(wish, maximum);
  // without a nice value that was asked for the payload is below any maximum already
  if (name === 'nice' && wish === null) return null;
  return tightest(wish, [maximum, slot]);
}

/** The lowest bound below the wish; without a wish the lowest of all. */
function tightest(wish: Valued<number> | null, bounds: readonly (Valued<number> | null)[]): Valued<number> | null {
  let least: Valued<number> | null = null;
  for (const bound of bounds) {
    if (bound !== null && bound.value < ((least ?? wish)?.value ?? Number.POSITIVE_INFINITY)) least = bound;
  }
  return least;
}

/** pinCores is not a quantity: as a maximum, yes forces it and no says nothing. */
function forcing(wish: Valued<number> | null, maximum: Valued<number> | null): Valued<number> | null {
  return maximum?.value === 1 && wish?.value !== 1 ? maximum : null;
}

function sentence(name: LimitName, asked: Valued<number> | null, wish: Valued<number> | null, bound: Valued<number> | null): string {
  const says = (valued: Valued<number>): string => `${OWNER[valued.provenance.source] ?? 'it is'} ${formatLimit(name, valued.value)}`;
  const first = asked === null ? 'the job asks for none' : `asked for ${formatLimit(name, asked.value)}`;
  if (bound === null && wish === null)
    return name === 'nice'
      ? 'the job asks for none, and the policy has no default'
      : 'the job asks for none, and neither the policy nor the slot has a limit';
  if (bound === null) return asked === null && wish !== null ? `${first}, ${says(wish)}` : first;
  return asked === null && wish !== null ? `${first}, ${says(wish)}, ${says(bound)}` : `${first}, ${says(bound)}`;
}

const OWNER: Partial<Record<Provenance['source'], string>> = {
  'policy.defaults': "the policy's default is",
  'policy.maxima': "the policy's maximum is",
  slot: 'the slot has',
  builtin: 'the built-in default is',
};
