/** Tries out an overlay, by the static program (native/README.md, Tools). */

import type {Trial} from '../host/index.js';
import {runTool} from '../process/tool.js';

export const tryView: Trial = (kind, directory, options) => {
  const {status, stdout} = runTool('tare-trial', [kind, directory, options]);
  return status === 0 && stdout !== '' ? stdout.trim() : null;
};
