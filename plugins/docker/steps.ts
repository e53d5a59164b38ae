/** What a step of a plan becomes of Docker: mounts, which it makes in the order of their depth, and options. */

import type {EngineStepOf, EngineSteps, EngineTask} from '@tare/contract';
import {mountOption, withoutColon} from './quote.js';

/** A part of a box: a mount, what makes one read-only, options of `docker run`, or its image. */
export type Part = Bind | Memory | {readOnly: string} | {options: readonly string[]} | {image: string};

interface Bind {
  at: string;
  source: string;
  readOnly: boolean;
  /** Later mounts of the node arrive. */
  follows: boolean;
}

/** A tmpfs. */
interface Memory {
  at: string;
  mode: string;
  sizeBytes: number | null;
  readOnly: boolean;
}

/** Docker makes these itself. */
const OWN = ['/proc', '/dev'];
const DEV = '/dev';
/** Links of a merged /usr, such as /bin. */
const INTO_USR = /^\/?usr\/[^/]+\/?$/;

/**
 * Docker mounts nothing at `/`. So each directory at the top of the node's file system is bound, and each link into /usr as the directory that it
 * leads to.
 */
function nodeFiles({node: {top, follows}}: EngineTask): Bind[] {
  const links = Object.keys(top.links).filter((path) => INTO_USR.test(top.links[path] ?? ''));
  const shown = [...top.directories.filter((path) => !OWN.includes(path)), ...links];
  return shown.map((path) => ({at: path, source: path, readOnly: true, follows: follows(path)}));
}

function bound({source, destination, options, optional}: EngineStepOf<'mount.bind'>, task: EngineTask): Part[] {
  if (optional && !task.exists(source)) return [];
  if (destination === '/') {
    if (source !== '/') throw new Error(`mounts nothing at /, and the plan has ${source} there`);
    return nodeFiles(task);
  }
  if (options.includes('dev')) return [{options: ['--device', `${withoutColon(source)}:${withoutColon(destination)}:rwm`]}];
  return [{at: destination, source, readOnly: !options.includes('rw'), follows: false}];
}

const UNSEEN = 'sees nothing of what is mounted for a box before it starts';
const NO_MACHINE = 'is used for boxes only';

/** Each kind of step, as options of docker-run(1). */
export const STEPS: EngineSteps<readonly Part[]> = {
  'namespace.unshare': ({namespaces}) => [{options: ['--network', namespaces.includes('network') ? 'none' : 'host']}],
  'hostname.set': ({hostname}) => [{options: [`--hostname=${hostname}`]}],
  'privileges.drop': () => [{options: ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']}],
  'mount.bind': bound,
  'cvmfs.bind': ({source, destination}, {node}) => [{at: destination, source, readOnly: true, follows: node.follows(source)}],
  'mount.tmpfs': ({destination, mode, sizeBytes}) => [{at: destination, mode, sizeBytes, readOnly: false}],
  'mount.readonly': ({destination}) => [{readOnly: destination}],
  'mount.proc': () => [],
  'mount.dev': () => [],
  'image.root': ({image, digest}) => {
    if (digest === null) throw new Error(`is told of an image by its digest, and that of ${image} is not known`);
    return [{image: digest}];
  },
  'mount.move': UNSEEN,
  'mount.closed': UNSEEN,
  'mount.sys': NO_MACHINE,
  'paths.protect': NO_MACHINE,
  'accounts.provide': NO_MACHINE,
};

const isBelow = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`);

/** Mounts in the order of the plan, as those that are left when they are made in the order of their depth: what a later one covers is not made at all. @throws Error for what is no mount */
export function visible(parts: readonly Part[]): (Bind | Memory)[] {
  let left: (Bind | Memory)[] = [];
  for (const part of parts) {
    if ('at' in part) {
      left = [...left.filter(({at}) => !isBelow(at, part.at)), part];
    } else if ('readOnly' in part && part.readOnly !== DEV) {
      // Docker's /dev is root's, and nobody in the box is root
      const {readOnly: place} = part;
      if (!left.some(({at}) => at === place)) throw new Error(`makes ${place} not read-only, which is no mount`);
      left = left.map((mount) => (mount.at === place ? {...mount, readOnly: true} : mount));
    }
  }
  return left;
}

/**
 * Directories in the box's own folder that mounts below its private ones need, such as one below /tmp: Docker would make them as root, and the box's
 * account, which removes what it has written, could not.
 */
export function waysTo(mounts: readonly (Bind | Memory)[], box: string): string[] {
  const ways = mounts.flatMap(({at}) => {
    const holder = mounts.filter((other) => other.at !== at && isBelow(at, other.at)).sort((a, b) => b.at.length - a.at.length)[0];
    if (holder === undefined || !('source' in holder) || !isBelow(holder.source, box)) return [];
    const way = at.slice(holder.at.length, at.lastIndexOf('/'));
    return way === '' ? [] : [holder.source + way];
  });
  return [...new Set(ways)];
}

/** The option that makes a mount. @throws Error for a path that it cannot say */
export function optionOf(mount: Bind | Memory): string[] {
  if ('mode' in mount) {
    const {at, mode, sizeBytes, readOnly} = mount;
    const options = [readOnly ? 'ro' : 'rw', 'exec', `mode=${mode}`, ...(sizeBytes === null ? [] : [`size=${String(sizeBytes)}`])];
    return ['--tmpfs', `${withoutColon(at)}:${options.join(',')}`];
  }
  const {at, source, readOnly, follows} = mount;
  const access = readOnly ? {readonly: true as const} : {};
  return ['--mount', mountOption({type: 'bind', source, target: at, ...access, ...(follows ? {'bind-propagation': 'rslave'} : {})})];
}
