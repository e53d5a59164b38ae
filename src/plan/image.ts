/**
 * From an image to what a view lies over. One way for every engine that has a view: `lower` is read-only, and is there when `directories`
 * are made and `mounts` are done, in this order, by enter.
 */

import {isImageName} from '../job/image-name.js';
import type {Valued} from '../job/job.js';
import {allowsPath} from '../policy/images.js';
import {imagesPlace} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {Step} from './step.js';

/**
 * `directory`: an unpacked tree, used where it lies; layouts and archives are unpacked into the cache; squashfs is mounted; `reference`: the engine
 * has it in its store, by its name, and shows it, or writes it to an archive that is unpacked into the cache.
 */
export type ImageKind = 'directory' | 'oci-layout' | 'oci-archive' | 'docker-archive' | 'squashfs' | 'reference';

/** What a look at the image of a job found. */
export interface ImageFound {
  path: string;
  kind: ImageKind;
  /** sha256:… of the manifest, or of a squashfs file; null: it has none, or it was not computed. */
  digest: string | null;
  /** As Go calls it; null: nothing tells. */
  architecture: string | null;
  /** Of a squashfs file: how it is mounted here; program and options of squashfuse. */
  mount: {by: 'loop' | 'squashfuse'; program: string | null; options: string[]} | null;
  /** The engine in whose store it was found; absent: in none. */
  store?: string;
}

/** Steps that make an image the lowest layer of a view. */
export interface ImagePlan {
  /** The read-only lower layer. Only the wrapper's account can enter the cache. */
  lower: string;
  directories: string[];
  mounts: Step[];
  /** Done by the supervisor before anything else: what is not there yet is unpacked. */
  take: Step;
}

/** Paths at which squashfuse is looked for, in this order. */
export const SQUASHFUSE = ['/usr/bin/squashfuse_ll', '/usr/bin/squashfuse', '/usr/local/bin/squashfuse_ll', '/usr/local/bin/squashfuse'];

/** The mount point of a file system in a file. */
export const MOUNTED = '{box}/view/image';

/**
 * @param found absent: not looked at yet; it is then taken for a directory, since the policy's refusals do not depend on that
 * @param isShown the engine shows it, without a view
 */
export function planImage(image: Valued<string>, found: ImageFound | undefined, policy: Policy, uid: number, isShown = false): ImagePlan {
  const {value: path, provenance} = image;
  const {kind, digest, mount} = found ?? {kind: isImageName(path) ? 'reference' : 'directory', digest: null, mount: null};
  const take = (tree: string | null): Step => ({op: 'image.take', path, kind, digest, tree, because: provenance.at});
  if (kind === 'directory' || isShown) return {lower: path, directories: [], mounts: [], take: take(null)};
  const cached = digest === null ? null : cachedTree(imagesPlace(policy, uid), digest);
  if (kind === 'squashfs') {
    // a file that others can change is copied before it is mounted: only its digest is known
    const tree = cached === null || allowsPath(policy.images.value, path) ? null : cached;
    const source = tree === null ? path : `${tree}/image.squashfs`;
    const {by, program, options} = mount ?? {by: 'loop' as const, program: null, options: []};
    const because = by === 'loop' ? 'mounted by the kernel' : 'the kernel mounts no disk for a user';
    return {
      lower: MOUNTED,
      directories: [MOUNTED],
      mounts: [{op: 'mount.squashfs', source, at: MOUNTED, by, program, options, because}],
      take: take(tree),
    };
  }
  return {lower: `${cached ?? path}/root`, directories: [], mounts: [], take: take(cached)};
}

/** The folder of an unpacked image. */
export const cachedTree = (cache: string, digest: string): string => `${cache}/trees/${digest.replace(/^sha256:/, '')}`;
