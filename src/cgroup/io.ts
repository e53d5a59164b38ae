import type {Read} from './keyed.js';

/** What a group read from and wrote to block devices, bytes and requests. */
export interface IoUsage {
  ioReadBytes: number | null;
  ioWriteBytes: number | null;
  /** Requests; v2 only. */
  ioReadOps: number | null;
  ioWriteOps: number | null;
  ioSource: string | null;
}

const UNKNOWN: IoUsage = {ioReadBytes: null, ioWriteBytes: null, ioReadOps: null, ioWriteOps: null, ioSource: null};

/** The files of v1, best first: those that include groups below; bfq's only where that scheduler is in use. */
const V1_FILES = ['blkio.throttle.io_service_bytes_recursive', 'blkio.bfq.io_service_bytes_recursive', 'blkio.throttle.io_service_bytes'];

/** Bytes over all block devices. A device on top of another (LVM, RAID) is counted on both, as the kernel does. */
export function ioUsage(version: 1 | 2, read: Read): IoUsage {
  if (version === 2) {
    const text = read('io.stat');
    return text === null ? UNKNOWN : {...parseIoStat(text), ioSource: 'cgroup2:io.stat'};
  }
  for (const file of V1_FILES) {
    const text = read(file);
    const sum = text === null ? null : parseServiceBytes(text);
    if (sum !== null) return {...UNKNOWN, ...sum, ioSource: `cgroup1:${file} (no delayed writes)`};
  }
  return UNKNOWN;
}

/** v2: `8:0 rbytes=1 wbytes=2 rios=…` per device; a device without traffic has no line, or one without keys. */
export function parseIoStat(text: string): Record<Exclude<keyof IoUsage, 'ioSource'>, number> {
  return {
    ioReadBytes: sum(text.matchAll(/ rbytes=(\d+)/g)),
    ioWriteBytes: sum(text.matchAll(/ wbytes=(\d+)/g)),
    ioReadOps: sum(text.matchAll(/ rios=(\d+)/g)),
    ioWriteOps: sum(text.matchAll(/ wios=(\d+)/g)),
  };
}

/**
 * v1: `8:0 Read 1`, `8:0 Write 2`, … per device, then `Total 3`.
 * Nothing counted is unknown, not zero: newer kernels count only on devices for which the group has a throttle rule
 * (seen: Linux 6.18 shows `Total 0`, 6.1 a zero for each device, after megabytes of O_DIRECT writes; with a rule 6.1 counts).
 */
export function parseServiceBytes(text: string): {ioReadBytes: number; ioWriteBytes: number} | null {
  const ioReadBytes = sum(text.matchAll(/^\d+:\d+ Read (\d+)$/gm));
  const ioWriteBytes = sum(text.matchAll(/^\d+:\d+ Write (\d+)$/gm));
  return ioReadBytes + ioWriteBytes === 0 ? null : {ioReadBytes, ioWriteBytes};
}

function sum(matches: Iterable<RegExpMatchArray>): number {
  let total = 0;
  for (const match of matches) total += Number(match[1]);
  return total;
}
