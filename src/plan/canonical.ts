/** Values as bytes that are equal when the values are. */

import {createHash} from 'node:crypto';

/**
 * Canonical JSON: no white space, keys in code unit order, as RFC 8785 has it (our numbers are integers or short decimals, for which
 * JSON.stringify already writes what the RFC demands). Equal values give equal bytes.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  // not by sorting an object's keys: JavaScript puts keys that look like numbers first, whatever order they were set in
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`)
    .join(',')}}`;
}

/** SHA-256 of a value's canonical JSON, hexadecimal. */
export const digest = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');
