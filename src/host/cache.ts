/**
 * Facts that hold until the next boot or package upgrade, in a file. Only the caller's or root's own file is believed,
 * and never for cgroups: what it says wrongly may cost a feature, not a limit.
 */

import {closeSync, constants, fstatSync, openSync, readFileSync, renameSync, unlinkSync, writeSync} from 'node:fs';
import {randomBytes} from 'node:crypto';

export interface Cached {
  get(key: string): string | undefined;
  put(key: string, value: string): void;
  /** Writes what was put; a failure is no failure of ours. */
  save(): void;
}

const FORMAT = 'tare/facts-cache/v1';
const WRITABLE_BY_OTHERS = 0o022;
const MOST_BYTES = 64 * 1024;

interface Content {
  format: typeof FORMAT;
  bootId: string;
  entries: Record<string, string>;
}

export function openCache(file: string, bootId: string, uid: number): Cached {
  const entries = new Map(Object.entries(readTrusted(file, bootId, uid)));
  let changed = false;
  return {
    get: (key) => entries.get(key),
    put: (key, value) => {
      entries.set(key, value);
      changed = true;
    },
    save: () => {
      if (changed) write(file, {format: FORMAT, bootId, entries: Object.fromEntries(entries)});
      changed = false;
    },
  };
}

function readTrusted(file: string, bootId: string, uid: number): Record<string, string> {
  let descriptor: number | null = null;
  try {
    // Neither through a link, nor waiting for whoever would write a FIFO.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(descriptor);
    const trusted = stat.isFile() && (stat.uid === uid || stat.uid === 0) && (stat.mode & WRITABLE_BY_OTHERS) === 0 && stat.nlink === 1;
    if (!trusted || stat.size > MOST_BYTES) return {};
    const content: unknown = JSON.parse(readFileSync(descriptor, 'utf8'));
    return isContent(content) && content.bootId === bootId ? content.entries : {};
  } catch {
    return {};
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

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

function write(file: string, content: Content): void {
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    const descriptor = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644);
    try {
      writeSync(descriptor, `${JSON.stringify(content)}\n`);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch {
    try {
      unlinkSync(temporary);
    } catch {
      // It was never made.
    }
  }
}
