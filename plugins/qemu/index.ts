/** QEMU (qemu-system-x86_64(1)): a small machine with a kernel of its own. */

import type {Plugin} from '@tare/contract';
import {engine} from './engine.js';

/** The engine `qemu`. */
export const qemu: Plugin = {name: 'qemu', api: 1, engines: [engine]};
