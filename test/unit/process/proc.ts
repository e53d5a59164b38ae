/** Replaces what code under test reads of /proc and /etc; every other path stays real. */

import fs from 'node:fs';
import {syncBuiltinESMExports} from 'node:module';

/** A text is a file, a list a directory. */
export type FakeFiles = Record<string, string | string[]>;

/** @returns what takes the files away again */
export function fakeFiles(files: FakeFiles, under: string): () => void {
  const {readFileSync, readdirSync, openSync} = fs;
  const missing = (path: string): Error => Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), {code: 'ENOENT'});
  const find = (path: unknown): string | string[] | null => {
    if (typeof path !== 'string' || !path.startsWith(under)) return null;
    const found = files[path];
    if (found === undefined) throw missing(path);
    return found;
  };
  Object.assign(fs, {
    readFileSync: (path: unknown, ...rest: never[]) => find(path) ?? (readFileSync as (...all: unknown[]) => unknown)(path, ...rest),
    readdirSync: (path: unknown, ...rest: never[]) => find(path) ?? (readdirSync as (...all: unknown[]) => unknown)(path, ...rest),
    // a fake file's text is the real file that it stands for
    openSync: (path: unknown, ...rest: never[]) => (openSync as (...all: unknown[]) => unknown)(find(path) ?? path, ...rest),
  });
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs, {readFileSync, readdirSync, openSync});
    syncBuiltinESMExports();
  };
}

export interface FakeProcess {
  pid: number;
  children?: number[];
  ticks?: number;
  waitedTicks?: number;
  start?: number;
  threads?: number;
  pages?: number;
  vmem?: number;
  command?: string;
}

/** /proc of these processes. */
export function fakeProc(processes: readonly FakeProcess[]): FakeFiles {
  const files: FakeFiles = {};
  for (const {pid, children = [], ticks = 0, waitedTicks = 0, start = 1, threads = 1, pages = 0, vmem = 0, command = 'x'} of processes) {
    const fields = ['S', 1, pid, pid, 0, -1, 0, 0, 0, 0, 0, ticks, 0, waitedTicks, 0, 20, 0, threads, 0, start, vmem, pages];
    files[`/proc/${pid}/stat`] = `${pid} (${command}) ${fields.join(' ')} 0 0\n`;
    files[`/proc/${pid}/task`] = [String(pid)];
    files[`/proc/${pid}/task/${pid}/children`] = children.map((child) => `${child} `).join('');
  }
  return files;
}
