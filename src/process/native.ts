/** Where the static C programs are: every job's shim, and what `tare doctor --attacks` runs. */

import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

/** In the folder for worker nodes this program is `libexec/tare` itself; in a checkout it runs under an interpreter. */
const isCompiled = basename(process.execPath) === 'tare';

/** Path of the static program. */
export const NATIVE = isCompiled
  ? join(dirname(process.execPath), '../bin/tare')
  : fileURLToPath(new URL('../../../native/build/tare', import.meta.url));

/** Path of the program that `tare doctor --attacks` runs in boxes. */
export const ATTACKS = isCompiled ? join(dirname(process.execPath), 'tare-attacks') : join(dirname(NATIVE), 'tare-attacks');
