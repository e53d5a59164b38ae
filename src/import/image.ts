/** Paths of the node in a description: the image of a container, and what is relative to the description. */

import {posix} from 'node:path';
import type {Draft, Origin} from './draft.js';
import type {Foreign} from './format.js';

/** `directory` of src/schema/job-1.json, without what a policy reads as a pattern; a line break is in neither. */
const PATH = /^\/(?!(.*\/)?\.\.?(\/|$))(?!.*\*).+$/;

/** Whether a job and a policy can name this path: absolute, without `.`, `..` and `*`, and not `/` itself. */
const isPath = (path: string): boolean => PATH.test(path);

/** Puts an image into a draft; the policy must allow it. What a job cannot name is left. */
export function placeImage(path: string, origin: Origin, draft: Draft): void {
  const image = path.replace(/(?<=[^/])\/+$/, '');
  if (!isPath(image)) {
    draft.leave(
      origin,
      path === '/'
        ? 'a job has the node’s files without naming an image'
        : 'an image has an absolute path without `.`, `..` and `*`: name it so as `image`, or the job has the node’s files',
    );
    return;
  }
  draft.field('image', image, origin);
  draft.propose(['images'], [image], origin, 'it has its files from there');
}

/** A path of a description: a relative one is below the description's directory, and stays as it is where that is not known. */
export const pathIn = ({directory = null}: Pick<Foreign, 'directory'>, path: string): string =>
  directory === null || path === '' || path.startsWith('/') ? path : posix.join(directory, path);
