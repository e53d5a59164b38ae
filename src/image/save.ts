/** An image of an engine's store, written to an archive by that engine's program. */

import {closeSync, openSync, writeSync} from 'node:fs';
import {dirname} from 'node:path';
import {start} from '../host/spawn.js';
import {CannotUnpack} from './broken.js';
import {Room} from './contents.js';
import {saidIn} from './store.js';

/** For an image of tens of gigabytes on a slow disk. */
const SAVE_DEADLINE_MS = 1_800_000;
/** How long a program that was killed may take to end. */
const END_MS = 5000;
const MOST_SAID = 4096;

/** Bounds of one save. */
export interface SaveOptions {
  /** Tells that it is not wanted any more; what is thrown then is the reason of the abort. */
  aborted?: AbortSignal;
  /** The most bytes that the archive may have; null: what there is room for. */
  mostBytes: number | null;
  deadlineMs?: number;
}

/**
 * Writes an archive of docker-archive's format (podman-save(1)). The program has what it needs for it in the archive's directory, which is the
 * caller's to remove, and is killed when it is not wanted any more.
 * @param program of the engine; it runs as this process's account, with nothing of the job's
 * @param id of the configuration, in hex
 * @throws CannotUnpack; then the archive is not whole
 */
export async function saveImage(
  program: string,
  id: string,
  archive: string,
  {aborted, mostBytes, deadlineMs = SAVE_DEADLINE_MS}: SaveOptions,
): Promise<void> {
  aborted?.throwIfAborted();
  const directory = dirname(archive);
  const room = new Room(directory, mostBytes);
  const child = start(program, ['save', '--quiet', '--format', 'docker-archive', id], {
    cwd: '/',
    env: {LC_ALL: 'C', TMPDIR: directory},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let isLate = false;
  const kill = (): boolean => child.kill('SIGKILL');
  const wrongWith = (code: number | null): string =>
    isLate ? `not within ${String(deadlineMs / 1000)} s` : saidIn(said) || `it ended with ${code === null ? 'a signal' : String(code)}`;
  const ended = new Promise<string | null>((resolve) => {
    child.on('error', ({message}) => resolve(message));
    child.on('close', (code) => resolve(code === 0 ? null : wrongWith(code)));
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MOST_SAID)));
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, deadlineMs);
  aborted?.addEventListener('abort', kill);
  const target = openSync(archive, 'wx', 0o600);
  try {
    for await (const piece of (child.stdout ?? []) as AsyncIterable<Buffer>) {
      room.take(piece.length);
      for (let rest = piece; rest.length > 0;) rest = rest.subarray(writeSync(target, rest));
    }
    const wrong = await ended;
    aborted?.throwIfAborted();
    if (wrong !== null) throw new CannotUnpack(`${program} does not write it to an archive: ${wrong}`);
  } finally {
    clearTimeout(timer);
    aborted?.removeEventListener('abort', kill);
    closeSync(target);
    kill();
    await endOf(ended);
  }
}

/** Waits for the end of a program that was killed, so that it makes nothing more in its directory. */
async function endOf(ended: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise((resolve) => (timer = setTimeout(resolve, END_MS)));
  await Promise.race([ended, patience]);
  clearTimeout(timer);
}
