/** The box's own folder on disk, and what keeps its size. */

import {formatBytes} from '../job/quantity.js';
import {rootOf} from '../plan/machine-ids.js';
import {isContained} from '../plan/scratch.js';
import {stepOf, stepsOf} from '../plan/step.js';
import {isOwn, mountsOutside, type SomeSteps} from './def.js';

/** The box's own, its disk's, and below `layers`, `view` and `private`. */
const OWN_FOLDER = /^\{box\}\/(?:disk\/)?(?:(?:layers|view|private)\/)?[a-z0-9-]+$/;

const NO_ROOT = {uids: {start: 0, count: 0}, gids: {start: 0, count: 0}};

/** Rows of the steps for a box's own directories, their size, and mounts that lie on them. */
export const SCRATCH_STEPS = {
  'directory.create': {
    // what lies in the box's own file system is made where that is mounted
    by: ['node', 'shim'],
    section: 'Box',
    rows: ({path, mode}) => [['directory', `${path} (${mode})`]],
    check: ({path}) =>
      OWN_FOLDER.test(path) ? null : {message: 'it makes a directory outside the box’s own folder', found: path, allowed: '{box}/NAME'},
    enter: ({path, mode, owner}, {place, owner: account, maps}) => {
      if (!isContained(path)) return [];
      const whose = owner === 'root' ? rootOf(maps) : owner === 'job' ? account : undefined;
      return ['directory', place(path), mode, ...(whose === undefined ? ['', ''] : [String(whose.uid), String(whose.gid)])];
    },
    undo: ({path, owner: whose}, {plan, place, owner}) => {
      const isBelow = stepsOf(plan, 'directory.create').some((other) => path.startsWith(`${other.path}/`));
      if (isBelow || isContained(path)) return []; // it goes with the other, or with the disk
      const {uids, gids} = stepOf(plan, 'view.unshare')?.root ?? NO_ROOT;
      const as = whose === 'job' && owner !== undefined ? {uid: owner.uid, gid: owner.gid} : null;
      return [{op: 'tree.remove', path: place(path), as, ids: uids.count > 0 ? {uids, gids} : null}];
    },
  },
  'scratch.quota': {
    // the supervisor makes the file, enter mounts it
    by: ['node', 'shim'],
    section: 'Mounts',
    rows: ({destination, image, by, bytes}) => [[destination, image ?? 'tmpfs', `${by},${formatBytes(bytes)}`]],
    check: ({image, program, destination}, {facts}) => {
      if (!isOwn(image) || !isOwn(destination))
        return {message: 'its disk is outside the box’s own folder', found: destination, allowed: 'below {box}'};
      const known = facts.scratch.containers.program;
      if (program === null || program === known) return null;
      return {message: 'the program that makes its disk is elsewhere', found: program, allowed: known ?? 'none'};
    },
    enter: ({image, destination, bytes}, {place}) =>
      image === null ? ['tmpfs', place(destination), String(bytes)] : ['loop', place(image), place(destination)],
    undo: ({image}, {place}) => (image === null ? [] : [{op: 'own.remove', path: place(image)}]),
  },
  'mount.point': {
    by: ['shim'],
    section: 'Mounts',
    rows: ({path}) => [[path, '-', 'made if lacking']],
    check: ({upper}) =>
      isOwn(upper) ? null : {message: 'it makes files outside the box’s own folder', found: upper, allowed: 'below {box}'},
    enter: ({lower, upper, path}, {place}) => ['point', place(lower), place(upper), path],
  },
  'mount.cover': {
    by: ['shim'],
    section: 'Mounts',
    rows: ({at}) => [[at, 'tmpfs', 'empty']],
    enter: ({at}) => ['tmpfs', at, '4096'],
  },
  'mount.terminals': {
    by: ['shim'],
    section: 'Mounts',
    rows: ({at}) => [[at, 'devpts', 'new']],
    check: ({at}) => (isOwn(at) ? null : mountsOutside(at)),
    enter: ({at}, {place}) => ['devpts', place(at)],
  },
  'mount.move': {
    // an OCI runtime binds it once more: what is mounted later comes by propagation
    by: ['shim', 'engine'],
    section: 'Mounts',
    rows: ({at, source}) => [[at, source, 'ro,recursive']],
    check: ({at}) => (isOwn(at) ? null : mountsOutside(at)),
    enter: ({source, at}, {place}) => ['graft', source, place(at)],
  },
} satisfies SomeSteps;
