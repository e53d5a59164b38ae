/**
 * The one way to files that a job has named: by its environment, its ads, its descriptor or what lies in its directory. Root goes it as the job's
 * account, in a process of its own (native/account.c): the kernel then refuses what it would refuse the job. What is written is written without
 * following a link below the job's directory, where the payload can have put one: so no path leads the wrapper, which is outside of the box, to
 * what the payload itself could not have written from inside. eslint.config.js keeps other ways closed.
 */

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
import {constants as system} from 'node:os';
import {dirname, join, relative, resolve} from 'node:path';
import type {Effects} from '@tare/contract';
import {errnoOf, ifPossible} from '../errors.js';
import {childProcess} from '../host/spawn.js';
import {accountText, type Account} from '../plan/account.js';
import {NATIVE} from '../process/native.js';
import {replaceOrWrite, withFile, writeDurably} from '../record/durable.js';

/** What plugins may do to files, and what the core does beside. */
export interface JobFiles extends Pick<
  Effects,
  'readText' | 'exists' | 'isRoots' | 'writeText' | 'append' | 'overwrite' | 'remove' | 'letPass'
> {
  /** Text of a plain file. @throws ErrnoException; EINVAL: it is none, EFBIG: it is longer */
  read: (path: string, mostBytes: number) => string;
  /** Makes or replaces a file, whole or not at all; a pipe or a device is written to. @throws ErrnoException */
  replace: (path: string, text: string) => void;
}

/**
 * @param account whose the job is; null: not known yet; then the account of this process
 * @param root the directory that the job was started in, absolute; its payload can change what lies there
 */
export function jobFiles(account: Account | null, root: string): JobFiles {
  const isOther = account !== null && process.getuid?.() === 0 && account.uid !== 0;
  const files = isOther ? asAccount(account, root) : asOurselves(root);
  return {
    ...files,
    readText: (path) => {
      try {
        // of ourselves, and not of the process that looks for us
        return (path === OWN_GROUPS ? asOurselves(root) : files).read(path, MOST_BYTES);
      } catch {
        return null;
      }
    },
    isRoots,
  };
}

type OneWay = Omit<JobFiles, 'readText' | 'isRoots'>;

const OWN_GROUPS = '/proc/self/cgroup';
const MOST_BYTES = 2 ** 20;
/** A file server that does not answer is not waited for longer, ms. */
const DEADLINE_MS = 10_000;

function asAccount(account: Account, root: string): OneWay {
  const ask = (what: string, path: string, words: readonly string[] = [], input = '', mostBytes = 4096): string => {
    const place = placeOf(path, root);
    const argv = ['tare-account', accountText(account), what, place.directory, place.below, ...words];
    const {status, stdout, stderr, error} = childProcess().spawnSync(NATIVE, argv, {
      ...{argv0: '/proc/self/fd/tare-account', cwd: '/', env: {}, input, encoding: 'utf8'},
      ...{timeout: DEADLINE_MS, killSignal: 'SIGKILL', maxBuffer: mostBytes},
    });
    if (status === 0) return stdout;
    throw error ?? failure(Number(stderr), what, path, account.uid);
  };
  return {
    read: (path, mostBytes) => ask('read', path, [String(mostBytes)], '', mostBytes + 1),
    exists: (path) => {
      try {
        ask('exists', path);
        return true;
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return false;
        throw error;
      }
    },
    writeText: (path, text) => void ask('write', path, [], text),
    append: (path, text) => void ask('append', path, [], text),
    overwrite: (path, offset, text) => void ask('overwrite', path, [String(offset)], text),
    remove: (path) => void ask('remove', path),
    letPass: (directory) => void ask('pass', join(directory, '-')),
    replace: (path, text) => {
      if (isRootsWay(path)) replaceOrWrite(path, text);
      else ask('replace', path, [], text);
    },
  };
}

function failure(errno: number, what: string, path: string, uid: number): NodeJS.ErrnoException {
  const code = Object.entries(system.errno).find(([, number]) => number === errno)?.[0];
  return Object.assign(new Error(`${code ?? 'failed'}: ${what} '${path}' as uid ${String(uid)}`), {code});
}

