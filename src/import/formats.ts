/** The formats that `tare import` reads. A new one is one row. */

import type {Format} from './format.js';

/** In the order in which a text is tried. */
export const FORMATS: readonly Format[] = [];
