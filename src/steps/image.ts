/** What a view lies over, when it is an image. */

import {cachedTree, MOUNTED, SQUASHFUSE} from '../plan/image.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import {SHIFTED} from '../plan/view.js';
import {allowsImage, allowsPath} from '../policy/images.js';
import {imagesPlace} from '../policy/places.js';
import {mapText} from '../plan/machine-ids.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Here, Misfit, SomeSteps} from './def.js';

/** The file of an image that is mounted. */
const squashfsOf = ({path, tree}: StepOf<'image.take'>): string => (tree === null ? path : `${tree}/image.squashfs`);

/** What a view may lie over because of the image: the tree itself, one in the cache, or a file system that is mounted for the box. */
export function layersOf(plan: Pick<Plan, 'steps'>): string[] {
  const taken = stepOf(plan, 'image.take');
  if (taken === undefined) return [];
  const {kind, path, tree} = taken;
  if (kind === 'directory') return [path];
  if (kind === 'squashfs') return [MOUNTED];
  return tree === null ? [] : [`${tree}/root`];
}

function checkImage(taken: StepOf<'image.take'>, {plan, facts, policy}: Here): Misfit | null {
  const {path, digest, tree, kind} = taken;
  const rule = policy.rules.find(({name}) => name === plan.rule);
  const images = (rule?.set.images ?? policy.images).value;
  // what is used where it lies is allowed by that alone: its digest is only what the plan says
  if (!(tree === null && kind !== 'reference' ? allowsPath(images, path) : allowsImage(images, taken)))
    return {message: 'its image is not allowed', found: path, allowed: images.join(', ') || 'none'};
  const cached = digest === null ? null : cachedTree(imagesPlace(policy, facts.caller.uid), digest);
  if (tree !== null && tree !== cached) return {message: 'its image is unpacked elsewhere', found: tree, allowed: cached ?? 'nowhere'};
  return null;
}

function checkMount({source, at, program, options}: StepOf<'mount.squashfs'>, {plan}: Here): Misfit | null {
  const odd = options.find((option) => !/^(?:[ug]id=\d+|allow_other)$/.test(option));
  if (odd !== undefined) return {message: 'it mounts its image in an unknown way', found: odd, allowed: 'uid=, gid=, allow_other'};
  const taken = stepOf(plan, 'image.take');
  const own = taken?.kind === 'squashfs' ? squashfsOf(taken) : null;
  if (source !== own || at !== MOUNTED)
    return {message: 'it mounts another file than its image', found: source, allowed: own ?? 'no image that is mounted'};
  if (program === null || SQUASHFUSE.includes(program)) return null;
  return {message: 'the program that mounts its image is unknown', found: program, allowed: SQUASHFUSE.join(', ')};
}

/** Rows of the steps for an image. */
export const IMAGE_STEPS = {
  'image.take': {
    by: ['node'],
    section: 'Mounts',
    rows: ({path, kind, digest}) => [['the image', path, [kind, ...(digest === null ? [] : [digest])].join(' ')]],
    check: checkImage,
  },
  'image.root': {
    by: ['engine'],
    section: 'Mounts',
    rows: ({image, digest}) => [['/', image, digest === null ? 'ro' : `ro ${digest}`]],
    check: ({image, digest}, {plan}) => {
      const taken = stepOf(plan, 'image.take');
      if (taken?.kind === 'reference' && taken.path === image && taken.digest === digest && digest !== null) return null;
      return {message: 'its engine shows another image', found: `${image} ${digest ?? ''}`, allowed: taken?.path ?? 'no image'};
    },
  },
  'mount.squashfs': {
    by: ['shim'],
    section: 'Mounts',
    rows: ({at, source, by, options}) => [[at, source, [by, 'ro', ...options].join(',')]],
    check: checkMount,
    enter: ({source, at, program, options}, {place}) => ['squashfs', source, place(at), program ?? '', options.join(',')],
  },
  'mount.shift': {
    by: ['shim'],
    section: 'Mounts',
    rows: ({at, source}) => [[at, source, 'owners of the box']],
    check: ({source, at}, {plan}) => {
      const layers = layersOf(plan);
      if (at === SHIFTED && layers.includes(source)) return null;
      return {message: 'it changes owners of a directory that is not an image', found: source, allowed: layers.join(', ') || 'no image'};
    },
    enter: ({source, at}, {place, maps}) =>
      maps === undefined ? [] : ['shift', place(source), place(at), mapText(maps.uids), mapText(maps.gids)],
  },
} satisfies SomeSteps;

/** A small machine's layers: a file system that is mounted is its file, too. */
export const filesOfLayers = (plan: Pick<Plan, 'steps'>): string[] => [
  ...layersOf(plan),
  ...stepsOf(plan, 'mount.squashfs').map(({source}) => source),
];
