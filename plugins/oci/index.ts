/** Runtimes of the OCI runtime specification: crun(1) and runc(8). */

import type {Plugin} from '@tare/contract';
import {crun, runc} from './engines.js';

/** The engines `crun` and `runc`; crun is preferred, since it can leave control groups alone. */
export const oci: Plugin = {name: 'oci', api: 1, engines: [crun, runc]};
