/** The environment of a slot, with its files: as HTCondor's starter and Slurm's step daemon give it to a job. No process listens to reports. */

import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Batch} from './fault.js';
import type {Scene} from './scene.js';

const SLOTS: Readonly<Record<Batch, (scene: Scene) => Record<string, string>>> = {
  none: () => ({}),
  htcondor: (scene) => {
    const directory = scene.inSite('slot');
    mkdirSync(directory);
    const file = (name: string, text: string): string => {
      const path = join(directory, name);
      writeFileSync(path, text);
      scene.site.give(path);
      return path;
    };
    const env = {
      _CONDOR_SCRATCH_DIR: directory,
      _CONDOR_JOB_AD: file('.job.ad', 'GlobalJobId = "schedd.test#7.0#1"\nClusterId = 7\nProcId = 0\nNumJobStarts = 1\nOwner = "one"\n'),
      _CONDOR_MACHINE_AD: file('.machine.ad', 'Name = "slot1@test"\nCpus = 2\nMemory = 4096\nDisk = 10000000\n'),
      _CONDOR_CHIRP_CONFIG: file('.chirp.config', '127.0.0.1 1 cookie'),
    };
    scene.site.give(directory);
    return env;
  },
  slurm: () => ({
    ...{SLURM_JOB_ID: '17', SLURM_CLUSTER_NAME: 'grid', SLURM_JOB_PARTITION: 'long', SLURM_JOB_NAME: 'sim'},
    ...{SLURM_CPUS_ON_NODE: '2', SLURM_MEM_PER_NODE: '4096'},
  }),
};

export const slotOf = (scene: Scene): Record<string, string> => SLOTS[scene.way.batch](scene);
