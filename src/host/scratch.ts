/**
 * Disk for private directories. A network file system may block a process that touches it, and nothing here has a deadline:
 * such a directory is recognised from mountinfo and not touched.
 */

import {dirname} from 'node:path';
import type {Facts} from './facts.js';
import {mountOf, type Mount} from './mountinfo.js';
import type {Tree} from './tree.js';

const NETWORK_TYPES = /^(nfs4?|lustre|gpfs|cifs|smb3|afs|ceph|beegfs|beegfs_nodev|panfs|9p|glusterfs|autofs|cvmfs2?|fuse\..+|fuse)$/;

/** Whether touching a mount of this type can hang. */
export const isNetwork = (type: string): boolean => NETWORK_TYPES.test(type);

/** The file system, free bytes and permission of the scratch directory. One on a network is not touched, since it can hang. */
export function readScratch(tree: Tree, mounts: readonly Mount[], directory: string): Omit<Facts['scratch'], 'containers'> {
  const type = mountOf(mounts, directory)?.type ?? null;
  if (type !== null && isNetwork(type)) {
    return {
      directory,
      fileSystem: type,
      freeBytes: null,
      writable: true,
      how: `mountinfo; ${type} can hang, so it was not touched and is taken to be writable`,
    };
  }
  const existing = nearestExisting(tree, directory);
  return {
    directory,
    fileSystem: type,
    freeBytes: tree.freeBytes(existing),
    writable: tree.writable(existing),
    how:
      existing === directory
        ? 'mountinfo, statfs(2), access(2)'
        : `mountinfo; statfs(2) and access(2) of ${existing}, as the directory does not exist yet`,
  };
}

/** The directory, or the nearest above it that is there. */
export function nearestExisting(tree: Tree, directory: string): string {
  let path = directory;
  while (path !== '/' && path !== '.' && !tree.exists(path)) path = dirname(path);
  return path;
}
