/** All harnesses of TypeScript; those of C are in native/fuzz. */
import {BATCH} from './batch.js';
import {DOCUMENTS} from './documents.js';
import {EXPORT} from './export.js';
import {IMAGES} from './images.js';
import {NODE} from './node.js';
import type {Target} from './target.js';

export const TARGETS: readonly Target[] = [...BATCH, ...DOCUMENTS, ...EXPORT, ...IMAGES, ...NODE];
