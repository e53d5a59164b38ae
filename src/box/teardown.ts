/**
 * The one way in which a box is taken away: by the instructions that were written before it was made (src/schema/undo-1.json). A begin that fails,
 * the normal end, a supervisor that follows and a sweep, of this version or another, all come here.
 */

import {basename} from 'node:path';
import {killAll, removeGroups, restoreGroup, waitEmpty} from '../cgroup/manager.js';
import {sleep} from '../process/clock.js';
import {isRunning, killGroup, killProcess, type ProcessId} from '../process/process.js';
import type {Undo} from '../steps/def.js';
import {removeContainer, waitForClient} from './containers.js';
import {releaseLeases} from './network-leases.js';
import {removeEmpty, removeOwn, removePrivate, returnTrees} from './trees.js';

type UndoOf<Op extends Undo['op']> = Extract<Undo, {op: Op}>;

/** How an instruction is obeyed, and when: those of a lower rank first, of the same rank the last one first. */
interface Row<U extends Undo> {
  rank: number;
  /** The instruction is about something of this box. */
  isOurs: (undo: U, id: string) => boolean;
  /** @returns what is left of it, with the reason */
  run: (undo: U, id: string) => Promise<string[]>;
}

/** A path below the box's own folder, or that folder. */
const isBelow = ({path}: {path: string}, id: string): boolean => {
  const names = path.split('/');
  return path.startsWith('/') && names.includes(`tare-${id}`) && !names.includes('..');
};

const NOTHING: Promise<string[]> = Promise.resolve([]);
const left = (what: string, because: string | null): Promise<string[]> =>
  because === null ? NOTHING : Promise.resolve([`${what} (${because})`]);

const TABLE: {[Op in Undo['op']]: Row<UndoOf<Op>>} = {
  'process.kill': {
    rank: 0,
    isOurs: () => true,
    run: ({pid, startTicks}) => {
      if (isRunning({pid, startTicks})) killGroup(pid);
      return NOTHING;
    },
  },
  'group.remove': {
    rank: 1,
    isOurs: ({directory}, id) => basename(directory) === `tare-${id}`,
    run: ({directory}) => removeGroups(directory),
  },
  'group.restore': {
    rank: 2,
    isOurs: ({directory, into}) => into.startsWith(`${directory}/`),
    run: (undo) => {
      restoreGroup(undo);
      return NOTHING;
    },
  },
  'client.wait': {rank: 2, isOurs: isBelow, run: waitForClient},
  // when all that ran in it is gone: then most daemons have removed it already
  'container.remove': {rank: 2, isOurs: ({name}, id) => name === `tare-${id}`, run: removeContainer},
  'tree.remove': {rank: 3, isOurs: isBelow, run: ({path, as, ids}) => left(path, removePrivate(path, as, ids))},
  'tree.return': {rank: 3, isOurs: () => true, run: (undo) => left(undo.paths.join(', '), returnTrees(undo))},
  'own.remove': {rank: 3, isOurs: isBelow, run: ({path}) => left(path, removeOwn(path))},
  'directory.remove': {rank: 3, isOurs: isBelow, run: ({path}) => left(path, removeEmpty(path))},
  // the last: a supervisor that is killed in between leaves them to a sweep
  'lease.release': {rank: 4, isOurs: () => true, run: ({state}, id) => releaseLeases(state, id)},
};

const rowOf = (undo: Undo): Row<Undo> | undefined => (TABLE as unknown as Partial<Record<string, Row<Undo>>>)[undo.op];

/**
 * @param after called when so many instructions have been obeyed: 1, 2, …; tests kill the process there
 * @returns what is left, each with the reason; an instruction of another version that this one does not know is left, too
 */
export async function teardown(undo: readonly Undo[], id: string, after: (obeyed: number) => void = () => undefined): Promise<string[]> {
  const known: {one: Undo; row: Row<Undo>}[] = [];
  const remains: string[] = [];
  for (const one of undo) {
    const row = rowOf(one);
    if (row?.isOurs(one, id) === true) known.push({one, row});
    else remains.push(`${JSON.stringify(one)} (this version does not do that for the box ${id})`);
  }
  let obeyed = 0;
  const obey = async ({one, row}: (typeof known)[number]): Promise<string[]> => {
    const kept = await row.run(one, id);
    after(++obeyed);
    return kept;
  };
  for (const rank of [...new Set(known.map(({row}) => row.rank))].sort((a, b) => a - b)) {
    const together = known.filter(({row}) => row.rank === rank).reverse();
    remains.push(...(await Promise.all(together.map(obey))).flat());
  }
  return remains;
}

/** How long an init may take to find out that its shim is gone, ms. */
const KILL_MS = 200;

/**
 * Kills what runs in a box.
 * @param init process 1 of the box, where there is no group the box goes with it; it ends by itself when its shim does
 * @returns false when something of it does not die in so many ms
 */
export async function stopBox(undo: readonly Undo[], id: string, init: ProcessId | null, patienceMs: number): Promise<boolean> {
  const groups = undo.filter((one) => one.op === 'group.remove').filter((one) => TABLE[one.op].isOurs(one, id));
  killAll(groups);
  for (let waited = 0; init !== null && isRunning(init); waited += 20) {
    if (waited === KILL_MS) killProcess(init.pid);
    if (waited > patienceMs) return false;
    await sleep(20);
  }
  return waitEmpty(groups, patienceMs);
}
