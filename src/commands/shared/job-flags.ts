/** Flags that stand for fields of a job descriptor, or name the policy; shared by `run` and `plan`. */

import {Flags} from '@oclif/core';
import type {JobFlags} from '../../job/flags.js';

/** Flags that stand for fields of a job descriptor, for `tare run` and `tare plan`. */
export const jobFlags = {
  policy: Flags.string({description: 'policy file instead of /etc/tare/policy.yaml and /etc/tare/policy.d/', helpValue: 'FILE'}),
  engine: Flags.string({description: 'engine that builds the box: one that the policy lists', helpValue: 'NAME'}),
  name: Flags.string({description: 'name of the job, for the record and log lines', helpGroup: 'JOB'}),
  pattern: Flags.string({description: 'auto, ulimit++, quotas++ or vm-lite', helpGroup: 'JOB'}),
  cores: Flags.string({description: 'cores, such as 2 or 1.5', helpGroup: 'JOB', helpValue: 'N'}),
  'pin-cores': Flags.boolean({description: 'bind to that many CPUs', helpGroup: 'JOB', allowNo: true}),
  nice: Flags.string({description: 'nice value from 0 to 19, never below the caller’s', helpGroup: 'JOB', helpValue: 'N'}),
  memory: Flags.string({description: 'memory, such as 2GiB', helpGroup: 'JOB', helpValue: 'SIZE'}),
  'memory-high': Flags.string({description: 'memory above which the kernel slows the payload down', helpGroup: 'JOB', helpValue: 'SIZE'}),
  swap: Flags.string({description: 'swap beyond memory', helpGroup: 'JOB', helpValue: 'SIZE'}),
  processes: Flags.string({description: 'processes and threads', helpGroup: 'JOB', helpValue: 'N'}),
  'wall-time': Flags.string({description: 'wall time, such as 24h or 90m', helpGroup: 'JOB', helpValue: 'TIME'}),
  'cpu-time': Flags.string({description: 'CPU time of all processes together', helpGroup: 'JOB', helpValue: 'TIME'}),
  'open-files': Flags.string({description: 'open files per process', helpGroup: 'JOB', helpValue: 'N'}),
  'core-size': Flags.string({description: 'size of a core file', helpGroup: 'JOB', helpValue: 'SIZE'}),
  scratch: Flags.string({description: 'disk for /tmp, /var/tmp and what is written to a view', helpGroup: 'JOB', helpValue: 'SIZE'}),
  filesystem: Flags.string({description: 'node, shared or private', helpGroup: 'JOB'}),
  image: Flags.string({
    description: 'image instead of the node’s files: a directory, an OCI layout or archive, a squashfs file; host: none',
    helpGroup: 'JOB',
    helpValue: 'IMAGE',
  }),
  cvmfs: Flags.string({
    description: 'repositories that the payload needs, with commas between; no other is in the box',
    helpGroup: 'JOB',
    helpValue: 'NAMES',
  }),
  network: Flags.string({description: 'host or none', helpGroup: 'JOB'}),
  'work-directory': Flags.string({description: 'where the payload starts', helpGroup: 'JOB', helpValue: 'DIR'}),
  user: Flags.string({description: 'account that the payload runs as; root only', helpGroup: 'JOB'}),
  vo: Flags.string({description: 'virtual organisation', helpGroup: 'JOB'}),
  queue: Flags.string({description: 'queue', helpGroup: 'JOB'}),
};

type Parsed = Partial<Record<keyof typeof jobFlags, string | boolean | undefined>>;

/** `--wall-time` as the job's `wallTime`. */
export function readJobFlags(flags: Parsed): JobFlags {
  const {
    policy: _,
    engine: _engine,
    ...job
  } = Object.fromEntries(
    Object.keys(jobFlags).flatMap((name) => {
      const value = flags[name as keyof Parsed];
      return value === undefined ? [] : [[name.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase()), value]];
    }),
  ) as JobFlags & {policy?: string; engine?: string};
  return job;
}
