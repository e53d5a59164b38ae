/** APEL, which counts the jobs of EGI: text messages and Compute Accounting Records, into what SSM sends from. */

import type {Plugin} from '@tare/contract';

/** The exporters `apel` and `car`. */
export const apel: Plugin = {
  name: 'apel',
  api: 1,
  exporters: [
    {name: 'apel', load: async () => ({open: (await import('./exporter.js')).openApel})},
    {name: 'car', load: async () => ({open: (await import('./exporter.js')).openCar})},
  ],
};
