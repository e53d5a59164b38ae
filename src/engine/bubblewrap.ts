/**
 * Plan to bubblewrap's argv (bwrap(1)). Pure: nothing is started, so a test can compare it on any machine.
 * Only options that bubblewrap 0.4.1 (EL9) has, but where the node's version is known to have more.
 */

import type {BubblewrapAbilities} from '../host/facts.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {TareError} from '../errors.js';
import {inBox, stepOf, type Step} from '../plan/step.js';
import {initArgv} from './init.js';
import {isDoneByOthers} from './others.js';

const NAMESPACE_OPTIONS = {
  user: '--unshare-user',
  pid: '--unshare-pid',
  mount: null,
  ipc: '--unshare-ipc',
  uts: '--unshare-uts',
  network: '--unshare-net',
  cgroup: '--unshare-cgroup',
} as const;

/**
 * @param boxDirectory replaces `{box}`: the box's own folder on disk
 * @throws TareError ENGINE_FAILED for a step that bubblewrap cannot do
 */
export function bubblewrapArgv(plan: Plan, boxDirectory: string, abilities: BubblewrapAbilities): string[] {
  const user = stepOf(plan, 'network.user');
  // the user's program can enter no namespace below those that bubblewrap nests: this one is made around it
  const around = user === undefined ? [] : [user.unshare, '--user', '--map-current-user', '--net', '--'];
  const argv = [...around, plan.engine.path ?? 'bwrap'];
  for (const step of plan.steps) argv.push(...translate(user === undefined ? step : withoutNetwork(step), boxDirectory, abilities));
  // init is process 1 itself: it reaps, forwards signals and reports, which bubblewrap's own does not.
  argv.push('--as-pid-1', '--', ...initArgv(plan));
  return argv;
}

const withoutNetwork = (step: Step): Step =>
  step.op === 'namespace.unshare' ? {...step, namespaces: step.namespaces.filter((kind) => kind !== 'network')} : step;

function translate(step: Step, boxDirectory: string, abilities: BubblewrapAbilities): string[] {
  if (isDoneByOthers(step)) return [];
  switch (step.op) {
    case 'namespace.unshare':
      return step.namespaces.flatMap((kind) => NAMESPACE_OPTIONS[kind] ?? []);
    case 'hostname.set':
      return ['--hostname', step.hostname];
    case 'mount.closed':
      return ['--bind', inBox(step.at, boxDirectory), step.destination];
    case 'mount.bind': {
      if (step.inside !== undefined) return [];
      const option = step.options.includes('dev') ? '--dev-bind' : step.options.includes('rw') ? '--bind' : '--ro-bind';
      return [step.optional ? `${option}-try` : option, inBox(step.source, boxDirectory), step.destination];
    }
    case 'cvmfs.bind':
      return ['--ro-bind', inBox(step.source, boxDirectory), step.destination];
    case 'mount.proc':
      return ['--proc', step.destination];
    case 'mount.dev':
      return ['--dev', step.destination, ...(step.queues === undefined ? [] : ['--mqueue', step.queues])];
    case 'mount.readonly':
      return ['--remount-ro', step.destination];
    case 'mount.tmpfs': {
      if (step.inside !== undefined) return [];
      const perms = abilities.perms ? ['--perms', step.mode] : [];
      const size = abilities.tmpfsSize && step.sizeBytes !== null ? ['--size', String(step.sizeBytes)] : [];
      return [...perms, ...size, '--tmpfs', step.destination];
    }
    case 'privileges.drop':
      // no_new_privs is always set by bubblewrap.
      return step.capabilities === 'none' ? ['--cap-drop', 'ALL'] : [];
    case 'mount.sys':
    case 'paths.protect':
    case 'accounts.provide':
      throw new TareError('ENGINE_FAILED', {message: `bubblewrap cannot do ${step.op}: that is of small machines`});
    default:
      return unknown(step);
  }
}

function unknown(step: never): never {
  throw new TareError('ENGINE_FAILED', {message: `bubblewrap cannot do the step ${JSON.stringify(step)}`});
}
