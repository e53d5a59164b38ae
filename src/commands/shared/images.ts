/** What the commands of `tare images` have in common. */

import {Flags} from '@oclif/core';
import {readPolicy} from '../../files/documents.js';
import {listCache} from '../../image/cache-prune.js';
import {findImages, type Listed} from '../../image/catalogue.js';
import {TareError} from '../../errors.js';
import {firstProgram} from '../../image/look.js';
import {lookInStore, type Storing} from '../../image/store.js';
import {formatBytes} from '../../job/quantity.js';
import {namesOf} from '../../plan/engine.js';
import type {ImageFound} from '../../plan/image.js';
import {ENGINES} from '../../plugins.js';
import {requireRoot} from '../../prepare/image.js';
import {allowsImage} from '../../policy/images.js';
import {imagesPlace} from '../../policy/places.js';
import type {Policy} from '../../policy/policy.js';
import {renderTable} from '../../report/table.js';
import {complain} from './output.js';

/** Flags of every `tare images` command. */
export const imageFlags = {
  policy: Flags.string({description: 'policy file instead of /etc/tare/policy.yaml and /etc/tare/policy.d/', helpValue: 'FILE'}),
  json: Flags.boolean({description: 'print JSON'}),
};

/** An image of the node with what the policy and the cache say of it; times in µs since 1970. */
export interface ImageRow extends Listed {
  /** By the policy as it is for jobs that no rule is for. */
  allowed: boolean;
  /** Whether it is unpacked in the cache. */
  cached: boolean;
  /** Live boxes that use that; null: none is unpacked. */
  uses: number | null;
  lastUsedEpochUs: number | null;
  unpackedBytes: number | null;
}

/** The policy and cache of images for the calling account. */
export interface Images {
  policy: Policy;
  uid: number;
  cache: string;
}

/** @throws TareError */
export async function openImages(file: string | undefined): Promise<Images> {
  const uid = process.getuid?.() ?? -1;
  const policy = await readPolicy(file ?? null, uid);
  return {policy, uid, cache: imagesPlace(policy, uid)};
}

/** All images in the policy's places, then those of the cache that come from elsewhere. */
export function allImages({policy, cache}: Images): ImageRow[] {
  const unpacked = listCache({directory: cache});
  const about = (digest: string | null): Pick<ImageRow, 'cached' | 'uses' | 'lastUsedEpochUs' | 'unpackedBytes'> => {
    const found = unpacked.find((image) => image.digest === digest);
    return {
      cached: found !== undefined,
      uses: found?.uses ?? null,
      lastUsedEpochUs: found?.lastUsedEpochUs ?? null,
      unpackedBytes: found?.bytes ?? null,
    };
  };
  const allowed = (image: {path: string; digest: string | null}): boolean => allowsImage(policy.images.value, image);
  const listed = [...findImages(policy.imageStore.places, complain)];
  const elsewhere = unpacked
    .filter(({digest}) => !listed.some((image) => image.digest === digest))
    .map(({source, kind, digest, name, architecture}): Listed => ({
      path: source,
      kind,
      digest,
      name,
      architecture,
      bytes: null,
      problem: null,
    }));
  return [...listed, ...elsewhere].map((image) => ({...image, allowed: allowed(image), ...about(image.digest)}));
}

/**
 * Looks for an image by its whole name in the stores of the policy's engines, in their order.
 * @throws TareError IMAGE_UNUSABLE, IMAGE_ARCHITECTURE of the first store that was asked
 */
export async function lookInStores(image: string, where: string, {policy, uid}: Images): Promise<ImageFound> {
  const sought = namesOf(policy, ENGINES).flatMap((name) => ENGINES.find((engine) => engine.name === name && engine.images) ?? []);
  const stores = sought.flatMap(({name, program, images}): Storing[] => {
    const path = firstProgram(program.places);
    return path === null || images === undefined ? [] : [{name, path, images}];
  });
  const failures: unknown[] = [];
  for (const store of stores) {
    try {
      requireRoot(uid, image, store, where);
      return await lookInStore(image, store, where);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  throw new TareError('IMAGE_UNUSABLE', {
    message: 'no engine with a store of images is on this node, of those that the policy lists',
    where: policy.engines.provenance.at,
    found: namesOf(policy, ENGINES).join(', '),
    allowed: ENGINES.flatMap(({name, images}) => (images === undefined ? [] : [name])).join(', '),
  });
}

/** Whether an image is called so, or a part of its name is. */
export const isCalled = ({path, name, digest}: ImageRow, text: string): boolean =>
  [path, name ?? '', digest ?? ''].some((one) => one.toLowerCase().includes(text.toLowerCase()));

const SHORT = 'sha256:'.length + 12;
const UNKNOWN = '-';

/** Images as a table for people, one row for each. */
export function imageTable(rows: readonly ImageRow[]): string {
  return renderTable(
    [
      {header: 'IMAGE'},
      {header: 'KIND'},
      {header: 'SIZE', align: 'right'},
      {header: 'DIGEST'},
      {header: 'NAME'},
      {header: 'ALLOWED'},
      {header: 'UNPACKED'},
      {header: 'REMARK'},
    ],
    rows.map(({path, kind, bytes, digest, name, allowed, cached, uses, problem}) => [
      path,
      kind,
      bytes === null ? UNKNOWN : formatBytes(bytes),
      digest === null ? UNKNOWN : digest.slice(0, SHORT),
      name ?? UNKNOWN,
      allowed ? 'yes' : 'no',
      cached ? ((uses ?? 0) > 0 ? `in use by ${String(uses)}` : 'yes') : UNKNOWN,
      problem ?? '',
    ]),
  );
}
