/** The plugins that come with Tare: the one place where the core names them. */

import type {Engine, Plugin} from '@tare/contract';
import {apel} from '../plugins/apel/index.js';
import {arc} from '../plugins/arc/index.js';
import {auditor} from '../plugins/auditor/index.js';
import {bubblewrap} from '../plugins/bubblewrap/index.js';
import {docker} from '../plugins/docker/index.js';
import {htcondor} from '../plugins/htcondor/index.js';
import {libvirt} from '../plugins/libvirt/index.js';
import {lxc} from '../plugins/lxc/index.js';
import {oci} from '../plugins/oci/index.js';
import {prmon} from '../plugins/prmon/index.js';
import {prometheus} from '../plugins/prometheus/index.js';
import {qemu} from '../plugins/qemu/index.js';
import {slurm} from '../plugins/slurm/index.js';

/** All plugins; batch systems are asked in this order, and engines are tried in it where the policy names none. */
export const PLUGINS: readonly Plugin[] = [
  ...[arc, htcondor, slurm],
  ...[bubblewrap, oci, lxc, docker, libvirt, qemu],
  ...[apel, auditor, prmon, prometheus],
];

/** All engines, in that order. */
export const ENGINES: readonly Engine[] = PLUGINS.flatMap(({engines = []}) => engines);
