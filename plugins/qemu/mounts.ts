/** What of each step the node's side does, and what the machine does itself. */

import type {EngineStepOf, EngineSteps, EngineTask} from '@tare/contract';

/** A path of the node that the machine has at a destination; or an order to the machine (native/machine_options.h), and the place that it covers. */
export type Part = {source: string; destination: string; access: 'ro' | 'rw'} | {inside: readonly string[]; covers: string | null};

const FUSE = '/dev/fuse';

/** The only device of the node's that the machine's kernel has too. */
export const isForeignDevice = ({op, ...step}: {op: string; source?: string; options?: readonly string[]}): boolean =>
  op === 'mount.bind' && step.options?.includes('dev') === true && step.source !== FUSE;

function bound({source, destination, options, optional}: EngineStepOf<'mount.bind'>, {exists}: EngineTask): readonly Part[] {
  if (optional && !exists(source)) return [];
  if (options.includes('dev')) return [{inside: ['device', destination], covers: null}];
  return [{source, destination, access: options.includes('ro') ? 'ro' : 'rw'}];
}

/** Each kind of step. */
export const STEPS: EngineSteps<readonly Part[]> = {
  'hostname.set': ({hostname}) => [{inside: ['hostname', hostname], covers: null}],
  'mount.bind': bound,
  'cvmfs.bind': ({source, destination}) => [{source, destination, access: 'ro'}],
  // enter has made it read-only, or not
  'mount.closed': ({at, destination}) => [{source: at, destination, access: 'rw'}],
  'mount.proc': ({destination, closed}) => [{inside: ['proc', destination, closed === true ? 'hidepid=1' : ''], covers: destination}],
  'mount.sys': ({destination}) => [{inside: ['sys', destination], covers: destination}],
  'mount.dev': ({destination}) => [{inside: ['dev', destination], covers: destination}],
  'mount.tmpfs': ({destination, mode, sizeBytes}) => [
    {inside: ['tmpfs', destination, mode, sizeBytes === null ? '' : String(sizeBytes)], covers: destination},
  ],
  'mount.readonly': ({destination}) => [{inside: ['readonly', destination], covers: destination}],
  // enter has put it below the root, which the machine gets with all below it
  'mount.move': () => [],
  // a kernel of its own has nothing of the node's, and init takes the payload's rights away there
  'namespace.unshare': () => [],
  'paths.protect': () => [],
  'privileges.drop': () => [],
  'image.root': 'has no store of images',
  // the supervisor writes the accounts, which are bound
  'accounts.provide': () => [],
};