function asOurselves(root: string): OneWay {
  return {
    read: (path, mostBytes) =>
      // O_NONBLOCK: a named pipe must not hang us
      withFile(path, constants.O_RDONLY | constants.O_NONBLOCK, (descriptor) => {
        const stats = fstatSync(descriptor);
        if (!stats.isFile()) throw Object.assign(new Error(`EINVAL: '${path}' is not a file`), {code: 'EINVAL'});
        if (stats.size > mostBytes) throw Object.assign(new Error(`EFBIG: '${path}' is too large`), {code: 'EFBIG'});
        return readFileSync(descriptor, 'utf8');
      }),
    exists: (path) => lstatSync(path, {throwIfNoEntry: false}) !== undefined,
    writeText: (path, text) => {
      // O_NONBLOCK: a pipe without a reader is an error then
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | CAREFUL;
      at(path, root, (place) => withFile(place, flags, (descriptor) => writeFileSync(descriptor, text), 0o644));
    },
    append: (path, text) => {
      at(path, root, (place) => writeInto(place, constants.O_APPEND, null, text));
    },
    overwrite: (path, offset, text) => {
      at(path, root, (place) => writeInto(place, 0, offset, text));
    },
    remove: (path) => {
      at(path, root, (place) => rmSync(place, {force: true}));
    },
    letPass: (directory) => {
      at(join(directory, '.'), root, (place) => chmodSync(place, statSync(place).mode | 0o111));
    },
    replace: (path, text) => {
      at(path, root, (place, inRoot) => {
        const isLink = lstatSync(place, {throwIfNoEntry: false})?.isSymbolicLink() === true;
        if (inRoot && isLink) writeDurably(place, text);
        else replaceOrWrite(place, text);
      });
    },
  };
}

const CAREFUL = constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** O_PATH of Linux, which Node.js does not name. */
const O_PATH = 0o10000000;

/** Writes with one call, so that lines which others append stand before or after it. */
function writeInto(path: string, flags: number, offset: number | null, text: string): void {
  withFile(path, constants.O_WRONLY | CAREFUL | flags, (descriptor) => {
    if (!fstatSync(descriptor).isFile()) throw new Error(`${path} is not a file`);
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length;)
      done += writeSync(descriptor, bytes, done, bytes.length - done, offset === null ? null : offset + done);
  });
}

/** Acts on a name that is reached through no link below the job's directory. */
function at(path: string, root: string, act: (place: string, inRoot: boolean) => void): void {
  const {directory, below, inRoot} = placeOf(path, root);
  const names = below.split('/');
  const name = names.pop() ?? '';
  if (names.length === 0) {
    act(join(directory, name), inRoot);
    return;
  }
  let parent = openSync(directory, O_PATH | constants.O_DIRECTORY);
  try {
    for (const part of names) {
      const next = openSync(`/proc/self/fd/${String(parent)}/${part}`, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      closeSync(parent);
      parent = next;
    }
    act(`/proc/self/fd/${String(parent)}/${name}`, inRoot);
  } finally {
    closeSync(parent);
  }
}

/**
 * A path in two: the part in which links are the site's own (/home or EXECUTE may be one) and the part in which none is followed. Of what does not
 * lie in the job's directory the latter is the last name alone.
 */
export function placeOf(path: string, root: string): {directory: string; below: string; inRoot: boolean} {
  const whole = resolve(root, path);
  const isRoot = (directory: string): boolean => directory === root || realPath(directory) === root;
  const above = root === '/' ? undefined : ancestors(whole).find(isRoot);
  const directory = above ?? dirname(whole);
  return {directory, below: relative(directory, whole), inRoot: above !== undefined};
}

/** Directories above a path, the outermost first. */
function ancestors(path: string): string[] {
  const above: string[] = [];
  for (let at = dirname(path); ; at = dirname(at)) {
    above.unshift(at);
    if (at === '/') return above;
  }
}

const realPath = (path: string): string | null => ifPossible(() => realpathSync(path));

/** A file that root names, where root alone can have made each part of the path and what lies there. */
function isRootsWay(path: string): boolean {
  const whole = resolve(path);
  try {
    const isRoots = (directory: string): boolean => {
      const {uid, mode} = lstatSync(directory);
      return uid === 0 && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0);
    };
    const there = lstatSync(whole, {throwIfNoEntry: false});
    return realPath(dirname(whole)) === dirname(whole) && ancestors(whole).every(isRoots) && (there === undefined || there.uid === 0);
  } catch {
    return false;
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
