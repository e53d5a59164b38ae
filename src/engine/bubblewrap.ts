/**
 * Plan to bubblewrap's argv (bwrap(1)). Pure: nothing is started, so a test can compare it on any machine.
 * Only options that bubblewrap 0.4.1 (EL9) has, but where the node's version is known to have more.
 */

import type {BubblewrapAbilities} from '../host/facts.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {inBox, stepOf, type Step} from '../plan/step.js';
import {initArgv} from './init.js';
import {translate, type Translators} from './translate.js';

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
  const translated = translate('bubblewrap', TRANSLATORS, plan, {boxDirectory, abilities}, user === undefined ? undefined : withoutNetwork);
  argv.push(...translated.flat());
  // init is process 1 itself: it reaps, forwards signals and reports, which bubblewrap's own does not.
  argv.push('--as-pid-1', '--', ...initArgv(plan));
  return argv;
}

const withoutNetwork = (step: Step): Step =>
  step.op === 'namespace.unshare' ? {...step, namespaces: step.namespaces.filter((kind) => kind !== 'network')} : step;

interface Context {
  /** Replaces `{box}`: the box's own folder on disk. */
  boxDirectory: string;
  abilities: BubblewrapAbilities;
}

/** What bubblewrap does of a step; a step that is an engine's and has no row is refused. */
const TRANSLATORS: Translators<Context, string[]> = {
  'namespace.unshare': ({namespaces}) => namespaces.flatMap((kind) => NAMESPACE_OPTIONS[kind] ?? []),
  'hostname.set': ({hostname}) => ['--hostname', hostname],
  'mount.move': () => [], // enter has done it
  'mount.closed': ({at, destination}, {boxDirectory}) => ['--bind', inBox(at, boxDirectory), destination],
  'mount.bind': ({source, destination, options, optional, inside}, {boxDirectory}) => {
    if (inside !== undefined) return [];
    const option = options.includes('dev') ? '--dev-bind' : options.includes('rw') ? '--bind' : '--ro-bind';
    return [optional ? `${option}-try` : option, inBox(source, boxDirectory), destination];
  },
  'cvmfs.bind': ({source, destination}, {boxDirectory}) => ['--ro-bind', inBox(source, boxDirectory), destination],
  'mount.proc': ({destination}) => ['--proc', destination],
  'mount.dev': ({destination, queues}) => ['--dev', destination, ...(queues === undefined ? [] : ['--mqueue', queues])],
  'mount.readonly': ({destination}) => ['--remount-ro', destination],
  'mount.tmpfs': ({destination, mode, sizeBytes, inside}, {abilities}) => {
    if (inside !== undefined) return [];
    const perms = abilities.perms ? ['--perms', mode] : [];
    const size = abilities.tmpfsSize && sizeBytes !== null ? ['--size', String(sizeBytes)] : [];
    return [...perms, ...size, '--tmpfs', destination];
  },
  // no_new_privs is always set by bubblewrap
  'privileges.drop': ({capabilities}) => (capabilities === 'none' ? ['--cap-drop', 'ALL'] : []),
};
