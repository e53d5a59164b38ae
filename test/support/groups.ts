/** What control groups the boxes of a role get on this machine. */
import {existsSync} from 'node:fs';
import {release} from 'node:os';
import {isRoot, type Role} from './tare.js';

/** Root makes groups everywhere; another's are those that the lab handed to the tests (test/lab/order/execute), on no other machine any. */
export const hasGroups = (role: Role): boolean => role === 'root' || (!isRoot && (process.env.LAB_DELEGATE ?? 'none') !== 'none');

/** How the plan names the machine's hierarchies: those with the controllers. */
export const HIERARCHY = existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'cgroup2' : 'cgroup1';

const [major = 0, minor = 0] = release().split('.').map(Number);
/** Whether the kernel is as new as this one, or newer. */
export const kernelSince = (since: number, point: number): boolean => major > since || (major === since && minor >= point);

/** Whether the kernel keeps the largest use of memory of a group (memory.peak since 5.19); else it is what was seen now and then. */
export const KEEPS_PEAK = HIERARCHY === 'cgroup1' || kernelSince(5, 19);

/** Whether the kernel has what copy-on-write views are made with: mount_setattr(2), since 5.12. */
export const HAS_VIEWS = kernelSince(5, 12);
