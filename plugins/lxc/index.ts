/** LXC (lxc-start(1)): builds boxes from a configuration of a container. */

import type {Plugin} from '@tare/contract';
import {engine} from './engine.js';

/** The engine `lxc`. */
export const lxc: Plugin = {name: 'lxc', api: 1, engines: [engine]};
