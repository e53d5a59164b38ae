/** Notes of `tare kill` in the box's folder: the record of the job says from them which uid ended it. */

import {join} from 'node:path';
import {ifPossible} from '../errors.js';
import {replaceNote} from '../record/durable.js';
import type {Kill} from '../record/outcome.js';
import {readPlainFile} from './state.js';

const FILE = 'kills.json';
/** Most entries that are kept, so that repeated calls do not fill the disk. */
const MOST = 16;

/** Writes the notes; they must be on disk before a process is killed. @throws Error when the box is gone */
export function writeKills(directory: string, kills: readonly Kill[]): void {
  replaceNote(join(directory, FILE), kills.slice(-MOST)); // two calls at once have a file each
}

/** The notes in their order; entries of another form are left out. */
export const readKills = (directory: string): Kill[] =>
  ifPossible(() => {
    const read: unknown = JSON.parse(readPlainFile(join(directory, FILE)).text);
    return Array.isArray(read) ? read.filter(isKill).map(({uid, epochUs, signal}) => ({uid, epochUs, signal})) : [];
  }) ?? [];

function isKill(value: unknown): value is Kill {
  const {uid, epochUs, signal} = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(uid) && Number.isSafeInteger(epochUs) && typeof signal === 'string' && /^SIG[A-Z0-9+]{1,16}$/.test(signal);
}
