/** AUDITOR, which accounts for opportunistic resources and feeds APEL. */

import type {Plugin} from '@tare/contract';

/** The exporter `auditor`. */
export const auditor: Plugin = {
  name: 'auditor',
  api: 1,
  exporters: [{name: 'auditor', load: async () => ({open: (await import('./exporter.js')).openAuditor})}],
};
