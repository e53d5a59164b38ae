/**
 * Accounts that the name service told of not long ago, in a file: most jobs of an account start without asking. Only answers are kept, never
 * that there was none.
 */

import {lstatSync} from 'node:fs';
import {dirname} from 'node:path';
import {ifPossible} from '../errors.js';
import {HOLDS_MS, type Member} from './name-service.js';
import {readTrusted, writeWhole} from './trusted-file.js';

const FORMAT = 'tare/account-cache/v1';
const MOST_BYTES = 1 << 20;
/** Most entries: more than the pool accounts of several nodes. */
const MOST_ENTRIES = 2000;
const WRITABLE_BY_OTHERS = 0o022;

/** A member as it was known; no groups: they were not asked for. */
interface Entry extends Member {
  /** When the name service was asked, ms since the epoch. */
  at: number;
}

type Entries = Record<string, Entry>;

/** @param owners accounts that may have written the file @returns null where the file has no entry for the key, or an old one */
export function readCachedAccount(
  file: string,
  owners: readonly number[],
  key: string,
  {groups, now}: {groups: boolean; now: number},
): Member | null {
  const entry = readEntries(file, owners)[key];
  if (entry === undefined || !holds(entry, now) || (groups && entry.groups.length === 0)) return null;
  const {uid, gid, name, home} = entry;
  return {uid, gid, name, home, groups: entry.groups};
}

/** Keeps an answer, with those before it that still hold. */
export function keepAccount(file: string, owner: number, key: string, account: Member, now: number): void {
  const before = Object.entries(readEntries(file, [owner])).filter(([other, entry]) => other !== key && holds(entry, now));
  const entries: Entries = Object.fromEntries([...before.slice(1 - MOST_ENTRIES), [key, {...account, at: now}]]);
  writeWhole(file, `${JSON.stringify({format: FORMAT, entries})}\n`);
}

/** Whether an entry is new enough; one of the future, after the clock was set back, is not. */
const holds = ({at}: Entry, now: number): boolean => at <= now && now - at < HOLDS_MS;

const readEntries = (file: string, owners: readonly number[]): Entries =>
  ifPossible(() => {
    // the directory's owner could put another file of the same owner there
    const {uid, mode} = lstatSync(dirname(file));
    if (!owners.includes(uid) || (mode & WRITABLE_BY_OTHERS) !== 0) return {};
    const content: unknown = JSON.parse(readTrusted(file, owners, MOST_BYTES) ?? 'null');
    if (!isTree(content) || content['format'] !== FORMAT || !isTree(content['entries'])) return {};
    return Object.fromEntries(Object.entries(content['entries']).filter((pair): pair is [string, Entry] => isEntry(pair[1])));
  }) ?? {};

const isTree = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function isEntry(value: unknown): value is Entry {
  if (!isTree(value)) return false;
  const {uid, gid, name, home, groups, at} = value;
  return (
    [uid, gid, at].every(isNumber) &&
    typeof name === 'string' &&
    name !== '' &&
    (home === null || typeof home === 'string') &&
    Array.isArray(groups) &&
    groups.every(isNumber)
  );
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
