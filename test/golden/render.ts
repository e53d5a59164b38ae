/**
 * Renders a plan for its golden file: one line for each part, limit and step, with all their fields but the reasons (`because`). The reasons are
 * texts for people that many plans share; reasonsOf() lists them.
 */

import {LIMIT_NAMES} from '../../src/job/job.js';
import type {Plan, PlannedLimit} from '../../src/schema/generated/plan-1.js';

export interface Rendering {
  /** All but limits, steps, the version and the digests. A part that is null, empty or an object of nulls has no line. */
  parts: string[];
  limits: string[];
  /** The steps, in order, cut before `namespace.unshare` and after `privileges.drop`. Without a box all of them are `payload`. */
  preparation: string[];
  box: string[];
  payload: string[];
}

export function renderPlan({schema: _version, inputs: _digests, limits, observed, steps, ...parts}: Plan): Rendering {
  return {
    parts: [
      ...Object.entries(parts).flatMap(([name, value]) => (isEmpty(value) ? [] : [line(name, value)])),
      ...(observed === undefined ? [] : observedLines(observed)),
    ],
    limits: limitLines('limits', limits),
    ...stepLines(steps),
  };
}

function stepLines(steps: Plan['steps']): Pick<Rendering, 'preparation' | 'box' | 'payload'> {
  const lines = steps.map(({op, ...fields}) => line(op, fields));
  const first = Math.max(
    0,
    steps.findIndex(({op}) => op === 'namespace.unshare'),
  );
  const end = Math.max(first, steps.findLastIndex(({op}) => op === 'privileges.drop') + 1);
  return {preparation: lines.slice(0, first), box: lines.slice(first, end), payload: lines.slice(end)};
}

function observedLines({limits, ...rest}: NonNullable<Plan['observed']>): string[] {
  return [line('observed', rest), ...limitLines('observed.limits', limits)];
}

/** A line for each limit that is set, and one with the units of the others. */
function limitLines(prefix: string, limits: Plan['limits']): string[] {
  const names = LIMIT_NAMES.filter((name) => !isUnlimited(limits[name]));
  const units = Object.fromEntries(LIMIT_NAMES.filter((name) => isUnlimited(limits[name])).map((name) => [name, limits[name].unit]));
  return [...names.map((name) => line(`${prefix}.${name}`, limits[name])), line(`${prefix}.none`, units)];
}

/** A limit that neither job, policy nor slot sets. */
const isUnlimited = ({value, asked, clamped, provenance, enforcement, by}: PlannedLimit): boolean =>
  [value, asked, by].every((each) => each === null) &&
  !clamped &&
  enforcement === 'none' &&
  provenance.source === 'builtin' &&
  provenance.at === 'builtin';

/** A text of the plan that says why, and the part, limit or step that has it, such as `limits.memory` or `mount.bind`. */
export interface Reason {
  place: string;
  because: string;
}

export function reasonsOf({steps, ...parts}: Plan): Reason[] {
  return [...reasonsIn(parts, []), ...steps.flatMap(({op, ...fields}) => reasonsIn(fields, [op]))];
}

function reasonsIn(value: unknown, place: readonly string[]): Reason[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
    if (isReason(key) && typeof inner === 'string') return [{place: place.join('.'), because: inner}];
    return reasonsIn(inner, Array.isArray(value) ? place : [...place, key]);
  });
}

const isReason = (key: string): boolean => key === 'because';

function line(name: string, value: unknown): string {
  return `${name} ${typeof value === 'object' && value !== null && !Array.isArray(value) ? fieldsOf(value) : word(value)}`;
}

const fieldsOf = (value: object): string =>
  Object.entries(value)
    .filter(([key]) => !isReason(key))
    .map(([key, inner]) => `${key}=${word(inner)}`)
    .join(' ');

/** A value as JSON, but with fewer marks: plain strings have no quotes, lists no commas, fields are NAME=VALUE. */
export function word(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(word).join(' ')}]`;
  if (typeof value === 'object' && value !== null) return `{${fieldsOf(value)}}`;
  return typeof value === 'string' && PLAIN.test(value) && value !== 'null' ? value : JSON.stringify(value);
}

/** A string without blanks and without the marks above, but for placeholders such as {box}. */
const PLAIN = /^(?:[^\s"=[\]{}]|\{[a-z]+\})+$/;

const isEmpty = (value: unknown): boolean =>
  value === null ||
  (typeof value === 'object' && (Array.isArray(value) ? value.length === 0 : Object.values(value).every((each) => each === null)));
