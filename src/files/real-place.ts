/** Where a path leads on this node. */

import {realpathSync, statSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {ifPossible} from '../errors.js';
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

/** Whether a directory is there, or a link that leads to one; false where that cannot be told. */
export const isDirectory = (path: string): boolean => ifPossible(() => statSync(path).isDirectory()) ?? false;
