/** Directories of the box's own that mounts below them need, such as one below /tmp. */

import type {EngineTask} from '@tare/contract';

const isBelow = (path: string, directory: string): boolean => path.startsWith(`${directory}/`);

/**
 * Paths of the node: libvirt would make them as root, and the box's account, which removes what it has written, could not.
 * @returns each once, in the order of the mounts
 */
export function waysOf({steps, box}: Pick<EngineTask, 'steps' | 'box'>): string[] {
  const binds = steps.flatMap((step) => (step.op === 'mount.bind' ? [step] : []));
  const ways = steps.flatMap((step) => {
    if (step.op !== 'mount.bind' && step.op !== 'mount.tmpfs' && step.op !== 'cvmfs.bind') return [];
    const {destination: at} = step;
    const [holder] = binds.filter(({destination}) => isBelow(at, destination)).sort((a, b) => b.destination.length - a.destination.length);
    if (holder === undefined || !isBelow(holder.source, box)) return [];
    const way = at.slice(holder.destination.length, at.lastIndexOf('/'));
    return way === '' ? [] : [holder.source + way];
  });
  return [...new Set(ways)];
}
