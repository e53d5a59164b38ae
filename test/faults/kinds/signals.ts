/** Signals to a part of a wrapper, or to its payload: many at once, a stop for a while, a kill. */

import {constants} from 'node:os';
import type {Kind, Way} from '../fault.js';
import type {Random} from '../random.js';
import {signal, sleep, type Part, type Scene} from '../scene.js';

/** Any but SIGKILL and SIGSTOP, which are kinds of their own; real-time ones queue. */
const FIRST_REALTIME = 34;
const SIGNALS = [...Object.values(constants.signals).filter((each) => each !== 9 && each !== 19), FIRST_REALTIME, FIRST_REALTIME + 13, 64];

/** A payload is in a process group of its own, which these stop. */
const STOPPING: ReadonlySet<number> = new Set([constants.signals.SIGTSTP, constants.signals.SIGTTIN, constants.signals.SIGTTOU]);

/** Of a job with one payload init is the keeper too. */
const partsOf = ({pattern}: Way): readonly Part[] =>
  pattern === 'quotas++'
    ? ['shim', 'supervisor', 'engine', 'init', 'keeper', 'payload']
    : ['shim', 'supervisor', 'engine', 'init', 'payload'];

/** Half of them while the payload runs. */
const momentOf = (random: Random): number => (random.chance(0.5) ? -1 : random.next() * 1.2);
const momentText = (moment: number): string => (moment < 0 ? 'when the payload has begun' : `after ${moment.toFixed(2)} launches`);

export const storm: Kind = {
  name: 'signals',
  weight: 14,
  draw(random, way) {
    const part = random.pick(partsOf(way));
    const moment = momentOf(random);
    const signals = Array.from({length: random.between(1, 4)}, () => random.pick(SIGNALS));
    const rounds = random.scaled(1, 2000);
    return {
      words: `${String(rounds)} times ${signals.join(', ')} to ${part} ${momentText(moment)}`,
      // a supervisor that follows is hit by none of these
      during: async (scene) => {
        await scene.until(moment);
        const pid = await scene.part(part);
        for (let round = 0; pid !== null && round < rounds; round++) {
          for (const each of signals) if (!signal(pid, each)) return;
          if (round % 100 === 99) await sleep(1);
        }
        if (pid === null || !signals.some((each) => STOPPING.has(each))) return;
        // the sender that stops a job continues it; until then job and wrapper wait
        await sleep(20);
        signal(pid, 'SIGCONT');
      },
    };
  },
};

export const stopped: Kind = {
  name: 'stop',
  weight: 10,
  draw(random, way) {
    const part = random.pick(partsOf(way));
    const moment = momentOf(random);
    const ms = random.scaled(1, 1500);
    return {
      words: `${part} stopped for ${String(ms)} ms ${momentText(moment)}`,
      during: async (scene) => {
        await scene.until(moment);
        const pid = await scene.part(part);
        if (pid === null || !signal(pid, 'SIGSTOP')) return;
        await sleep(ms);
        signal(pid, 'SIGCONT');
      },
    };
  },
};

export const killed: Kind = {
  name: 'kill',
  weight: 8,
  draw(random, way) {
    const victim = random.pick<Part | 'supervisor twice' | 'all'>([...partsOf(way), 'supervisor twice', 'all']);
    const moment = momentOf(random);
    return {
      words: `SIGKILL to ${victim} ${momentText(moment)}`,
      sweep: victim === 'shim' || victim === 'all',
      during: async (scene) => {
        await scene.until(moment);
        if (victim === 'all') scene.kill();
        else await killOne(scene, victim);
      },
    };
  },
};

async function killOne(scene: Scene, victim: Part | 'supervisor twice'): Promise<void> {
  const part = victim === 'supervisor twice' ? 'supervisor' : victim;
  const first = await scene.part(part);
  if (first !== null) signal(first, 'SIGKILL');
  if (victim !== 'supervisor twice') return;
  for (let tries = 0; scene.ended === null && tries < 500; tries++) {
    const second = await scene.part('supervisor');
    if (second !== null && second !== first) {
      signal(second, 'SIGKILL');
      return;
    }
    await sleep(4);
  }
}
