/** The file system of a plan, in the terms that container tools share: a root, and what lies over it. */

import {stepOf, stepsOf, type Step} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** What is at `/`. */
export type Root =
  /** `writable`: there is no box, and the files are as they are on the node. */
  | {kind: 'node'; writable: boolean}
  | {
      kind: 'image';
      path: string;
      format: 'directory' | 'oci-layout' | 'oci-archive' | 'docker-archive' | 'squashfs' | 'reference';
      /** The directory with its files; null: it has none, because it is a file system in a file, or because it was not looked at. */
      tree: string | null;
      /** What is written goes to a layer over the image. */
      writable: boolean;
    };

/** A path of the node at a place of the box. `closed`: the job's account cannot list the directory. */
export interface Bind {
  kind: 'bind';
  source: string;
  destination: string;
  writable: boolean;
  device: boolean;
  closed: boolean;
  isFile: boolean;
}

/** Something that is mounted over the root, or over what was mounted before it. */
export type Mount =
  | Bind
  /** `holds`: something else is mounted in it. */
  | {kind: 'tmpfs'; destination: string; mode: string; bytes: number | null; readOnly: boolean; holds: boolean}
  /** A directory of the box's own, as /tmp. */
  | {kind: 'private'; destination: string};

/** What is mounted over the root, in the order of the plan. */
export interface Mounts {
  list: readonly Mount[];
  /** Overlays of a user's view, which lie over directories without mounts below them: each directory, and where it is seen. */
  layers: readonly {lower: string; destination: string}[];
  /** What Tare makes in a view of an image to mount upon, where the image lacks it. */
  points: readonly string[];
  /** Files that Tare makes for the box, by their place in it. */
  ofTare: readonly string[];
  /** Sources that are not on the node now, and are bound where they are. */
  absent: readonly string[];
  /** Places of the wrapper that are not on the node now, and are covered where they are. */
  uncovered: readonly string[];
  /** Where POSIX message queues are mounted. */
  queues: string | null;
  /** Whether /dev is read-only. */
  devIsReadOnly: boolean;
}

/** Of a view, and of a box without one; without a box the root is the node's as it is. */
export function outlineRoot(plan: Plan): Root {
  const taken = stepOf(plan, 'image.take');
  const base = stepsOf(plan, 'mount.bind').find(({destination}) => destination === '/');
  if (taken === undefined) return {kind: 'node', writable: base === undefined};
  const {path, kind: format, tree} = taken;
  const place = format === 'directory' ? path : format === 'squashfs' || tree === null ? null : `${tree}/root`;
  return {kind: 'image', path, format, tree: place, writable: base?.options.includes('rw') ?? false};
}

/** What is at a path of the node; null: nothing. */
export type Looks = (path: string) => 'file' | 'directory' | null;

/** What a step adds to the list; null: nothing. */
function mountOf(step: Step, looks: Looks): Mount | null {
  const isFile = 'source' in step && looks(step.source) === 'file';
  const bind = {kind: 'bind', writable: false, device: false, closed: false, isFile} as const;
  switch (step.op) {
    case 'mount.bind': {
      const {source, destination, options} = step;
      return {...bind, source, destination, writable: options.includes('rw'), device: options.includes('dev')};
    }
    case 'mount.closed':
      return {...bind, source: step.source, destination: step.destination, writable: !step.readOnly, closed: true};
    case 'mount.move':
      // /sys is the kernel's, and each tool shows it in its own way
      return step.source === '/sys' ? null : {...bind, source: step.source, destination: step.source};
    case 'cvmfs.bind':
      return {...bind, source: step.source, destination: step.destination};
    case 'mount.tmpfs':
      return {kind: 'tmpfs', destination: step.destination, mode: step.mode, bytes: step.sizeBytes, readOnly: false, holds: false};
    default:
      return null;
  }
}

/** Whether a step's source may be missing without a failure. */
const isOptional = (step: Step): boolean =>
  step.op === 'mount.move' || step.op === 'cvmfs.bind' || (step.op === 'mount.bind' && step.optional);

/** @param looks what is at a path of the node */
export function outlineMounts(plan: Plan, looks: Looks): Mounts {
  const list: Mount[] = [];
  const ofTare: string[] = [];
  const absent: string[] = [];
  const uncovered: string[] = [];
  const isNode = outlineRoot(plan).kind === 'node';
  const isUsers = stepOf(plan, 'view.unshare')?.user === true && stepOf(plan, 'image.take') === undefined;
  const readOnly = stepsOf(plan, 'mount.readonly').map(({destination}) => destination);
  for (const step of plan.steps) {
    const mount = mountOf(step, looks);
    if (mount === null || mount.destination === '/') continue;
    // of the node's root, which is read-only, no tool makes a place to mount upon
    if (mount.kind === 'tmpfs' && isNode && mount.destination !== '/dev/shm' && looks(mount.destination) === null)
      uncovered.push(mount.destination);
    else if (mount.kind === 'tmpfs') list.push({...mount, readOnly: readOnly.includes(mount.destination)});
    else if (mount.kind !== 'bind') continue;
    else if (['/tmp', '/var/tmp'].includes(mount.destination) && mount.source.startsWith('{box}/'))
      list.push({kind: 'private', destination: mount.destination});
    else if (mount.source.startsWith('{box}/')) ofTare.push(mount.destination);
    else if (isOptional(step) && looks(mount.source) === null) absent.push(mount.source);
    else list.push(mount);
  }
  const holds = (outer: string): boolean => list.some(({destination}) => destination.startsWith(`${outer}/`));
  return {
    list: list.map((mount) => (mount.kind === 'tmpfs' ? {...mount, holds: holds(mount.destination)} : mount)),
    layers: stepsOf(plan, 'mount.overlay')
      .filter(({application, lower}) => application === null && isUsers && lower !== '/' && !lower.startsWith('{box}/'))
      .map(({lower, destination}) => ({lower, destination})),
    points: [...new Set(stepsOf(plan, 'mount.point').map(({path}) => path))],
    ofTare,
    absent,
    uncovered,
    queues: stepOf(plan, 'mount.dev')?.queues ?? null,
    devIsReadOnly: readOnly.includes('/dev'),
  };
}

/**
 * Directories of a node as the Filesystem Hierarchy Standard 3.0 has them, and that of CVMFS: what tools show of the node that cannot have the
 * node's root for their own. /dev, /proc, /run and /tmp are private in every box.
 */
const NODE_DIRECTORIES = [
  ...['/bin', '/cvmfs', '/etc', '/home', '/lib', '/lib32', '/lib64', '/libx32', '/mnt', '/opt', '/root', '/sbin', '/srv', '/usr', '/var'],
] as const;

/** Binds of the node's own directories, which stand for its root. */
export const nodeDirectories = (root: Root, looks: Looks): Bind[] =>
  root.kind === 'image'
    ? []
    : NODE_DIRECTORIES.filter((path) => looks(path) === 'directory').map((path) => ({
        kind: 'bind',
        source: path,
        destination: path,
        writable: root.writable,
        device: false,
        closed: false,
        isFile: false,
      }));
