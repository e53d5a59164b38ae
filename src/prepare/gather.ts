/** The facts of the node that a job needs. */

import type {Engine} from '@tare/contract';
import type {Facts} from '../host/facts.js';
import {readFacts} from '../host/index.js';
import {spawnBriefly} from '../host/spawn.js';
import type {Job} from '../job/job.js';
import {namesOf} from '../plan/engine.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {NamedCaller} from './identity.js';
import type {AttemptContext} from './attempt-context.js';
import type {Request} from './load-job.js';
import {askLandlock, tryView} from './trial.js';

/** Facts that take time to find, and are found only for jobs that need them. */
export interface Wanted {
  pins: boolean;
  view: boolean;
  system: boolean;
  network: boolean;
}

/** What a rule of the policy may want counts too: which one matches is the plan's to say. */
export function wants(job: Job, policy: Policy): Wanted {
  const settings = [policy, ...policy.rules.map(({set}) => set)];
  const pins = [job.limits, policy.defaults, policy.maxima].some(({pinCores}) => pinCores?.value === 1);
  const view =
    job.image !== null ||
    (job.filesystem === null
      ? settings.some(({filesystem}) => (filesystem?.value[0] ?? 'node') !== 'node')
      : job.filesystem.value !== 'node');
  const system = job.pattern.value === 'vm-lite' || job.init !== null || job.services.length > 0 || job.identity !== null;
  return {pins, view, system, network: job.identity !== null};
}

/** Engines that the policy or one of its rules lists, in their order; small machines have engines that other jobs do not look for. @param only the one that the caller wants */
export function soughtEngines(
  policy: Policy,
  engines: readonly Engine[],
  {system, only = null}: {system: boolean; only?: string | null},
): Engine[] {
  const named = [policy, ...policy.rules.map(({set}) => ({engines: set.engines ?? policy.engines}))].flatMap((one) =>
    namesOf(one, engines),
  );
  const isListed = ({name}: Engine): boolean =>
    name === only || [policy, ...policy.rules.map(({set}) => set)].some(({engines: list}) => list?.value?.includes(name));
  const others = (engine: Engine): boolean =>
    (['ulimit++', 'quotas++'] as const).some(
      (pattern) => typeof engine.patterns[pattern] !== 'string' && (isListed(engine) || !engine.onlyListed.includes(pattern)),
    );
  return [...new Set(named)]
    .flatMap((name) => engines.find((engine) => engine.name === name) ?? [])
    .filter((engine) => system || others(engine));
}

/** Gathers the facts. It waits for the caller's name last, unless a fact depends on the caller's name or home directory. */
export async function gatherFacts(
  policy: Policy,
  wanted: Wanted,
  {engines, engine}: Pick<Request, 'engines' | 'engine'>,
  attempt: AttemptContext,
  naming: Promise<NamedCaller>,
): Promise<Facts> {
  const {pins, view, system, network} = wanted;
  const caller = view || system ? (await naming).caller : attempt.caller;
  const {state, scratch} = placesOf(policy, caller.uid);
  const facts = readFacts({
    engines: soughtEngines(policy, engines, {system, only: engine ?? null}),
    caller,
    scratchDirectory: scratch,
    shim: attempt.shim,
    pinned: pins ? (await import('../box/pinned.js')).pinnedCpus(state) : [],
    spawn: spawnBriefly,
    landlock: askLandlock,
    trial: view ? tryView : undefined,
    system,
    network,
    cacheFile: `${state}/facts.json`,
  });
  attempt.facts = facts;
  const named = {...facts, caller: (await naming).caller};
  attempt.facts = named;
  return named;
}
