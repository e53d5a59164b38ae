/**
 * What a probe saw, one line for each thing, so that the next call can compare without JavaScript (native/glance.c): a look every twenty
 * seconds must cost next to nothing. What a line says and does not hold any more is a reason to look properly.
 */

/** Attributes of a file; when one differs, the file has changed. */
export interface Stamp {
  path: string;
  size: bigint;
  mtimeNs: bigint;
  inode: bigint;
}

/** What has to hold for the last result to hold; sizes in bytes. */
export interface Seen {
  /** Whose time is renewed. */
  result: string;
  bootId: string;
  /** Time before which no full look is due, seconds since 1970. */
  beforeS: number;
  same: readonly Stamp[];
  /** Owner, and mode with the type. */
  kinds: readonly {path: string; uid: number; mode: number}[];
  gone: readonly string[];
  room: readonly {path: string; bytes: number; inodes: number}[];
  write: readonly string[];
  runs: readonly string[];
  /** A directory that has not changed since that time, ms since 1970. */
  quiet: {path: string; sinceMs: number};
}

const NS = 1_000_000_000n;

/** null when a path cannot be written in a line: then nothing is compared. */
export function glanceText({result, bootId, beforeS, same, kinds, gone, room, write, runs, quiet}: Seen): string | null {
  const lines = [
    'tare-glance 1',
    `touch ${result}`,
    `boot ${bootId}`,
    `before ${String(Math.floor(beforeS))}`,
    ...same.map(
      ({path, size, mtimeNs, inode}) => `same ${String(size)} ${String(mtimeNs / NS)} ${String(mtimeNs % NS)} ${String(inode)} ${path}`,
    ),
    ...kinds.map(({path, uid, mode}) => `kind ${String(uid)} ${String(mode)} ${path}`),
    ...gone.map((path) => `gone ${path}`),
    ...room.map(({path, bytes, inodes}) => `room ${String(bytes)} ${String(inodes)} ${path}`),
    `quiet ${String(Math.floor(quiet.sinceMs))} ${quiet.path}`,
    ...runs.map((path) => `runs ${path}`),
    ...write.map((path) => `write ${path}`),
    'end',
  ];
  return lines.some((line) => line.includes('\n')) ? null : `${lines.join('\n')}\n`;
}
