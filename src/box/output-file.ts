/** A plain file by its name, and what it was when it had that name: so that it is not taken for another later. */

import {closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import {errnoOf, ifPossible} from '../errors.js';

/** A regular file to which a stream of the payload goes; the inode says later whether the path still means it. */
export interface OutputFile {
  path: string;
  device: number;
  inode: number;
  /**
   * When it was made, ns since 1970, as text: a number of an inode is soon another file's. `0` where the file system does not tell (NFS). Absent:
   * noted by a version that did not look.
   */
  born?: string;
  /** Where the payload's output begins in it. Absent: noted by a version that did not look. */
  begin?: number;
}

/** Errors that say that the file no longer has the name: it is gone, is a link, or a part of the path is no directory. */
const NOT_IT = new Set(['ENOENT', 'ELOOP', 'ENOTDIR']);
/** open(2): a file that is named and not opened, so that looking at it does nothing to it; missing in Node's constants. */
const O_PATH = 0o10000000;

/** What a process has open under a number; null where that is no plain file, or it is not ours to look at. */
export function outputFileOf(pid: number, descriptor: number): OutputFile | null {
  const link = `/proc/${String(pid)}/fd/${String(descriptor)}`;
  return ifPossible(() => {
    const stats = statSync(link, {bigint: true});
    if (!stats.isFile()) return null;
    const identity = {device: Number(stats.dev), inode: Number(stats.ino), born: String(stats.birthtimeNs)};
    const info = ifPossible(() => readFileSync(`/proc/${String(pid)}/fdinfo/${String(descriptor)}`, 'latin1')) ?? '';
    return {path: readlinkSync(link), ...identity, begin: beginIn(info, Number(stats.size))};
  });
}

/** Where the next write goes (proc_pid_fdinfo(5)): `pos`, but with O_APPEND (`flags` is octal) the end of the file. */
export function beginIn(fdinfo: string, size: number): number {
  const flags = Number.parseInt(/^flags:\s+([0-7]+)$/m.exec(fdinfo)?.[1] ?? '0', 8);
  const position = Number(/^pos:\s+(\d+)$/m.exec(fdinfo)?.[1] ?? size);
  return (flags & constants.O_APPEND) === 0 ? position : size;
}

/**
 * Opens it for reading; null when there is another file of that name now, or none. What has taken its name is not opened: to open a device can do
 * something to it.
 * @throws what open(2) says otherwise
 */
export function openOutputFile({path, device, inode, born}: OutputFile): number | null {
  let named: number;
  try {
    named = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (NOT_IT.has(errnoOf(error) ?? '')) return null;
    throw error;
  }
  try {
    const stats = fstatSync(named, {bigint: true});
    const isIt = stats.isFile() && Number(stats.dev) === device && Number(stats.ino) === inode;
    if (!isIt || (born !== undefined && born !== String(stats.birthtimeNs))) return null;
    return openSync(`/proc/self/fd/${String(named)}`, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } finally {
    closeSync(named);
  }
}
