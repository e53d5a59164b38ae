/**
 * A second wall around what is read-only in a box: the kernel lets its processes write only where the plan has something writable (landlock(7)), also
 * where a mount that should be read-only is not. init puts it up for all processes of the box, of which none can mount any more.
 */

import type {Engine} from '@tare/contract';
import type {Facts} from '../host/facts.js';
import {liesIn} from '../policy/glob.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {stepOf, stepsOf} from './step.js';

/** The mount point of POSIX message queues, without which none could be opened. */
export const QUEUES = '/dev/mqueue';
/** The first that lets a file be renamed into another directory (LANDLOCK_ACCESS_FS_REFER, Linux 5.19). */
const LEAST_ABI = 2;
/** The first with scopes (LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, Linux 6.12). */
export const SCOPES_ABI = 6;

/** Whether the version is of use. */
export const usesLandlock = (abi: number | null): boolean => abi !== null && abi >= LEAST_ABI;

/** Whether what runs in the box could connect to an abstract socket of its engine's, which lies in the node's network namespace (unix(7)). */
export const reachesEngine = (engine: Pick<Engine, 'listens'>, plan: Pick<Plan, 'steps'>): boolean =>
  engine.listens && stepOf(plan, 'namespace.unshare')?.namespaces.includes('network') !== true;

/**
 * @param engine the plan's; null: none
 * @returns undefined where there is no box
 */
export function planLandlock(
  plan: Pick<Plan, 'engine' | 'pattern' | 'steps'>,
  engine: Pick<Engine, 'listens'> | null,
  {abi, queues, how}: Facts['landlock'],
): Plan['landlock'] {
  if (plan.engine.name === 'none') return undefined;
  const writable = writableIn(plan);
  const obstacle = obstacleTo(plan, writable);
  const none = (because: string): Plan['landlock'] => ({abi: null, writable: [], because});
  if (obstacle !== null) return none(obstacle);
  if (abi === null) return none(how);
  if (!usesLandlock(abi)) return none(`version ${String(abi)} lets no file be renamed into another directory`);
  return {
    abi,
    writable: [...writable, ...(queues ? [QUEUES] : [])],
    ...(engine !== null && reachesEngine(engine, plan) && abi >= SCOPES_ABI ? {scoped: true as const} : {}),
    because: 'read-only paths stay read-only even where a mount does not protect them',
  };
}

/** What in the box could not be done any more. */
function obstacleTo(plan: Pick<Plan, 'pattern' | 'steps'>, writable: readonly string[]): string | null {
  if (plan.pattern.value === 'vm-lite') return 'services of a small machine make mounts';
  const profile = stepOf(plan, 'seccomp.load')?.profile ?? 'unconfined';
  if (profile !== 'default') return `the filter on system calls is ${profile}: a payload may make mounts`;
  if (stepOf(plan, 'view.enter') !== undefined) return 'applications mount views of their own';
  if (writable.includes('/')) return 'all of the box’s files are a writable view';
  if (stepOf(plan, 'payload.execute')?.first === true) return 'the payload, as process 1, mounts a /proc of its own';
  if (stepOf(plan, 'payload.execute')?.tasks !== undefined) return 'tasks come from outside, and have to look into each other (ptrace(2))';
  return null;
}

/** The outermost places in the box that something can be written to. */
function writableIn(plan: Pick<Plan, 'steps'>): string[] {
  const covers = stepsOf(plan, 'mount.readonly').map(({destination}) => destination);
  const all = plan.steps.flatMap((step) => {
    switch (step.op) {
      case 'mount.bind':
        return step.options.includes('ro') ? [] : [step.destination];
      case 'mount.tmpfs':
        return covers.includes(step.destination) ? [] : [step.destination];
      // of these some is read-only, and devices are not
      case 'mount.dev':
      case 'mount.proc':
        return [step.destination];
      default:
        return [];
    }
  });
  const places = [...new Set(all)];
  return places.filter((place) => !places.some((other) => other !== place && liesIn(place, other)));
}
