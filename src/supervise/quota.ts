/** The file that holds a box's scratch: a sparse ext4 file system of the size that the payload may fill. */

import {constants, ftruncateSync, readSync} from 'node:fs';
import {ifPossible, TareError} from '../errors.js';
import {childProcess} from '../host/spawn.js';
import {withFile} from '../record/durable.js';
import type {ScratchQuota} from '../schema/generated/plan-1.js';

const BLOCK = 4096;
/** mke2fs: 256 bytes for each 16 KiB, which is its default and enough for small files. */
const BYTES_PER_INODE = 16384;
const INODE_BYTES = 256;
/** Blocks that one bitmap of BLOCK bytes describes; each such group has two bitmaps and a descriptor. */
const GROUP_BYTES = 8 * BLOCK * BLOCK;
const GROUP_OVERHEAD = 2 * BLOCK + 64;
/** Superblock and its copies, lost+found, root directory. */
const FIXED_OVERHEAD = 16 * BLOCK;
/** Kept back by ext4 for its own structures (ext4_calculate_resv_clusters): a fiftieth, but no more blocks than this. */
const KEPT_BACK = {part: 1 / 50, most: 4096 * BLOCK};
const DEADLINE_MS = 60_000;

/** How large the file is for so much to be free in it. */
export function imageBytes(free: number): number {
  const perByte = INODE_BYTES / BYTES_PER_INODE + GROUP_OVERHEAD / GROUP_BYTES;
  const kept = Math.min(KEPT_BACK.most, free * KEPT_BACK.part);
  return Math.ceil((free + kept + FIXED_OVERHEAD) / (1 - perByte) / BLOCK) * BLOCK;
}

/**
 * Makes the file system, without a journal: its content is not needed after a crash.
 * @throws TareError SCRATCH_FAILED
 */
export function makeImage({bytes, program}: ScratchQuota, path: string): void {
  try {
    withFile(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, (file) => ftruncateSync(file, imageBytes(bytes)), 0o600);
    // uninit_bg: else all inode tables, a sixtieth of the size, would be written to the disk at once
    const features = '^has_journal,^resize_inode,^metadata_csum,uninit_bg,sparse_super';
    const layout = ['-b', String(BLOCK), '-i', String(BYTES_PER_INODE), '-I', String(INODE_BYTES), '-m', '0'];
    childProcess().execFileSync(
      program ?? 'mkfs.ext4',
      ['-q', '-F', ...layout, '-O', features, '-E', 'nodiscard,lazy_itable_init=1,root_owner=0:0', path],
      {cwd: '/', env: {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C'}, stdio: ['ignore', 'ignore', 'pipe'], timeout: DEADLINE_MS},
    );
  } catch (error) {
    const {stderr, message} = error as Error & {stderr?: Buffer};
    const said = stderr?.toString('utf8').trim().split('\n').at(-1);
    throw new TareError('SCRATCH_FAILED', {
      message: 'the file system for the scratch of the box cannot be made',
      where: path,
      found: said === undefined || said === '' ? message : said,
      remedy: 'look at the space on the scratch directory',
      cause: error,
    });
  }
}

/** Offset of the superblock, and of its fields in it (kernel documentation, filesystems/ext4/super.rst). */
const SUPERBLOCK = 1024;
const FREE_LOW = 12;
const FREE_HIGH = 0x158;
const SUPERBLOCK_BYTES = 1024;

/** What is free in one that is not mounted any more; null when it cannot be read. Written at the last unmount. */
export function freeInImage(path: string): number | null {
  const block = Buffer.alloc(SUPERBLOCK_BYTES);
  const read = (file: number): number => readSync(file, block, 0, SUPERBLOCK_BYTES, SUPERBLOCK);
  const bytes = ifPossible(() => withFile(path, constants.O_RDONLY | constants.O_NOFOLLOW, read));
  return bytes === SUPERBLOCK_BYTES ? (block.readUInt32LE(FREE_LOW) + block.readUInt32LE(FREE_HIGH) * 2 ** 32) * BLOCK : null;
}
