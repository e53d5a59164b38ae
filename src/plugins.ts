/** The plugins that come with Tare: the one place where the core names them. */

import type {Plugin} from '@tare/contract';
import {apel} from '../plugins/apel/index.js';
import {arc} from '../plugins/arc/index.js';
import {auditor} from '../plugins/auditor/index.js';
import {htcondor} from '../plugins/htcondor/index.js';
import {prmon} from '../plugins/prmon/index.js';
import {prometheus} from '../plugins/prometheus/index.js';
import {slurm} from '../plugins/slurm/index.js';

/** All plugins; batch systems are asked in this order. */
export const PLUGINS: readonly Plugin[] = [arc, htcondor, slurm, apel, auditor, prmon, prometheus];
