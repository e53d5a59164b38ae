/** What `tare kill` was asked for, in the box's folder: whoever writes the record says from it who ended the job, however late. */

import {join} from 'node:path';
import {attempt} from '../errors.js';
import {replaceNote} from '../record/durable.js';
import type {Kill} from '../record/outcome.js';
import {readPlainFile} from './state.js';

const FILE = 'kills.json';
/** Whoever asks again and again fills no disk. */
const MOST = 16;

/** To be on disk before anything is killed. @throws Error when the box is gone */
export function writeKills(directory: string, kills: readonly Kill[]): void {
  replaceNote(join(directory, FILE), kills.slice(-MOST)); // of two who ask at once each has a new file of its own
}

/** In order; none when nothing was asked for. What is not as we write it is left out. */
export const readKills = (directory: string): Kill[] =>
  attempt(() => {
    const read: unknown = JSON.parse(readPlainFile(join(directory, FILE)).text);
    return Array.isArray(read) ? read.filter(isKill).map(({uid, epochUs, signal}) => ({uid, epochUs, signal})) : [];
  }) ?? [];

function isKill(value: unknown): value is Kill {
  const {uid, epochUs, signal} = (value ?? {}) as Record<string, unknown>;
  return Number.isSafeInteger(uid) && Number.isSafeInteger(epochUs) && typeof signal === 'string' && /^SIG[A-Z0-9+]{1,16}$/.test(signal);
}
