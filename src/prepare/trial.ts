/** What only the static program can try out (native/README.md, Tools). */

import type {Trial} from '../host/index.js';
import {runTool} from '../process/tool.js';

/** Tries a view by the static program, within 10 s. */
export const tryView: Trial = (kind, directory, options) => {
  const {status, stdout} = runTool('tare-trial', [kind, directory, options]);
  return status === 0 && stdout !== '' ? stdout.trim() : null;
};

/** The version of the kernel's Landlock; `0`: none. */
export const askLandlock = (): string | null => {
  const {status, stdout} = runTool('tare-landlock', ['version']);
  return status === 0 ? stdout : null;
};
