import type {Read} from './keyed.js';

/** Pressure stall information of one resource (kernel, accounting/psi.rst): time in which tasks waited for it, µs. */
export interface Pressure {
  /** At least one task waited. */
  someUs: number | null;
  /** Time in which all processes that were not idle waited. null for CPU before Linux 5.13. */
  fullUs: number | null;
}

interface Pressures {
  memory: Pressure;
  cpu: Pressure;
  io: Pressure;
}

/** Pressure stall information of a group (PSI, Documentation/accounting/psi.rst). */
export interface PressureUsage {
  /** null where the kernel counts none: v1, a kernel booted without (psi=0; EL needs psi=1), or before Linux 4.20. */
  pressure: Pressures | null;
  pressureSource: string | null;
}

/** What a kernel without pressure stall information tells. */
export const NO_PRESSURE: PressureUsage = {pressure: null, pressureSource: null};

/** Pressure of a v2 group with all below it, for which no controller is needed. */
export function pressureUsage(version: 1 | 2, read: Read): PressureUsage {
  if (version === 1) return NO_PRESSURE;
  const of = (resource: string): Pressure => parsePressure(read(`${resource}.pressure`) ?? '');
  const pressure = {memory: of('memory'), cpu: of('cpu'), io: of('io')};
  if (Object.values(pressure).every(({someUs}) => someUs === null)) return NO_PRESSURE;
  return {pressure, pressureSource: 'cgroup2:*.pressure'};
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, then the same for `full`. */
export function parsePressure(text: string): Pressure {
  const total = (kind: string): number | null => {
    const [, digits] = new RegExp(`^${kind} .*total=(\\d+)$`, 'm').exec(text) ?? [];
    return digits === undefined ? null : Number(digits);
  };
  return {someUs: total('some'), fullUs: total('full')};
}
