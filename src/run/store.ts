/** Where a record goes: to a spool, else where a sweep finds it, else to a log. */

import type {Places} from '../policy/places.js';
import {DELAYED, keepWaiting} from '../box/waiting.js';
import {asTareError} from '../errors.js';
import type {JobFiles} from '../files/job-files.js';
import {NODES_LOG, tellNodesLog} from '../process/last-resort.js';
import type {Log} from '../process/log.js';
import {journal} from '../record/journal.js';
import type {UsageRecord} from '../record/record.js';
import {writeCopy} from '../record/spool.js';

/** The place in which a record was stored. */
export interface Stored {
  /** As it was written: flagged when no spool took it. */
  record: UsageRecord;
  /** In the spool; null when no spool took it. */
  path: string | null;
  /** Where it waits for a sweep; null when it is in a spool, or nowhere. */
  waits: string | null;
}

interface Storing {
  places: Pick<Places, 'spools' | 'state' | 'scratch' | 'log'>;
  /** The box, or the call that has none. */
  id: string;
  /** A file that the caller asked for (`--record`). */
  copy: string | null;
  /** The way to it. */
  files: JobFiles;
  /** A failure becomes a message here. */
  messages: string[];
  log: Log;
}

/**
 * Writes the record to the first spool that takes it; where none does, to the state of the box, in which it waits for a sweep; where that
 * fails too, to the wrapper's log or the node's. Also writes the copy that the caller asked for.
 */
export function store({places, id, copy, files, messages, log}: Storing, record: UsageRecord): Stored {
  let stored: Stored = {record, path: null, waits: null};
  try {
    stored.path = journal(places.spools, record);
  } catch (error) {
    stored = keepElsewhere(asTareError(error).message, {places, id, messages, log}, record);
  }
  try {
    if (copy !== null) writeCopy(copy, stored.record, files.replace);
  } catch (error) {
    messages.push(asTareError(error).message);
  }
  return stored;
}

/** The message says where the record is, and claims no place that did not take it. */
function keepElsewhere(why: string, {places, id, messages, log}: Omit<Storing, 'copy' | 'files'>, given: UsageRecord): Stored {
  const record = {...given, flags: [...new Set([...given.flags, DELAYED])].sort()};
  const waits = keepWaiting(places, id, record);
  const isLogged = log.keep('no spool took the record', {because: why, waits, record});
  if (waits !== null) {
    messages.push(`${why}; the record waits in ${waits}: tare records sweep writes it to the spool when there is room`);
    if (!isLogged) tellNodesLog(`${why}; the record ${record.recordId} waits in ${waits}`);
  } else if (isLogged) {
    messages.push(`${why}; the record is in ${places.log ?? 'the log'} and nowhere else`);
  } else if (tellNodesLog(`record ${JSON.stringify(record)}`)) {
    messages.push(`${why}; the record is in ${NODES_LOG} and nowhere else`);
  } else {
    messages.push(`${why}; no other place took the record: it is lost`);
  }
  return {record, path: null, waits};
}
