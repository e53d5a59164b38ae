/** An image of an engine's store, written to an archive by that engine's program. */

import {closeSync, existsSync, openSync, writeSync} from 'node:fs';
import {dirname} from 'node:path';
import {errnoOf} from '../errors.js';
import {start} from '../host/spawn.js';
import {CannotUnpack} from './broken.js';
import {Room} from './contents.js';
import {saidIn} from './store.js';

/** For an image of tens of gigabytes on a slow disk. */
const SAVE_DEADLINE_MS = 1_800_000;
/** How long a program that was killed may take to end. */
const END_MS = 5000;
const MOST_SAID = 4096;
/**
 * Podman mounts the directory of its store on itself while it works. In a mount namespace of its own (unshare(1)) that
 * goes with it, also when it is killed.
 */
const UNSHARE = '/usr/bin/unshare';
const apart = (program: string, words: readonly string[]): [string, readonly string[]] =>
  process.getuid?.() === 0 && existsSync(UNSHARE)
    ? [UNSHARE, ['--mount', '--propagation', 'private', '--', program, ...words]]
    : [program, words];

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
  const target = openSync(archive, 'wx', 0o600);
  const [command, words] = apart(program, ['save', '--quiet', '--format', 'docker-archive', id]);
  const child = start(command, words, {cwd: '/', env: {LC_ALL: 'C', TMPDIR: directory}, stdio: ['ignore', 'pipe', 'pipe']});
  let said = '';
  let stopped: 'late' | 'unwanted' | null = null;
  // what it has started may hold the pipes
  const stop = (why: 'late' | 'unwanted'): void => {
    stopped ??= why;
    child.kill('SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const wrongWith = (code: number | null): string =>
    stopped === 'late'
      ? `not within ${String(deadlineMs / 1000)} s`
      : saidIn(said) || `it ended with ${code === null ? 'a signal' : String(code)}`;
  const ended = new Promise<string | null>((resolve) => {
    child.on('error', ({message}) => resolve(message));
    child.on('close', (code) => resolve(code === 0 ? null : wrongWith(code)));
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MOST_SAID)));
  const timer = setTimeout(() => stop('late'), deadlineMs);
  const abort = (): void => stop('unwanted');
  aborted?.addEventListener('abort', abort);
  try {
    await copy(child.stdout, target, new Room(directory, mostBytes)).catch((error: unknown) => {
      if (error instanceof CannotUnpack || errnoOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    });
    const wrong = await ended;
    aborted?.throwIfAborted();
    if (wrong !== null) throw new CannotUnpack(`${program} does not write it to an archive: ${wrong}`);
  } finally {
    clearTimeout(timer);
    aborted?.removeEventListener('abort', abort);
    closeSync(target);
    stop('unwanted');
    await endOf(ended);
  }
}

/** @throws CannotUnpack when there is no room */
async function copy(from: AsyncIterable<Buffer> | null, target: number, room: Room): Promise<void> {
  for await (const piece of from ?? []) {
    room.take(piece.length);
    for (let rest = piece; rest.length > 0;) rest = rest.subarray(writeSync(target, rest));
  }
}

/** Waits for the end of a program that was killed, so that it makes nothing more in its directory. */
async function endOf(ended: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise((resolve) => (timer = setTimeout(resolve, END_MS)));
  await Promise.race([ended, patience]);
  clearTimeout(timer);
}
