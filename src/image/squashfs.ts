/** The beginning of a squashfs file (kernel documentation, filesystems/squashfs): whether it is one, and whole. */

/** Bytes that are needed to tell. */
export const SUPERBLOCK_BYTES = 96;
const MAGIC = 'hsqs';
const COMPRESSIONS = ['none', 'gzip', 'lzma', 'lzo', 'xz', 'lz4', 'zstd'];

/** What is used of a superblock of squashfs 4.0. */
export interface Superblock {
  compression: string;
  /** What it uses of its file. */
  bytes: number;
  madeEpochS: number;
}

/** Whether a file begins with squashfs's magic, `hsqs`. */
export const isSquashfs = (begin: Buffer): boolean => begin.toString('latin1', 0, MAGIC.length) === MAGIC;

/** @returns what is wrong with it, in words */
export function readSuperblock(begin: Buffer, fileBytes: number): Superblock | string {
  if (!isSquashfs(begin) || begin.length < SUPERBLOCK_BYTES) return 'it is no squashfs file';
  const [major, minor] = [begin.readUInt16LE(28), begin.readUInt16LE(30)];
  if (major !== 4) return `it is of version ${String(major)}.${String(minor)} of squashfs, and 4.0 is known`;
  const bytes = Number(begin.readBigUInt64LE(40));
  if (bytes > fileBytes) return `it is cut off: ${String(fileBytes)} of ${String(bytes)} bytes`;
  const compression = COMPRESSIONS[begin.readUInt16LE(20)] ?? 'unknown';
  return {compression, bytes, madeEpochS: begin.readUInt32LE(8)};
}
