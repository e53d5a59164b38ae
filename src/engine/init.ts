import type {Engine, EngineLaunch} from '@tare/contract';
import {BRIDGE} from '../plan/engine.js';
import {stepOf, stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** How every engine starts init: enter puts the socket to the shim at descriptor 3 and the executable at 4 (native/README.md). */
export const INIT_ARGV = ['/proc/self/fd/4', 'tare-init', '3'] as const;

/** Number of descriptors, from 3 on, that an engine hands on: two for init, and those that init only keeps open. */
export const handedOn = (plan: Plan): number => 2 + stepsOf(plan, 'mount.pin').length;

/** The socket of init, and the descriptors that it keeps open. */
function listOf(plan: Plan): string {
  const held = stepsOf(plan, 'mount.pin').map((_, index) => String(5 + index));
  return [INIT_ARGV[2], ...held].join(',');
}

/** What an engine starts as process 1: init, or where a daemon does, what connects to the bridge and becomes init (native/README.md, Tools). */
export function initArgv(plan: Plan, kind: Engine['kind']): string[] {
  const list = listOf(plan);
  if (kind !== 'child') return [`${kind.daemon}/init`, 'tare-connect', `${kind.daemon}/socket`, list];
  const [path, role] = INIT_ARGV;
  return [path, role, list];
}

/** The folder that a daemon binds into the box. */
export const bridgedFolder = (boxDirectory: string): string => `${boxDirectory}/${BRIDGE}/at`;

/**
 * What the account of a box has at paths that it may be able to change, for root's bridge (native/README.md, Tools): the engine finds them with root's rights. What
 * is bound for the payload to write to is reached without links, but in an image, which has links of its own.
 */
function shownTo(plan: Plan, exists: (path: string) => boolean): string[] {
  const owner = stepOf(plan, 'identity.take');
  if (owner === undefined || owner.uid === 0) return [];
  const binds = stepsOf(plan, 'mount.bind');
  const isNode = [...binds, ...stepsOf(plan, 'mount.move')].some(({source}) => source === '/');
  const shown = binds.filter(
    ({source, options, optional}) =>
      source !== '/' && !source.startsWith('{box}') && !options.includes('dev') && (optional ? exists(source) : options.includes('rw')),
  );
  if (shown.length === 0) return [];
  const account = `${String(owner.uid)} ${String(owner.gid)} ${owner.groups.join(',')}`;
  return [
    account,
    ...shown.flatMap(({source, destination, options}) => [options.includes('rw') && isNode ? 'plain' : 'links', source, destination]),
  ];
}

/**
 * The bridge, which stands for the engine where a daemon builds the box, around its client.
 * @param joins cgroup.procs files of the groups into which init is moved
 * @param exists whether something is at a path of the node, for what is mounted only if it is there
 */
export function bridgeArgv(
  plan: Plan,
  boxDirectory: string,
  joins: readonly string[],
  {argv, environment = {}}: Pick<EngineLaunch, 'argv' | 'environment'>,
  exists: (path: string) => boolean,
): string[] {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const folder = `${boxDirectory}/${BRIDGE}`;
  const shown = shownTo(plan, exists);
  return [INIT_ARGV[0], 'tare-bridge', folder, String(handedOn(plan)), ...joins, '--', ...shown, '--', ...variables, '--', ...argv];
}
