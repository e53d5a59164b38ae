/** Stores of images that engines have, and what keeps one from giving a job its image by name. */

import type {Engine, Reason} from '@tare/contract';
import {isImageName} from '../job/image-name.js';
import type {Inputs} from './inputs.js';
import {usable} from './view.js';

/** Engines with a store that cannot give the job its image as it is asked for, by their names. */
export function storeObstacles(inputs: Inputs): Map<string, Reason> {
  const {image} = inputs.job;
  if (image === null || !isImageName(image.value)) return new Map();
  return new Map(
    inputs.engines.flatMap((engine): [string, Reason][] => {
      const reason = obstacleTo(engine, inputs);
      return reason === null ? [] : [[engine.name, reason]];
    }),
  );
}

function obstacleTo({name, images}: Engine, {job: {filesystem}, policy, facts: {views}, call}: Inputs): Reason | null {
  const store = call.image?.store;
  if (images === undefined) return null;
  if (store !== undefined && store !== name) return `has another store than ${store}, in which the image was found`;
  if (images === 'shown')
    return filesystem === null
      ? null
      : `shows an image of its store read-only, without the file system ${filesystem.value} (${filesystem.provenance.at})`;
  const {value, provenance} = policy.filesystem;
  // of one that the job names the policy has a refusal
  if (filesystem === null && !value.includes('shared'))
    return `has views of its images, and the policy allows no file system shared (${provenance.at})`;
  if (views === null) return 'has views of its images, and whether one can be made was not tried out';
  return usable(views) === null
    ? `has views of its images, and none can be made: ${views.overlay.how}; fuse-overlayfs: ${views.fuse.how}`
    : null;
}
