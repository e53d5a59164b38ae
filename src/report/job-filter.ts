/** Which jobs `tare ps --filter` shows: `KEY=VALUE`, several of one key are alternatives, those of different keys must all hold. */

import {show} from '../job/show.js';
import {PATTERNS, STATUSES} from '../record/parts.js';
import type {JobRow} from './jobs.js';

/** Whether a job is in the state that is asked for: a word of Tare's, or `exited`, docker's word for what has ended. */
const isInState = ({state}: JobRow, wanted: string): boolean =>
  wanted === EXITED ? !LIVE.includes(state) : state === wanted || state.startsWith(`${wanted} (`);

const LIVE: readonly string[] = ['starting', 'running', 'paused', 'ending'];
const EXITED = 'exited';
/** Values of keys that can have no others: a word that is none of them would find nothing, without a word about it. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  pattern: PATTERNS,
  status: [...new Set([...LIVE, ...STATUSES, EXITED])],
};

const KEYS: Readonly<Record<string, (job: JobRow, value: string) => boolean>> = {
  id: ({id, recordId}, value) => value !== '' && [id, recordId].some((one) => one?.startsWith(value) === true),
  name: ({name}, value) => name?.includes(value) === true,
  pattern: ({pattern}, value) => pattern === value,
  status: isInState,
  user: ({user}, value) => user === value,
};

/**
 * What `--filter` was given, as one question.
 * @param written each `KEY=VALUE`
 * @returns the question; a text says what is wrong with the filter
 */
export function readJobFilter(written: readonly string[]): ((job: JobRow) => boolean) | string {
  const wanted = new Map<string, string[]>();
  for (const one of written) {
    const equals = one.indexOf('=');
    const key = equals === -1 ? one : one.slice(0, equals);
    if (equals === -1 || !Object.hasOwn(KEYS, key)) {
      return `${show(one)} is no filter; allowed: ${Object.keys(KEYS)
        .map((name) => `${name}=…`)
        .join(', ')}`;
    }
    const value = one.slice(equals + 1);
    const allowed = VALUES[key];
    if (allowed?.includes(value) === false) return `${show(value)} is no ${key} of a job; allowed: ${allowed.join(', ')}`;
    wanted.set(key, [...(wanted.get(key) ?? []), value]);
  }
  return (job) => [...wanted].every(([key, values]) => values.some((value) => KEYS[key]?.(job, value) === true));
}
