/** Tare as a runtime environment of ARC (A-REX): `ENV/TARE` puts the wrapper in front of the job's executable. */

import type {Plugin} from '@tare/contract';

/** The batch system `arc`. */
export const arc: Plugin = {
  name: 'arc',
  api: 1,
  batchSystems: [
    {
      name: 'arc',
      // HTCondor's starter gives its own wrapper the name of an error file, whatever the job's environment is; ENV/TARE takes that away. So a
      // user of HTCondor that sets our variable changes nothing.
      detect: ({environment}) => environment['TARE_ARC'] !== undefined && environment['_CONDOR_WRAPPER_ERROR_FILE'] === undefined,
      load: async () => (await import('./adapter.js')).adapter,
    },
  ],
};
