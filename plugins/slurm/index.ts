/** Tare in a job of Slurm: `srun tare-wrap …`, or `tare-wrap` in the batch script (sbatch(1), srun(1): output environment variables). */

import type {Plugin} from '@tare/contract';

/** The batch system `slurm`. */
export const slurm: Plugin = {
  name: 'slurm',
  api: 1,
  batchSystems: [
    {
      name: 'slurm',
      detect: ({environment}) => /^\d+$/.test(environment['SLURM_JOB_ID'] ?? ''),
      load: async () => (await import('./adapter.js')).adapter,
    },
  ],
};
