/**
 * What attacks get through today, each with its reason: all else is held. The suite fails for an attack that gets through and is not in here,
 * and for one that is in here and is held, so that the list shrinks and stays true.
 */

import {hasGroups} from '../support/groups.js';
import type {Verdict, Way} from './attack.js';

/** Where an attack gets through. */
const WHERE = {
  everywhere: () => true,
  'without control groups': ({role}) => !hasGroups(role),
} satisfies Record<string, (way: Way) => boolean>;

export interface KnownHole {
  /** The attack's name. */
  attack: string;
  /** What it says. */
  what: RegExp;
  where: keyof typeof WHERE;
  reason: string;
  /** It does not get through every time, or everywhere: nothing is wrong where it is held. */
  race?: true;
}

export const KNOWN: readonly KnownHole[] = [
  {
    attack: 'memory-epoll',
    what: /watches of epoll/,
    where: 'without control groups',
    reason:
      'X13: no list says whose an instance of epoll is that processes share; the kernel allows an account 4 % of the node’s memory for them, which is less than the attack takes on a small node',
    race: true,
  },
  {
    attack: 'affinity',
    what: /cores of/,
    where: 'without control groups',
    reason: 'only the kernel’s groups hold cores; the plan and the record say that they are not held',
    race: true,
  },
];

const applies = (known: KnownHole, attack: string, way: Way): boolean => known.attack === attack && WHERE[known.where](way);

export const knownOf = (attack: string, way: Way): KnownHole[] => KNOWN.filter((known) => applies(known, attack, way));

/** What is wrong, in words, after an attack was run: it got through where it should not, or not where the list says so. */
export function complaints(attack: string, way: Way, verdicts: readonly Verdict[]): string[] {
  const known = knownOf(attack, way);
  const through = verdicts.filter(({word}) => word === 'SURVIVED').map(({what}) => what);
  const news = through.filter((what) => !known.some((one) => one.what.test(what)));
  const gone = known.filter((one) => one.race !== true && !through.some((what) => one.what.test(what)));
  return [
    ...(verdicts.some(({word}) => word !== 'INFO') ? [] : ['the attack gives no verdict']),
    ...news.map((what) => `SURVIVED ${what}`),
    ...gone.map(({what, reason}) => `${String(what)} is held now: take it out of test/attacks/known.ts (${reason})`),
  ];
}
