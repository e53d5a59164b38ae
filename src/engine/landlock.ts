/** What of the plan's Landlock is for the launch frame (keys `landlock`, `writable` and `scoped`). Pure. */

import type {Plan} from '../schema/generated/plan-1.js';
import {launchKey} from '../schema/generated/protocol.js';

/** linux/landlock.h: LANDLOCK_ACCESS_FS_WRITE_FILE; _REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _DIR, _REG, _SOCK, _FIFO, _BLOCK, _SYM; _REFER; _TRUNCATE. */
const WRITE_FILE = 1 << 1;
const REMOVE_AND_MAKE = 0x1ff0;
const REFER = 1 << 13;
const TRUNCATE = 1 << 14;
/** LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, of version 6 (Linux 6.12). */
const ABSTRACT_SOCKETS = 1;

/** Rights that a version handles: those of writing only. Version 2 has no right to truncate. */
const rightsOf = (abi: number): number => WRITE_FILE | REMOVE_AND_MAKE | REFER | (abi >= 3 ? TRUNCATE : 0);

/** The launch's strings about Landlock; none where the plan has no Landlock or the kernel has none. */
export function landlockStrings({landlock}: Plan): string[] {
  if (landlock?.abi == null) return [];
  return [
    launchKey.landlock(rightsOf(landlock.abi).toString(16)),
    ...landlock.writable.map(launchKey.writable),
    ...(landlock.scoped === true ? [launchKey.scoped(ABSTRACT_SOCKETS.toString(16))] : []),
  ];
}
