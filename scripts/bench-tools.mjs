// What benchmarks share.
import {chownSync, mkdirSync, readFileSync} from 'node:fs';

export const NOBODY = 65534;
/** What gives a box's own namespaces by bubblewrap alone. */
export const BUBBLEWRAP =
  '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp --cap-drop ALL --as-pid-1 -- /bin/true'.split(
    ' ',
  );
export const isRoot = process.getuid() === 0;
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Of an even number of values the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A directory of an account's own. */
export function owned(directory, uid) {
  mkdirSync(directory, {recursive: true});
  if (isRoot) chownSync(directory, uid, uid);
  return directory;
}

/** A process and all below it, each before its children; none that has ended. */
export function family(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    return [pid, ...children.flatMap(family)];
  } catch {
    return [];
  }
}
