/** Prometheus, by way of node_exporter's textfile collector. */

import type {Plugin} from '@tare/contract';

/** The exporter `prometheus`. */
export const prometheus: Plugin = {
  name: 'prometheus',
  api: 1,
  exporters: [{name: 'prometheus', load: async () => ({open: (await import('./exporter.js')).openPrometheus})}],
};
