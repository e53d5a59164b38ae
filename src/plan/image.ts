/**
 * From an image to what a view lies over. One way for every engine that has a view: `lower` is read-only, and is there when `directories`
 * are made and `mounts` are done, in this order, by enter.
 */

import type {Valued} from '../job/job.js';
import {allowsPath} from '../policy/images.js';
import {imagesPlace} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {Step} from './step.js';

/** `directory`: an unpacked tree, used where it lies; layouts and archives are unpacked into the cache; squashfs is mounted. */
export type ImageKind = 'directory' | 'oci-layout' | 'oci-archive' | 'docker-archive' | 'squashfs';

/** What a look at the image of a job found. */
export interface ImageFound {
  path: string;
  kind: ImageKind;
  /** sha256:… of the manifest, or of a squashfs file; null: it has none, or nobody asked. */
  digest: string | null;
  /** As Go calls it; null: nothing tells. */
  architecture: string | null;
  /** Of a squashfs file: how it is mounted here; `program` of squashfuse. */
  mount: {by: 'loop' | 'squashfuse'; program: string | null} | null;
}

export interface ImagePlan {
  /** The read-only lower layer. */
  lower: string;
  /** What whoever has no rights of ours binds instead of it: the cache is nobody else's to enter. */
  seen: string;
  directories: string[];
  mounts: Step[];
  /** Done by the brain before anything else: what is not there yet is unpacked. */
  take: Step;
}

/** Where a file system in a file, or a tree of the cache, is shown. */
export const MOUNTED = '{box}/view/image';

/** @param found absent: nobody has looked yet; then it is taken for a directory, as the policy's refusals do not depend on it */
export function planImage(image: Valued<string>, found: ImageFound | undefined, policy: Policy, uid: number): ImagePlan {
  const {value: path, provenance} = image;
  const {kind, digest, mount} = found ?? {kind: 'directory', digest: null, mount: null};
  const take = (tree: string | null): Step => ({op: 'image.take', path, kind, digest, tree, because: provenance.at});
  if (kind === 'directory') return {lower: path, seen: path, directories: [], mounts: [], take: take(null)};
  const cached = digest === null ? null : cachedTree(imagesPlace(policy, uid), digest);
  if (kind === 'squashfs') {
    // a file that anybody can change is copied before it is mounted: what is known of it is its digest
    const tree = cached === null || allowsPath(policy.images.value, path) ? null : cached;
    const source = tree === null ? path : `${tree}/image.squashfs`;
    const {by, program} = mount ?? {by: 'loop', program: null};
    const because = by === 'loop' ? 'mounted by the kernel' : 'the kernel mounts no disk for a user';
    return {
      lower: MOUNTED,
      seen: MOUNTED,
      directories: [MOUNTED],
      mounts: [{op: 'mount.squashfs', source, at: MOUNTED, by, program, because}],
      take: take(tree),
    };
  }
  const root = `${cached ?? path}/root`;
  return {
    lower: root,
    seen: MOUNTED,
    directories: [MOUNTED],
    mounts: [{op: 'mount.graft', source: root, at: MOUNTED, because: 'unpacked, in the cache'}],
    take: take(cached),
  };
}

/** The folder of an unpacked image. */
export const cachedTree = (cache: string, digest: string): string => `${cache}/trees/${digest.replace(/^sha256:/, '')}`;
