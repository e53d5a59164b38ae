/**
 * Facts that hold until the next boot or package upgrade, in a file. Only the caller's or root's own file is believed,
 * and never for cgroups: what it says wrongly may cost a feature, not a limit.
 */

import {ifPossible} from '../errors.js';
import {readTrusted, writeWhole} from './trusted-file.js';

/** Facts that hold until the next boot, by key. */
export interface Cached {
  get(key: string): string | undefined;
  put(key: string, value: string): void;
  /** Writes what was put; a failure is no failure of ours. */
  save(): void;
}

const FORMAT = 'tare/facts-cache/v1';
const MOST_BYTES = 64 * 1024;

interface Content {
  format: typeof FORMAT;
  bootId: string;
  entries: Record<string, string>;
}

/** Opens a cache file. One of another boot, or that an account other than `uid` and root could write, counts as empty. Never throws. */
export function openCache(file: string, bootId: string, uid: number): Cached {
  const entries = new Map(Object.entries(readEntries(file, bootId, uid)));
  let changed = false;
  return {
    get: (key) => entries.get(key),
    put: (key, value) => {
      if (entries.get(key) === value) return;
      entries.set(key, value);
      changed = true;
    },
    save: () => {
      if (changed) writeWhole(file, `${JSON.stringify({format: FORMAT, bootId, entries: Object.fromEntries(entries)})}\n`);
      changed = false;
    },
  };
}

/** What is read once per boot where there is a cache; nothing is not kept. */
export function cached(cache: Cached | null, key: string, read: () => string | null): string | null {
  const known = cache?.get(key);
  if (known !== undefined) return known;
  const value = read();
  if (value !== null) cache?.put(key, value);
  return value;
}

const readEntries = (file: string, bootId: string, uid: number): Record<string, string> =>
  ifPossible(() => {
    const content: unknown = JSON.parse(readTrusted(file, [uid, 0], MOST_BYTES) ?? 'null');
    return isContent(content) && content.bootId === bootId ? content.entries : {};
  }) ?? {};

function isContent(value: unknown): value is Content {
  if (typeof value !== 'object' || value === null) return false;
  const {format, bootId, entries} = value as Partial<Record<keyof Content, unknown>>;
  return (
    format === FORMAT &&
    typeof bootId === 'string' &&
    typeof entries === 'object' &&
    entries !== null &&
    Object.values(entries).every((entry) => typeof entry === 'string')
  );
}
