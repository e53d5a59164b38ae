/** A plain file by its name, and what it was when it had that name: so that it is not taken for another later. */

import {closeSync, constants, fstatSync, openSync, readlinkSync, statSync} from 'node:fs';
import {errnoOf, ifPossible} from '../errors.js';

/** A regular file to which a stream of the payload goes; the inode says later whether the path still means it. */
export interface OutputFile {
  path: string;
  device: number;
  inode: number;
}

/** Errors that say that the file no longer has the name: it is gone, is a link, or a part of the path is no directory. */
const NOT_IT = new Set(['ENOENT', 'ELOOP', 'ENOTDIR']);

/** What a process has open under a number; null where that is no plain file, or it is not ours to look at. */
export function outputFileOf(pid: number, descriptor: number): OutputFile | null {
  const link = `/proc/${String(pid)}/fd/${String(descriptor)}`;
  return ifPossible(() => {
    const stats = statSync(link);
    return stats.isFile() ? {path: readlinkSync(link), device: stats.dev, inode: stats.ino} : null;
  });
}

/** Opens it for reading; null when there is another file of that name now, or none. @throws what open(2) says otherwise */
export function openOutputFile({path, device, inode}: OutputFile): number | null {
  let opened: number;
  try {
    opened = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW);
  } catch (error) {
    if (NOT_IT.has(errnoOf(error) ?? '')) return null;
    throw error;
  }
  const stats = fstatSync(opened);
  if (stats.isFile() && stats.dev === device && stats.ino === inode) return opened;
  closeSync(opened);
  return null;
}
