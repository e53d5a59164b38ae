/** Limits as they are written in a job, a policy or on a command line, to plain numbers with their provenance. */

import {TareError} from '../errors.js';
import type {Locate} from './at.js';
import {LIMIT_NAMES, LIMIT_UNITS, type LimitName, type Limits, type LimitUnit, type Provenance} from './job.js';
import type {Problems} from './problems.js';
import {formatBytes, formatCores, formatDuration, parseCores, parseCount, parseDuration, parseNice, parseSize} from './quantity.js';

/** Limits as a document writes them, such as `2GiB`. */
export type WrittenLimits = Partial<Record<LimitName, string | number | boolean>>;

type Written = string | number;
const READ: Readonly<Record<LimitUnit, (value: Written, where: string) => number>> = {
  bytes: parseSize,
  us: parseDuration,
  cores: parseCores,
  count: parseCount,
  flag: Number,
  nice: parseNice,
};
const FORMAT: Readonly<Record<LimitUnit, (value: number) => string>> = {
  bytes: formatBytes,
  us: formatDuration,
  cores: formatCores,
  count: String,
  flag: (value) => (value === 0 ? 'no' : 'yes'),
  nice: String,
};

/** Limits that cannot be 0, since nothing could run. For swap and core files 0 is sensible. */
const NEVER_ZERO: ReadonlySet<LimitName> = new Set(['memory', 'memoryHigh', 'wallTime', 'cpuTime', 'scratch']);

/** Reads limits into base units; what cannot be read goes to `problems`. */
export function readLimits(written: WrittenLimits, source: Provenance['source'], locate: Locate, problems: Problems): Limits {
  const limits: Limits = {};
  for (const name of LIMIT_NAMES) {
    const text = written[name];
    if (text === undefined) continue;
    const where = locate(name);
    const value = problems.attempt(() => readLimit(name, text, where));
    if (value !== null) limits[name] = {value, provenance: {source, at: where}};
  }
  return limits;
}

function readLimit(name: LimitName, written: Written | boolean, where: string): number {
  const value = READ[LIMIT_UNITS[name]](typeof written === 'boolean' ? Number(written) : written, where);
  if (value === 0 && NEVER_ZERO.has(name)) {
    throw new TareError('QUANTITY_INVALID', {
      message: 'nothing can run with that',
      where,
      found: String(written),
      allowed: 'more than 0',
      remedy: 'leave it out for no limit',
    });
  }
  return value;
}

/** A limit's value for people: `2 GiB`, `1h30m`, `1.5 cores`, `64`, `yes`. */
export const formatLimit = (name: LimitName, value: number): string => formatInUnit(LIMIT_UNITS[name], value);

/** The same by its unit. */
export const formatInUnit = (unit: LimitUnit, value: number): string => FORMAT[unit](value);
