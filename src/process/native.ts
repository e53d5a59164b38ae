/** Where the static C program is: every job's front. */

import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

/** In the folder for worker nodes this program is `libexec/tare` itself; in a checkout it runs under an interpreter. */
const isCompiled = basename(process.execPath) === 'tare';

export const NATIVE = isCompiled
  ? join(dirname(process.execPath), '../bin/tare')
  : fileURLToPath(new URL('../../../native/build/tare', import.meta.url));
