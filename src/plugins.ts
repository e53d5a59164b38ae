/** The plugins that come with Tare: the one place where the core names them. */

import type {Plugin} from '@tare/contract';
import {htcondor} from '../plugins/htcondor/index.js';

export const PLUGINS: readonly Plugin[] = [htcondor];
