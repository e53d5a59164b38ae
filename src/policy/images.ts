/** Which images a policy allows: by path or whole name (`*` for any characters but `/`, and `/**` at the end for all below), or by digest. */

import {matchesPathGlob} from './glob.js';

const DIGEST = 'sha256:';
const BELOW = '/**';

/** Whether the place of an image is enough to know that it is allowed. */
export function allowsPath(images: readonly string[], path: string): boolean {
  return images.some((one) => {
    if (one.startsWith(DIGEST)) return false;
    if (!one.endsWith(BELOW)) return matchesPathGlob(one, path);
    const outer = one.slice(0, -BELOW.length).split('/');
    const steps = path.split('/');
    return steps.length > outer.length && matchesPathGlob(outer.join('/'), steps.slice(0, outer.length).join('/'));
  });
}

/** Whether some are allowed by what they are, wherever they lie. */
export const namesDigests = (images: readonly string[]): boolean => images.some((one) => one.startsWith(DIGEST));

/** Whether a policy allows an image by its path or its digest. */
export const allowsImage = (images: readonly string[], {path, digest}: {path: string; digest: string | null}): boolean =>
  allowsPath(images, path) || (digest !== null && images.includes(digest));
