/** bubblewrap (bwrap(1)): builds boxes for accounts without privileges. */

import type {Plugin} from '@tare/contract';
import {engine} from './engine.js';

/** The engine `bubblewrap`. */
export const bubblewrap: Plugin = {name: 'bubblewrap', api: 1, engines: [engine]};
