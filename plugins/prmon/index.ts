/** prmon, HSF's process monitor: its summary, which pilots read. */

import type {Plugin} from '@tare/contract';

/** The exporter `prmon`. */
export const prmon: Plugin = {
  name: 'prmon',
  api: 1,
  exporters: [{name: 'prmon', load: async () => ({open: (await import('./exporter.js')).openPrmon})}],
};
