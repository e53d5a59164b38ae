import {keyed, parseCount, parseKeyed, sumKnown, type Read} from './keyed.js';
import {parsePressure} from './pressure.js';

/** What tells a payload that thrashes at its memory limit from one that proceeds. Counters, but `anonBytes` and `fileBytes`, which are now. */
export interface StallReading {
  limitBytes: number;
  /** memory.events `max`: times that the limit was hit. */
  limitHits: number;
  oomKills: number;
  anonBytes: number;
  /** Page cache that can be dropped: without shared memory, which cannot. */
  fileBytes: number;
  majorFaults: number;
  refaults: number;
  userUs: number;
  /** memory.pressure `full`, µs; null where the kernel counts none. */
  fullUs: number | null;
}

/** Counters of the group with the limit; null on v1, without a limit, or where a counter is missing. */
export function stallReading(version: 1 | 2, read: Read): StallReading | null {
  if (version === 1) return null;
  const limitBytes = parseCount(read('memory.max'));
  const events = read('memory.events');
  // only the group's own limit: one that the payload set for a group of its own below is its own affair
  const limitHits = keyed(read('memory.events.local') ?? events, 'max');
  const oomKills = keyed(events, 'oom_kill');
  const stat = parseKeyed(read('memory.stat') ?? '');
  const [anonBytes, file, majorFaults] = [stat.get('anon'), stat.get('file'), stat.get('pgmajfault')];
  const refaults = sumKnown(
    stat.get('workingset_refault_file') ?? stat.get('workingset_refault') ?? null,
    stat.get('workingset_refault_anon') ?? null,
  );
  const userUs = keyed(read('cpu.stat'), 'user_usec');
  if (limitBytes === null || limitHits === null || oomKills === null || refaults === null || userUs === null) return null;
  if (anonBytes === undefined || file === undefined || majorFaults === undefined) return null;
  const fileBytes = Math.max(0, file - (stat.get('shmem') ?? 0));
  const {fullUs} = parsePressure(read('memory.pressure') ?? '');
  return {limitBytes, limitHits, oomKills, anonBytes, fileBytes, majorFaults, refaults, userUs, fullUs};
}
