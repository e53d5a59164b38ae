/** Names of engines in the policy that no engine of this version has: a misspelt one would be left out for ever, and nobody told. Pure. */

import type {Engine} from '@tare/contract';
import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import type {Policy, Rule} from '../policy/policy.js';

type Listed = Policy['engines'];

/** Names of one list that are not known. */
export interface UnknownEngines {
  /** Place of the list. */
  at: string;
  unknown: string[];
  /** The list has another that is known. */
  others: boolean;
  /** Names of all engines of this version. */
  known: string[];
}

/** The unknown names of each list of the policy and its rules; empty: all are known. */
export function unknownEngines(
  policy: {engines: Listed; rules: readonly Pick<Rule, 'set'>[]},
  engines: readonly Pick<Engine, 'name'>[],
): UnknownEngines[] {
  const known = engines.map(({name}) => name);
  const lists = [policy.engines, ...policy.rules.map(({set}) => set.engines)];
  return lists.flatMap((list) => {
    const unknown = list?.value?.filter((name) => !known.includes(name)) ?? [];
    if (list == null || unknown.length === 0) return [];
    return [{at: list.provenance.at, unknown, others: unknown.length < (list.value?.length ?? 0), known}];
  });
}

/** What people are shown of a list that can be as long as a policy. */
const MOST_SHOWN = 8;
const someOf = (names: readonly string[]): string =>
  [...names.slice(0, MOST_SHOWN).map(show), ...(names.length > MOST_SHOWN ? [`${String(names.length - MOST_SHOWN)} more`] : [])].join(', ');

/** One sentence of it, for the log and for people. */
export const unknownText = ({at, unknown, known}: UnknownEngines): string =>
  `${at}: this version of Tare has no engine ${someOf(unknown)}; it has ${known.join(', ')}`;

/** A list that is in force has to name an engine that there is. @throws TareError ENGINE_UNKNOWN */
export function requireKnownEngine({engines: list}: {engines: Listed}, engines: readonly Pick<Engine, 'name'>[]): void {
  const [found] = unknownEngines({engines: list, rules: []}, engines);
  if (found === undefined || found.others) return;
  throw new TareError('ENGINE_UNKNOWN', {
    message: 'the policy lists no engine that this version of Tare has',
    where: found.at,
    found: someOf(found.unknown),
    allowed: found.known.join(', '),
    remedy: 'correct the name in engines, or install a version of Tare that has the engine',
  });
}
