/** Whether the image that a job asks for is there, and has what the job wants of it. */

import {TareError} from '../errors.js';
import type {Init, Valued} from '../job/job.js';
import {INITS} from '../plan/inits.js';
import {runAbandonable} from './abandon.js';

const STAT = '/usr/bin/stat';

/**
 * @param identity who will use it: root sees more than the payload
 * @throws TareError IMAGE_UNUSABLE
 */
export async function checkImage({value, provenance}: Valued<string>, identity: {uid: number; gid: number} | null): Promise<void> {
  const {out, because} = await runAbandonable(STAT, ['-L', '-c', '%F', '--', value], {identity});
  const kind = out?.trim() ?? null;
  if (kind === 'directory') return;
  const single = kind?.includes('file') === true;
  throw new TareError('IMAGE_UNUSABLE', {
    message: single ? 'an image in a single file cannot be used in this version' : 'the image is no directory that can be read',
    where: provenance.at,
    found: `${value}: ${kind ?? because}`,
    allowed: 'an unpacked image: a directory tree, such as those below /cvmfs/unpacked.cern.ch',
  });
}

/**
 * Where the image has the init that the job names; null for the wrapper's own.
 * @throws TareError INIT_UNAVAILABLE
 */
export async function findInit(image: string, init: Valued<Init> | null): Promise<string | null> {
  if (init === null || init.value === 'tare') return null;
  const {paths} = INITS[init.value];
  for (const path of paths) {
    // links in an image lead to what it has there, not to the node's
    const {out} = await runAbandonable(STAT, ['-c', '%F', '--', image + path], {identity: null});
    if (out !== null && !out.startsWith('directory')) return path;
  }
  throw new TareError('INIT_UNAVAILABLE', {
    message: `the image has no ${init.value}`,
    where: init.provenance.at,
    found: `${image} without ${paths.join(' and ')}`,
    remedy: 'name the init that the image has, or leave init out: then the wrapper starts the services',
  });
}
