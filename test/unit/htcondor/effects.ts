/** What an adapter may do: the real network, and files that are given. */

import type {Effects} from '@tare/contract';
import {jobFiles} from '../../../src/files/job-files.js';
import {effects as real} from '../../../src/batch/effects.js';

export const effects = (files: Record<string, string> = {}): Effects => ({
  ...real(jobFiles(null, '/'), () => undefined),
  readText: (path) => files[path] ?? null,
});
