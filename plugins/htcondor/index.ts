/** Tare as HTCondor's USER_JOB_WRAPPER (HTCondor manual, "Configuration Macros: condor_starter"). */

import type {Plugin} from '@tare/contract';

/** The batch system `htcondor`. */
export const htcondor: Plugin = {
  name: 'htcondor',
  api: 1,
  batchSystems: [
    {
      name: 'htcondor',
      detect: ({environment}) => environment['_CONDOR_JOB_AD'] !== undefined && environment['_CONDOR_SCRATCH_DIR'] !== undefined,
      load: async () => (await import('./adapter.js')).adapter,
    },
  ],
};
