/** Paths of a job. */

import {posix} from 'node:path';

/** Makes a path absolute. path.resolve would ask for the directory of the process where the base is not absolute. */
export function absolute(directory: string, base: string): string {
  const path = posix.isAbsolute(directory) ? posix.normalize(directory) : posix.join('/', base, directory);
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
