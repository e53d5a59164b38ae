/** Several policy files as one document, in which every value is still known by the file it came from. */

import {at, below, parentOf, type Locate} from '../job/at.js';
import type {PolicyDocument, RuleDocument} from '../schema/generated/policy-1.js';

/** One file of a policy. */
export interface PolicyPart {
  file: string;
  document: PolicyDocument;
}

/** All files of a policy as one document. */
export interface MergedPolicy {
  document: Omit<PolicyDocument, 'schema'>;
  /** FILE#/pointer of a pointer into the merged document. */
  locate: Locate;
}

type JsonObject = Record<string, unknown>;

/** Later over earlier, key by key; lists are replaced, `mode` is one value, and rules are appended. */
export function mergePolicies(parts: readonly PolicyPart[]): MergedPolicy {
  const origins = new Map<string, string>();
  const rules: RuleDocument[] = [];
  let merged: JsonObject = {};
  for (const {
    file,
    document: {schema: _, rules: more = [], ...rest},
  } of parts) {
    for (const [index, rule] of more.entries()) {
      origins.set(below('/rules', rules.length), at(file, below('/rules', index)));
      rules.push(rule);
    }
    merged = over(merged, rest, '', (pointer) => origins.set(pointer, at(file, pointer)));
  }
  return {document: {...merged, rules}, locate: (pointer) => locate(origins, pointer)};
}

function over(earlier: JsonObject, later: JsonObject, pointer: string, remember: (pointer: string) => void): JsonObject {
  const result = {...earlier};
  for (const [key, value] of Object.entries(later)) {
    const place = below(pointer, key);
    if (isTree(value) && place !== '/mode') {
      result[key] = over(isTree(result[key]) ? result[key] : {}, value, place, remember);
    } else {
      result[key] = value;
      remember(place);
    }
  }
  return result;
}

/**
 * A value lies where the nearest remembered thing around it lies: an element in its list, a rule's key in its rule. A group of values that
 * several files may have set lies where the last of them is.
 */
function locate(origins: ReadonlyMap<string, string>, pointer: string): string {
  for (let around: string | null = pointer; around !== null; around = parentOf(around)) {
    const origin = origins.get(around);
    if (origin !== undefined) return origin + pointer.slice(around.length);
  }
  const inside = pointer === '' ? undefined : [...origins].findLast(([key]) => key.startsWith(`${pointer}/`));
  return inside === undefined ? 'builtin' : inside[1].slice(0, inside[1].length - (inside[0].length - pointer.length));
}

function isTree(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
