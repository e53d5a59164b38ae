/** What an OCI runtime mounts for each step. */

import type {EngineSteps} from '@tare/contract';
import type {Mount} from './config.js';

const SYS = '/sys';

/**
 * A mount of a path of the node, into which later mounts of the node propagate, such as an automounter's. The root that the runtime binds
 * is private in all its mounts, so what the view has there already is bound once more.
 */
const followed = (path: string): Mount => ({
  destination: path,
  type: 'bind',
  source: path,
  options: ['rbind', 'ro', 'nosuid', 'nodev', 'rslave'],
});

/** Each kind of step, as mounts of config.json (config.md of the OCI runtime specification, Mounts). */
export const STEPS: EngineSteps<readonly Mount[]> = {
  // for all that is shown of the node but its sysfs, which enter has put there
  'mount.move': ({source}) => (source === SYS ? [] : [followed(source)]),
  'mount.bind': ({source, destination, options, optional}, {exists}) => {
    if (optional && !exists(source)) return [];
    const access = options.includes('ro') || options.includes('late') ? 'ro' : 'rw';
    return [{destination, type: 'bind', source, options: ['rbind', access, ...(options.includes('dev') ? [] : ['nodev'])]}];
  },
  'cvmfs.bind': ({source, destination}) => [{...followed(source), destination}],
  'mount.proc': ({destination, closed}) => [
    {
      destination,
      type: 'proc',
      source: 'proc',
      options: ['nosuid', 'noexec', 'nodev', ...(closed === true ? ['hidepid=1'] : [])],
    },
  ],
  'mount.sys': ({destination}) => [{destination, type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro']}],
  'mount.dev': ({destination}) => [
    {destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k']},
    {
      destination: `${destination}/pts`,
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
    },
    {destination: `${destination}/mqueue`, type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev']},
  ],
  'mount.tmpfs': ({destination, mode, sizeBytes}) => {
    const size = sizeBytes === null ? [] : [`size=${String(sizeBytes)}`];
    return [{destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', `mode=${mode}`, ...size]}];
  },
  // read for the configuration as a whole, and by init for each application
  'hostname.set': () => [],
  'namespace.unshare': () => [],
  'privileges.drop': () => [],
  'paths.protect': () => [],
  // the supervisor writes the accounts into the layers of the box
  'accounts.provide': () => [],
  'mount.closed': 'binds no directory that is closed to the job’s user',
  'mount.readonly': 'makes nothing read-only after it has mounted in it',
};
