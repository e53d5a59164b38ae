/** Values as bytes that are equal when the values are. */

import {sha256} from '../builtin.js';

/**
 * Canonical JSON: no white space, keys in code unit order, as RFC 8785 has it (our numbers are integers or short decimals, for which
 * JSON.stringify already writes what the RFC demands). Equal values give equal bytes.
 */
export function canonicalJson(value: unknown): string {
  // the runtime writes sorted objects faster than a walk that joins texts does: a launch has three
  const state = {exact: true};
  const sorted = sort(value, state);
  return state.exact ? JSON.stringify(sorted ?? null) : joined(value);
}

/** A key that JavaScript takes for an index: it comes first in its object, whatever order the keys were set in. */
const INDEX = /^\d/;

/** @param state `exact` becomes false where no object could have its keys in their order */
function sort(value: unknown, state: {exact: boolean}): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => sort(item, state));
  const sorted: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    if (INDEX.test(key) || key === '__proto__') state.exact = false;
    sorted[key] = sort((value as Record<string, unknown>)[key], state);
  }
  return sorted;
}

function joined(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(joined).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${joined(inner)}`)
    .join(',')}}`;
}

/** SHA-256 of a value's canonical JSON, hexadecimal. */
export const digest = (value: unknown): string => sha256(canonicalJson(value));
