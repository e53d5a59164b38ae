/** Where a path leads on this node. */

import {realpathSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {isRootSquashed, realRootSquashed} from './root-squash.js';

/** The path without links, as far as it exists. */
export function realPlace(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const real = isRootSquashed(error) ? realRootSquashed(path) : null;
    if (real !== null) return real;
    return path === '/' ? path : join(realPlace(dirname(path)), basename(path));
  }
}
