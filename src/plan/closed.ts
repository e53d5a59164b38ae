/**
 * Mounts below a directory that the job's user may pass through and not list. bubblewrap 0.12.0, and older ones with the same fix, opens each
 * directory above a destination for reading (ensure_newroot_parents_at in bubblewrap.c), so it cannot mount there. enter can: it binds the
 * outermost such directory in the box's own folder, puts the mounts into that, and bubblewrap binds the whole where it belongs, above which
 * it can read everything. Older versions of bubblewrap do the same.
 */

import {liesIn} from '../policy/glob.js';
import type {Step, StepOf} from './step.js';

type Moved = StepOf<'mount.bind'> | StepOf<'mount.tmpfs'>;

/**
 * @param steps of the engine, in their order
 * @param closed such directories, the outermost first
 */
export function throughClosed(steps: readonly Step[], closed: readonly string[]): Step[] {
  if (closed.length === 0) return [...steps];
  const made: Step[] = [];
  for (const step of steps) {
    const top = isMoved(step)
      ? closed.find((directory) => step.destination !== directory && liesIn(step.destination, directory))
      : undefined;
    if (top === undefined) {
      if (!isCoverBelow(step, closed)) made.push(step);
      continue;
    }
    let bound = made.find((one): one is StepOf<'mount.closed'> => one.op === 'mount.closed' && one.destination === top);
    if (bound === undefined) {
      bound = bindClosed(top, made);
      made.push(bound);
    }
    const {destination} = step as Moved;
    made.push({...(step as Moved), inside: {at: bound.at, path: destination.slice(top.length + 1)}});
  }
  return made;
}

const isMoved = (step: Step): step is Moved =>
  step.op === 'mount.tmpfs' || (step.op === 'mount.bind' && !step.options.includes('dev') && step.destination !== '/');

/** The engine cannot go there to make it read-only; and no process of the box can change what enter has made there. */
const isCoverBelow = (step: Step, closed: readonly string[]): boolean =>
  step.op === 'mount.readonly' && closed.some((directory) => step.destination !== directory && liesIn(step.destination, directory));

/** Binds a closed directory as the box has it so far: the node's, or a view's. */
function bindClosed(top: string, before: readonly Step[]): StepOf<'mount.closed'> {
  const under = before.findLast(
    (step): step is StepOf<'mount.bind'> => step.op === 'mount.bind' && step.inside === undefined && liesIn(top, step.destination),
  );
  const below = under === undefined || under.destination === '/' ? top : top.slice(under.destination.length);
  const source = under === undefined || under.source === '/' ? below : under.source + below;
  return {
    op: 'mount.closed',
    source,
    at: `{box}/closed-${String(before.filter(({op}) => op === 'mount.closed').length)}`,
    destination: top,
    readOnly: under?.options.includes('rw') !== true,
    because: 'the job’s user cannot list it, so the engine cannot mount below it',
  };
}
