/** What plugins may do to the world, done here: files that cannot hang or be followed elsewhere, connections with a deadline. */

import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {dirname} from 'node:path';
import type {Connection, Effects} from '@tare/contract';

const MOST_BYTES = 2 ** 20;

export const effects = (log: Effects['log']): Effects => ({
  readText,
  exists: (path) => lstatSync(path, {throwIfNoEntry: false}) !== undefined,
  isRoots,
  writeText,
  append: (path, text) => {
    writeInto(path, constants.O_APPEND, null, text);
  },
  overwrite: (path, offset, text) => {
    writeInto(path, 0, offset, text);
  },
  remove: (path) => {
    rmSync(path, {force: true});
  },
  letPass: (directory) => {
    chmodSync(directory, statSync(directory).mode | 0o111);
  },
  connect,
  monotonicMs: () => performance.now(),
  log,
});

function readText(path: string): string | null {
  try {
    // a named pipe must not hang us
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(descriptor);
      return stats.isFile() && stats.size <= MOST_BYTES ? readFileSync(descriptor, 'utf8') : null;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return null;
  }
}

function isRoots(path: string): boolean {
  try {
    for (let at = realpathSync(path); ; at = dirname(at)) {
      const {uid, mode} = statSync(at);
      if (uid !== 0 || (mode & 0o022) !== 0) return false;
      if (at === '/') return true;
    }
  } catch {
    return false;
  }
}

function writeText(path: string, text: string): void {
  // O_NONBLOCK: see readText; a pipe without a reader is an error then
  const descriptor = openSync(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    0o644,
  );
  try {
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

/** At once, so that what others append stands before or after it. */
function writeInto(path: string, flags: number, offset: number | null, text: string): void {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | flags);
  try {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${path} is not a file`);
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length;)
      done += writeSync(descriptor, bytes, done, bytes.length - done, offset === null ? null : offset + done);
  } finally {
    closeSync(descriptor);
  }
}

async function connect(host: string, port: number, timeoutMs: number): Promise<Connection> {
  const {connectLines} = await import('./lines.js');
  return connectLines(host, port, timeoutMs);
}
