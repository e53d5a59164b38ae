/** What enter mounts before the engine starts, because the engine cannot: the box's own disk, layers, and covers. */

import {coverOf, isPrepared} from './engine.js';
import type {Inputs} from './inputs.js';
import {CONTAINED} from './scratch.js';
import type {Step, StepOf} from './step.js';
import {rootOwner, type MountedSystem} from './system-mounts.js';
import type {ViewPlan} from './view.js';

/** Where the node's files are for an engine that takes a folder for the root of its box. */
export const NODE = '{box}/node';
/** Where the terminals are for an engine that cannot mount them. */
export const TERMINALS = '{box}/terminals';
const NO_IDS = {start: 0, count: 0};

const isTopOfNode = ({source}: StepOf<'mount.move'>): boolean => source === '/';

const coverStep = (at: string, because: string): Step => ({op: 'mount.cover', at, because});

/** The node's files on that folder, and repositories of an automounter, which come and go while the box is there. */
export function nodeFiles({facts}: Inputs, repositories: string | null): Step[] {
  const move = (source: string, because: string): Step => ({op: 'mount.move', source, at: source === '/' ? NODE : NODE + source, because});
  return [
    move('/', 'the node’s files, read-only'),
    ...(repositories !== null && facts.root.directories.includes(repositories)
      ? [move(repositories, 'repositories that are mounted later')]
      : []),
  ];
}

/** What enter does before the engine: a namespace of its own, the disk, the layers and what is mounted of them. */
export function planPreparation(
  inputs: Inputs,
  view: ViewPlan | null,
  container: Step | null,
  system: MountedSystem | null,
  closed: readonly StepOf<'mount.closed'>[],
  node: readonly Step[],
): Step[] {
  const {facts, call} = inputs;
  const user = facts.views?.user ?? facts.scratch.containers.user;
  const forEngine = isPrepared(inputs, system);
  if (view === null && container === null && closed.length === 0 && !forEngine) return [];
  const {uid, gid} = call.identity.value;
  const ids = facts.system?.subordinate;
  const machine = system !== null && user && ids !== undefined ? {uid, gid, uids: ids.uids, gids: ids.gids} : null;
  const root = forEngine && user ? {uid, gid, uids: NO_IDS, gids: NO_IDS, engine: true as const} : machine;
  const covers = inputs.engine?.engine.covers;
  const cover = inputs.engine == null ? null : coverOf(inputs.engine.engine, facts);
  const make = (path: string, mode: string, because: string): Step => {
    // what is made there for mounts is root's of the box
    const owner = path.endsWith('-upper') && system !== null ? rootOwner(system) : 'caller';
    return {op: 'directory.create', path, mode, owner, because};
  };
  const terminals: Step = {op: 'mount.terminals', at: TERMINALS, because: 'the payload’s account alone can mount none'};
  return [
    ...(view?.taken ?? []),
    {op: 'view.unshare', user, root, because: 'mounts for the box disappear with it, however it ends'},
    // with the node's control groups, where the engine is not shown them
    ...node.flatMap((step) =>
      step.op === 'mount.move' && isTopOfNode(step) ? [make(NODE, '0755', 'for the node’s files'), step] : [step],
    ),
    ...(cover === null || covers === 'all' ? [] : [coverStep(cover, 'OCI runtimes know one version of control groups at a time')]),
    ...(forEngine ? [make(TERMINALS, '0755', 'for the box’s terminals'), terminals] : []),
    ...(container === null ? [] : [make(CONTAINED, '0711', 'where the box’s own disk is mounted'), container]),
    ...(view?.directories ?? []).map((path) =>
      // only the wrapper's account can reach the layers themselves; the wrapper removes them
      path.endsWith('/layers') ? make(path, '0700', 'what is written to the view') : make(path, '0755', 'for the view'),
    ),
    ...(view?.lowers ?? []),
    ...(view?.points ?? []),
    ...(view?.mounts ?? []),
    ...closed.map(({at}) => make(at, '0755', 'for what the engine cannot mount')),
    // behind what is shown of the node, which the box has with its groups
    ...(cover === null || covers !== 'all' ? [] : [coverStep(cover, 'the engine would make control groups of its own')]),
  ];
}
