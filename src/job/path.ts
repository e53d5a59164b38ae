/** Paths of a job. */

import {posix} from 'node:path';

/** Not path.resolve: with nothing absolute to start from, that asks the process for its directory. */
export function absolute(directory: string, base: string): string {
  const path = posix.isAbsolute(directory) ? posix.normalize(directory) : posix.join('/', base, directory);
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
