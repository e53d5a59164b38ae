/** Docker (docker(1)): its daemon builds boxes. */

import type {Plugin} from '@tare/contract';
import {engine} from './engine.js';

/** The engine `docker`. */
export const docker: Plugin = {name: 'docker', api: 1, engines: [engine]};
