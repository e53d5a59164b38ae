/** Runtimes of the OCI runtime specification: crun(1) and runc(8), and Podman (podman(1)), which starts crun. */

import type {Plugin} from '@tare/contract';
import {crun, runc} from './engines.js';
import {podman} from './podman.js';

/** The engines `crun`, `runc` and `podman`; crun is preferred, since it can leave control groups alone. */
export const oci: Plugin = {name: 'oci', api: 1, engines: [crun, runc, podman]};
