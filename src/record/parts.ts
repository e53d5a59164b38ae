/**
 * Wrappers in a box, as they tell of themselves to the box around: one line at the start of each, one at its end, each of which a pipe takes
 * whole (PIPE_BUF of pipe(7)). Nothing proves what a line says: whatever runs in the box can write it. Pure.
 */

import type {UsageRecord} from '../schema/generated/record-2.js';

/** The record's list of wrappers that ran in the box. */
export type RecordChildren = NonNullable<UsageRecord['children']>;
export type RecordChild = RecordChildren['list'][number];

/** Bytes of a line, with its end: PIPE_BUF of Linux. */
export const LINE_BYTES = 4096;
/** Most parts that are listed; others are counted. */
export const MOST_PARTS = 64;
/** Told by the job: a number that has an end. */
export const MOST_OTHERS = 1_000_000;
const NAME_CHARACTERS = 100;

/** The children of a box before any wrapper in it has told anything. */
export const NO_PARTS: RecordChildren = {trust: 'self-reported', list: [], others: 0};

/** A line names the usage `net`, as a record of version 1 did: the wrappers of a box may be of several versions. Both names are read. */
type PartLine = Omit<RecordChild, 'usage'> & {net: RecordChild['usage']};

/** The line of JSON that a wrapper writes to the pipe of the box around it, at its start and at its end. */
export const partLine = (record: UsageRecord): string => `${JSON.stringify(partOf(record))}\n`;

function partOf({recordId, state, payload, pattern, mode, time, limits, usage, outcome}: UsageRecord): PartLine {
  const limit = (name: 'cores' | 'memory' | 'wallTime' | 'cpuTime'): number | null => limits?.[name].value ?? null;
  return {
    recordId,
    state: state === 'started' ? 'started' : 'final',
    name: payload.name?.slice(0, NAME_CHARACTERS) ?? null,
    pattern,
    mode,
    startEpochUs: time.startEpochUs,
    wallUs: time.wallUs,
    limits: {cores: limit('cores'), memory: limit('memory'), wallTime: limit('wallTime'), cpuTime: limit('cpuTime')},
    net: {cpuUserUs: usage.cpuUserUs, cpuSystemUs: usage.cpuSystemUs, memPeakBytes: usage.memPeakBytes},
    outcome: {status: outcome.status, exitCode: outcome.exitCode, signal: outcome.signal, limit: outcome.limit},
  };
}

/** null: it is none. What is not of a part is left out. */
export function readPart(line: string): RecordChild | null {
  try {
    const told = tree(JSON.parse(line));
    const [limits, usage, outcome] = [tree(told['limits']), tree(told['net'] ?? told['usage']), tree(told['outcome'])];
    return {
      recordId: text(told['recordId'], /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      state: one(told['state'], STATES),
      name: told['name'] === null ? null : text(told['name'], NAME),
      pattern: orNull(told['pattern'], (value) => one(value, PATTERNS)),
      mode: orNull(told['mode'], (value) => one(value, MODES)),
      startEpochUs: count(told['startEpochUs']),
      wallUs: count(told['wallUs']),
      limits: {
        cores: amount(limits['cores']),
        memory: count(limits['memory']),
        wallTime: count(limits['wallTime']),
        cpuTime: count(limits['cpuTime']),
      },
      usage: {
        cpuUserUs: count(usage['cpuUserUs']),
        cpuSystemUs: count(usage['cpuSystemUs']),
        memPeakBytes: count(usage['memPeakBytes']),
      },
      outcome: {
        status: one(outcome['status'], STATUSES),
        exitCode: count(outcome['exitCode']),
        signal: orNull(outcome['signal'], (value) => text(value, /^SIG[A-Z0-9+-]{1,12}$/)),
        limit: orNull(outcome['limit'], (value) => one(value, LIMITS)),
      },
    };
  } catch {
    return null;
  }
}

/** Adds what a part reports. A part that has ended stays as it is; a part for which the list has no room is counted when it starts. */
export function withPart(parts: RecordChildren, part: RecordChild): RecordChildren {
  const {list, others} = parts;
  const at = list.findIndex(({recordId}) => recordId === part.recordId);
  const known = list[at];
  if (known !== undefined) return known.state === 'final' || part.state === 'started' ? parts : {...parts, list: list.with(at, part)};
  if (list.length < MOST_PARTS) return {...parts, list: [...list, part]};
  return part.state === 'started' ? {...parts, others: Math.min(others + 1, MOST_OTHERS)} : parts;
}

type JsonObject = Record<string, unknown>;

const STATES = ['started', 'final'] as const satisfies RecordChild['state'][];
/** All patterns that a record can have (schemas/record). */
export const PATTERNS = ['ulimit++', 'quotas++', 'vm-lite'] as const satisfies RecordChild['pattern'][];
const MODES = ['box', 'limits-only', 'observe'] as const satisfies RecordChild['mode'][];
/** All that an outcome's status can be (schemas/record). */
export const STATUSES = [
  'running',
  'completed',
  'failed',
  'signalled',
  'limit',
  'stopped',
  'killed',
  'refused',
  'wrapper-failure',
  'lost',
  'killed-by-slot',
] as const satisfies RecordChild['outcome']['status'][];
const LIMITS = [
  'memory',
  'memory-stall',
  'processes',
  'wallTime',
  'cpuTime',
  'scratch',
  'cores',
] as const satisfies RecordChild['outcome']['limit'][];
/** A name without control characters, since it is printed on terminals. */
const NAME = new RegExp(`^[^\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]{0,${String(NAME_CHARACTERS)}}$`, 'u');

function tree(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object');
  return value as JsonObject;
}

const orNull = <T>(value: unknown, read: (value: unknown) => T): T | null => (value === null ? null : read(value));

function text(value: unknown, like: RegExp): string {
  if (typeof value !== 'string' || !like.test(value)) throw new TypeError('not such a text');
  return value;
}

function one<T extends string>(value: unknown, of: readonly T[]): T {
  const found = of.find((each) => each === value);
  if (found === undefined) throw new TypeError('not one of these');
  return found;
}

const amount = (value: unknown): number | null =>
  orNull(value, (given) => {
    if (typeof given !== 'number' || !Number.isFinite(given) || given < 0) throw new TypeError('no amount');
    return given;
  });

const count = (value: unknown): number | null =>
  orNull(value, (given) => {
    if (!Number.isSafeInteger(given) || (given as number) < 0) throw new TypeError('no count');
    return given as number;
  });
