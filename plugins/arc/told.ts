/** What `ENV/TARE` tells the wrapper: lines `key=value` in a variable (runtime-environment.ts writes them). Pure. */

import type {About, BatchJob, Read, Slot} from '@tare/contract';

/** Values by key, without empty ones. */
export type Told = ReadonlyMap<string, string>;

const MIB = 1024 ** 2;
const SECOND_US = 1e6;

/** The first line of a key counts: what the site says comes before what others may have chosen. */
export function parseLines(text: string): Told {
  const told = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined && value !== '' && !told.has(key)) told.set(key, value);
  }
  return told;
}

const number = (told: Told, key: string): number | null => {
  const text = told.get(key) ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : null;
};

/**
 * The slot from the job's description in the form of A-REX's submit scripts (grami): memory is MB per core (they multiply by 1024 to kB), times are
 * seconds. A job of several nodes has `perNode` cores on this one. The job's script has spent some of the wall time already.
 */
export function slotOf(told: Told): Slot {
  const read = (value: number | null, at: string): Read<number> | null =>
    value === null || value < 1 || !Number.isSafeInteger(value) ? null : {value, at: `ENV/TARE: ${at}`};
  const perNode = number(told, 'perNode');
  const [cores, coresAt] = perNode === null || perNode < 1 ? [number(told, 'count'), 'count'] : [perNode, 'countpernode'];
  const memory = number(told, 'memory');
  const wall = number(told, 'walltime');
  const cpu = number(told, 'cputime');
  const spent = number(told, 'spent') ?? 0;
  return {
    name: null,
    cores: read(cores, coresAt),
    memoryBytes: read(memory === null ? null : memory * Math.max(1, cores ?? 1) * MIB, `memory x ${coresAt}`),
    scratchBytes: null,
    gpus: null,
    wallTimeUs: read(
      wall === null || wall === 0 ? null : Math.max(1, wall - spent) * SECOND_US,
      'walltime, less what the job’s script took',
    ),
    cpuTimeUs: read(cpu === null ? null : cpu * SECOND_US, 'cputime'),
  };
}

/** Whose job it is by what ENV/TARE tells; the VO is the first group of the VOMS attribute (FQAN). */
export function aboutOf(told: Told): About {
  const fqan = told.get('fqan') ?? null;
  return {
    name: told.get('name') ?? null,
    vo: /^\/([^/]+)/.exec(fqan ?? '')?.[1] ?? null,
    fqan,
    subject: told.get('subject') ?? null,
    issuer: null,
    groups: [],
  };
}

/** @param localJobId what the batch system behind ARC calls the job */
export function lrmsOf(told: Told, localJobId: string | null): BatchJob['lrms'] {
  const host = told.get('ce') ?? null;
  const id = told.get('id') ?? null;
  return {
    host,
    queue: told.get('queue') ?? null,
    localJobId: localJobId ?? id,
    globalJobId: id === null ? null : `${host ?? 'arc'}#${id}`,
    // ARC starts a job once
    attempt: 1,
  };
}
