/** What enter mounts before the engine starts, because the engine cannot: the box's own disk, layers, and covers. */

import type {Inputs} from './inputs.js';
import {CONTAINED} from './scratch.js';
import type {Step, StepOf} from './step.js';
import {rootOwner, type MountedSystem} from './system-mounts.js';
import type {ViewPlan} from './view.js';

/** What enter does before the engine: a namespace of its own, the disk, the layers and what is mounted of them. */
export function planPreparation(
  {facts, call}: Inputs,
  view: ViewPlan | null,
  container: Step | null,
  system: MountedSystem | null,
  closed: readonly StepOf<'mount.closed'>[],
): Step[] {
  const user = facts.views?.user ?? facts.scratch.containers.user;
  if (view === null && container === null && closed.length === 0) return [];
  const {uid, gid} = call.identity.value;
  const ids = facts.system?.subordinate;
  const root = system !== null && user && ids !== undefined ? {uid, gid, uids: ids.uids, gids: ids.gids} : null;
  const cover = system === null ? null : (facts.system?.unifiedAt ?? null);
  const make = (path: string, mode: string, because: string): Step => {
    // what is made there for mounts is root's of the box
    const owner = path.endsWith('-upper') && system !== null ? rootOwner(system) : 'caller';
    return {op: 'directory.create', path, mode, owner, because};
  };
  return [
    ...(view?.taken ?? []),
    {op: 'view.unshare', user, root, because: 'mounts for the box disappear with it, however it ends'},
    ...(cover === null
      ? []
      : [{op: 'mount.cover' as const, at: cover, because: 'OCI runtimes know one version of control groups at a time'}]),
    ...(container === null ? [] : [make(CONTAINED, '0711', 'where the box’s own disk is mounted'), container]),
    ...(view?.directories ?? []).map((path) =>
      // only the wrapper's account can reach the layers themselves; the wrapper removes them
      path.endsWith('/layers') ? make(path, '0700', 'what is written to the view') : make(path, '0755', 'for the view'),
    ),
    ...(view?.lowers ?? []),
    ...(view?.points ?? []),
    ...(view?.mounts ?? []),
    ...closed.map(({at}) => make(at, '0755', 'for what the engine cannot mount')),
  ];
}
