/** Doctor’s rows about file systems: the scratch and its limit, views, and FUSE. */

import type {Facts, ViewFacts} from '../host/facts.js';
import {formatBytes} from '../job/format.js';
import {checkRow, type Check} from './check.js';

/** Whether payloads can use FUSE: /dev/fuse is there. */
export function checkFuse({devices}: Facts): Check {
  const there = devices.includes('/dev/fuse');
  const costs = 'payloads cannot mount by FUSE: unprivileged apptainer images, cvmfsexec';
  return checkRow('/dev/fuse', there, {found: there ? '/dev/fuse' : 'not there', costs, remedy: 'modprobe fuse'});
}

const LITTLE_SCRATCH_BYTES = 2 ** 30;

/** Whether the scratch directory can be written to, lies on a disk, and has some room. */
export function checkScratch({scratch}: Facts): Check {
  const {directory, fileSystem, freeBytes, writable} = scratch;
  const found = `${directory}, ${fileSystem ?? 'unknown file system'}, ${freeBytes === null ? 'free space unknown' : `${formatBytes(freeBytes)} free`}`;
  const row = {name: 'scratch', found, costs: 'no private /tmp, and the state of boxes has no place'};
  if (!writable)
    return {
      ...row,
      state: 'missing',
      found: `${found}, not writable`,
      remedy: 'make the directory writable, or name another one in directories.scratch of the policy',
    };
  if (fileSystem === 'tmpfs' || fileSystem === 'ramfs')
    return {
      ...row,
      state: 'limited',
      costs: 'a payload’s /tmp is charged to its memory',
      remedy: 'name a directory on a disk in directories.scratch of the policy',
    };
  if (freeBytes !== null && freeBytes < LITTLE_SCRATCH_BYTES)
    return {
      ...row,
      state: 'limited',
      costs: 'payloads find little room in /tmp',
      remedy: 'make room, or name another directory in directories.scratch of the policy',
    };
  return {...row, state: 'ok', remedy: null};
}

/** Whether the node can make copy-on-write views, and by which means. */
export function checkViews({overlay, fuse, user, writable}: ViewFacts): Check {
  const [found] = [overlay, fuse].filter(({available}) => available);
  const places = user ? `; over ${writable.join(', ') || 'nothing, since the caller may write nowhere'}` : '';
  return {
    name: 'copy on write',
    state: overlay.available ? 'ok' : fuse.available ? 'limited' : 'missing',
    found: found === undefined ? `${overlay.how}; fuse-overlayfs: ${fuse.how}` : `${found.how}${places}`,
    costs:
      fuse.available && !overlay.available ? 'views by fuse-overlayfs, which is slower' : 'no file system shared or private, and no image',
    remedy: overlay.available ? null : [overlay.remedy, fuse.remedy].filter((one) => one !== null).join(', or ') || null,
  };
}

/** Whether the kernel can hold a box's scratch to its size. */
export function checkScratchLimit({scratch: {containers}}: Facts): Check {
  const {available, how, remedy} = containers.loop;
  const row = {
    found: available ? how : `watched, since ${how}`,
    costs: 'a payload can be over its limit on scratch until the next look',
    remedy: remedy ?? 'run the wrapper as root, or let scratch lie in memory (scratch.inMemory in the policy)',
  };
  return checkRow('limit on scratch', available, row, 'limited');
}
