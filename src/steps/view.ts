/** What the box's processes see: namespaces and mounts. */

import {accountText} from '../plan/account.js';
import {rootOf, type IdMaps} from '../plan/machine-ids.js';
import {isNeverWritable} from '../plan/covered.js';
import {SHIFTED} from '../plan/view.js';
import {stepsOf, type StepOf} from '../plan/step.js';
import {isOwn, mountsOutside, type Ground, type Here, type Misfit, type Row, type SomeSteps, type Undo} from './def.js';
import {layersOf} from './image.js';

/** Root looks up what the job names as the job's user: nothing is mounted that the user could not reach. */
const lookedUpAs = ({owner}: Ground): string => (owner === undefined ? '' : accountText(owner));

function rootRow({root}: StepOf<'view.unshare'>): Row[] {
  if (root === null) return [];
  if (root.uids.count === 0 && root.gids.count === 0 && root.engine === true)
    return [['root of enter’s namespace', `uid ${String(root.uid)}`, 'the engine mounts as its root; in the box there is none']];
  const {uids, gids} = root;
  const others =
    uids.count === 0
      ? 'no other ids: services of other accounts cannot run'
      : `${String(uids.count)} uids from ${String(uids.start)}, ${String(gids.count)} gids from ${String(gids.start)}`;
  return [['root of the box', `uid ${String(root.uid)}; behind it ${others}`, 'root in the box has no rights on the node']];
}

function checkOverlay({lower, upper, work, at, by}: StepOf<'mount.overlay'>, {plan, facts}: Here): Misfit | null {
  if (![upper, work, at].every(isOwn)) return mountsOutside(at);
  const {views} = facts;
  const layers = ['/', ...(views?.mounts ?? []).map(({point}) => point), ...(views?.writable ?? []), ...layersOf(plan)];
  if (!layers.includes(lower) && lower !== SHIFTED)
    return {message: 'a view lies over a directory that is not a layer here', found: lower, allowed: layers.join(', ')};
  const ability = by === 'overlayfs' ? views?.overlay : views?.fuse;
  if (ability?.available === true) return null;
  return {message: 'its views cannot be made', found: ability?.how ?? 'not tried', allowed: 'a node as it was planned for'};
}

/** Checks a mount that lies in another one of the box. */
function checkInside(inside: StepOf<'mount.bind'>['inside']): Misfit | null {
  if (inside === undefined || (isOwn(inside.at) && !inside.path.split('/').includes('..'))) return null;
  return mountsOutside(`${inside.at}/${inside.path}`);
}

/** What services of root's small machine made where the job may write belongs to ids that no account of the node has: it is given to the job's account. */
function returnTrees({maps}: StepOf<'namespace.unshare'>, {plan, owner}: Ground): Undo[] {
  if (maps === undefined || rootOf(maps) === undefined || owner === undefined) return [];
  const paths = stepsOf(plan, 'mount.bind').flatMap(({source, options}) =>
    options.includes('rw') && !source.startsWith('{box}') ? [source] : [],
  );
  const range = (map: IdMaps['uids']): {start: number; count: number} => {
    const shifted = map.filter(({inside, outside}) => inside !== outside);
    const start = Math.min(...shifted.map(({outside}) => outside));
    return {start, count: Math.max(...shifted.map(({outside, count}) => outside + count)) - start};
  };
  const as = {uid: owner.uid, gid: owner.gid};
  return paths.length === 0 ? [] : [{op: 'tree.return', paths, uids: range(maps.uids), gids: range(maps.gids), as}];
}

/** Rows of the steps that make namespaces and what is seen in them. */
export const VIEW_STEPS = {
  'namespace.unshare': {
    by: ['engine'],
    section: 'Box',
    rows: ({namespaces}) => [['namespaces', namespaces.join(' ')]],
    undo: returnTrees,
  },
  'view.unshare': {
    by: ['shim'],
    section: 'Box',
    rows: (step) => [['namespaces of enter', step.user ? 'user mount' : 'mount'], ...rootRow(step)],
    enter: ({root, user}) =>
      root === null
        ? ['namespace', user ? 'user' : 'mount']
        : ['root', ...[root.uids.start, root.uids.count, root.gids.start, root.gids.count].map(String)],
  },
  'view.enter': {
    by: ['init'],
    section: 'Box',
    rows: ({application, swaps}) => [[`view of ${application}`, swaps.map(({destination}) => destination).join(' ')]],
  },
  'paths.protect': {
    by: ['engine', 'init'],
    section: 'Box',
    rows: ({masked, readOnly}) => [
      ['hidden', masked.join(' ')],
      ['read-only', readOnly.join(' ')],
    ],
  },
  'mount.overlay': {
    by: ['shim'],
    section: 'Mounts',
    rows: ({destination, lower, by, options}) => [[destination, lower, [by, ...options].join(',')]],
    check: checkOverlay,
    enter: ({lower, upper, work, at, by, options}, {place}) => {
      const layers = [lower, upper, work, at].map(place);
      return by === 'overlayfs' ? ['overlay', ...layers, options.join(',')] : ['fuse', ...layers];
    },
  },
  'mount.closed': {
    // enter binds what the job's user alone could not list the way to; the engine puts it into its place
    by: ['shim', 'engine'],
    section: 'Mounts',
    rows: ({destination, source, readOnly}) => [[destination, source, `${readOnly ? 'ro' : 'rw'},recursive`]],
    check: ({at, source, readOnly}) => {
      if (!isOwn(at)) return mountsOutside(at);
      if (readOnly || !isNeverWritable(source)) return null;
      return {message: 'it makes the node writable', found: source, allowed: 'a work directory'};
    },
    enter: ({source, at, readOnly}, ground) => [
      'closed',
      ground.place(source),
      ground.place(at),
      readOnly ? 'ro' : 'rw',
      lookedUpAs(ground),
    ],
  },
  'mount.bind': {
    // enter makes those that lie in another mount of the box
    by: ['engine', 'shim'],
    section: 'Mounts',
    rows: ({destination, source, options, optional}) => [[destination, source, [...options, ...(optional ? ['optional'] : [])].join(',')]],
    check: ({source, options, inside}) =>
      options.includes('rw') && isNeverWritable(source)
        ? {message: 'it makes the node writable', found: source, allowed: 'a work directory'}
        : checkInside(inside),
    enter: ({source, options, inside}, ground) => {
      if (inside === undefined) return [];
      const kind = options.includes('rw') ? 'rw' : 'ro';
      return ['inside', kind, ground.place(source), ground.place(inside.at), inside.path, lookedUpAs(ground)];
    },
  },
  'mount.tmpfs': {
    by: ['engine', 'shim'],
    section: 'Mounts',
    rows: ({destination, mode}) => [[destination, 'tmpfs', `mode=${mode}`]],
    check: ({inside}) => checkInside(inside),
    enter: ({mode, inside}, ground) =>
      inside === undefined ? [] : ['inside', 'tmpfs', mode, ground.place(inside.at), inside.path, lookedUpAs(ground)],
  },
  'mount.proc': {by: ['engine'], section: 'Mounts', rows: ({destination}) => [[destination, 'proc', 'new']]},
  'mount.dev': {
    by: ['engine'],
    section: 'Mounts',
    rows: ({destination, queues}) => [[destination, 'dev', queues === undefined ? 'new' : 'new, message queues']],
  },
  'mount.sys': {by: ['engine'], section: 'Mounts', rows: ({destination}) => [[destination, 'sysfs', 'new']]},
  'mount.readonly': {by: ['engine'], section: 'Mounts', rows: ({destination}) => [[destination, '-', 'ro']]},
} satisfies SomeSteps;
