/** libvirt's LXC driver (drvlxc): its daemon builds boxes for root's wrappers. */

import type {Plugin} from '@tare/contract';
import {engine} from './engine.js';

/** The engine `libvirt`. */
export const libvirt: Plugin = {name: 'libvirt', api: 1, engines: [engine]};
