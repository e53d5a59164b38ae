/** What an OCI runtime mounts for each step. */

import type {EngineStepOf, EngineSteps, EngineTask} from '@tare/contract';
import type {Mount, Part} from './config.js';

const SYS = '/sys';

/**
 * A mount of a path of the node, into which later mounts of the node propagate, such as an automounter's. The root that the runtime binds
 * is private in all its mounts, so what the view has there already is bound once more.
 */
const followed = (path: string, {pattern}: EngineTask): Mount => ({
  destination: path,
  type: 'bind',
  source: path,
  options: ['rbind', 'ro', ...(pattern === 'vm-lite' ? [] : ['rro']), 'nosuid', 'nodev', 'rslave'],
});

/** As bubblewrap has all that it binds and its own /dev: without setuid programs, and without devices but where they are what is bound. */
const STRICT = ['nosuid', 'nodev'];

/** What is bound read-only is so with all below it in a box; in a small machine, whose image has nothing below, as it always was. */
function bound({source, destination, options}: EngineStepOf<'mount.bind'>, {pattern}: EngineTask): Mount {
  const readOnly = !options.includes('rw') && !options.includes('dev');
  const box = readOnly ? ['ro', 'rro'] : ['rw'];
  const machine = options.includes('ro') || options.includes('late') ? ['ro'] : ['rw'];
  const strict = pattern === 'vm-lite' ? [] : ['nosuid'];
  const access = pattern === 'vm-lite' ? machine : box;
  return {destination, type: 'bind', source, options: ['rbind', ...access, ...strict, ...(options.includes('dev') ? [] : ['nodev'])]};
}

/** The terminals of a /dev: its own, or those that are mounted already. */
const terminalsOf = ({destination, terminals}: EngineStepOf<'mount.dev'>): Mount =>
  terminals === undefined
    ? {
        destination: `${destination}/pts`,
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
      }
    : {destination: `${destination}/pts`, type: 'bind', source: terminals, options: ['rbind', 'nosuid', 'noexec']};

/** Each kind of step, as mounts of config.json (config.md of the OCI runtime specification, Mounts). */
export const STEPS: EngineSteps<readonly Part[]> = {
  // for all that is shown of the node but its sysfs and its root, which enter has put there
  'mount.move': ({source}, task) => (source === SYS || source === '/' ? [] : [followed(source, task)]),
  'mount.bind': (step, task) => (step.optional && !task.exists(step.source) ? [] : [bound(step, task)]),
  'cvmfs.bind': ({source, destination}, task) => [{...followed(source, task), destination}],
  'mount.proc': ({destination, closed}) => [
    {
      destination,
      type: 'proc',
      source: 'proc',
      options: ['nosuid', 'noexec', 'nodev', ...(closed === true ? ['hidepid=1'] : [])],
    },
  ],
  'image.root': 'has no store of images',
  'mount.sys': ({destination}) => [{destination, type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro']}],
  'mount.dev': (step, {pattern}) => [
    {
      ...{destination: step.destination, type: 'tmpfs', source: 'tmpfs'},
      // in a box the runtime binds the node's devices over files
      options: [...(pattern === 'vm-lite' ? ['nosuid'] : STRICT), 'strictatime', 'mode=755', 'size=65536k'],
    },
    terminalsOf(step),
    // not every kernel has queues
    ...(pattern === 'vm-lite' || step.queues !== undefined
      ? [{destination: `${step.destination}/mqueue`, type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev']}]
      : []),
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
  // enter has made it read-only, or not
  'mount.closed': ({at, destination}, {pattern}) => [
    {destination, type: 'bind', source: at, options: ['rbind', ...(pattern === 'vm-lite' ? ['nodev'] : STRICT)]},
  ],
  'mount.readonly': ({destination}) => [{readOnly: destination}],
};
