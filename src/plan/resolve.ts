/**
 * From what is wanted to what runs: all that is decided between planning and applying is decided here, by rules that the plan itself names.
 * Pure: the caller has looked at the world, and passes what it found (`Found`).
 */

import type {Plan, ResolvedChoice} from '../schema/generated/plan-1.js';
import {stepOf, stepsOf, type Step} from './step.js';

/** A plan with nothing left to decide: it is kept on disk, and is what runs. */
export type ResolvedPlan = Plan & Required<Pick<Plan, 'resolved'>>;

/** What a look at a repository found. */
export interface RepositoryFound {
  repository: string;
  /** The node, or Tare, has something mounted there. */
  present: boolean;
  usable: boolean;
  /** Tare has mounted it for the job. */
  own: boolean;
  /** Why it cannot be used. */
  because: string | null;
}

/** What was found between planning and making the box. */
export interface Found {
  repositories: readonly RepositoryFound[];
  /** The name with its number; null: nothing is leased, or not yet. */
  hostname: string | null;
  /** Whether something is at a path of the node; absent: not looked at yet. */
  exists?: (path: string) => boolean;
}

interface Resolving {
  steps: Step[];
  choices: ResolvedChoice[];
  flags: string[];
}

/** @returns the plan that runs; the same when it is resolved again with what was found */
export function resolve(plan: Plan, found: Found): ResolvedPlan {
  const {steps, choices, flags} = [resolveRepositories, resolveName, resolveMissing].reduce<Resolving>(
    (before, next) => next(before, found),
    {steps: plan.steps, choices: [], flags: []},
  );
  return {...plan, steps, flags: [...plan.flags, ...flags.filter((flag) => !plan.flags.includes(flag))], resolved: choices};
}

/** The plan without repositories that cannot be used. It pins those of the node only, and mounts those that the node lacks. */
function resolveRepositories({steps, choices, flags}: Resolving, {repositories}: Found): Resolving {
  if (repositories.length === 0) return {steps, choices, flags};
  const of = (name: string): RepositoryFound | undefined => repositories.find(({repository}) => repository === name);
  const isKept = (step: Step): boolean => {
    if (step.op !== 'cvmfs.bind' && step.op !== 'mount.pin' && step.op !== 'cvmfs.mount') return true;
    const one = of(step.repository);
    if (one === undefined) return step.op !== 'cvmfs.mount';
    return one.usable && (step.op === 'cvmfs.bind' || one.own === (step.op === 'cvmfs.mount'));
  };
  const kept = steps.filter(isKept);
  // where there is nothing to be mounted upon, nothing is to be hidden
  const root = stepOf({steps}, 'cvmfs.probe')?.root;
  const hasRoot = repositories.some(({present}) => present) || stepOf({steps: kept}, 'cvmfs.bind') !== undefined;
  const coversNothing = (step: Step): boolean =>
    !hasRoot && (step.op === 'mount.tmpfs' || step.op === 'mount.readonly') && step.destination === root;
  return {
    steps: kept.filter((step) => !coversNothing(step)),
    choices: [...choices, ...stepsOf({steps}, 'cvmfs.probe').flatMap(({repository}) => choiceOf(of(repository)))],
    flags: [...flags, ...(repositories.every(({usable}) => usable) ? [] : ['cvmfs-missing'])],
  };
}

function choiceOf(found: RepositoryFound | undefined): ResolvedChoice[] {
  if (found === undefined) return [];
  const {repository, usable, own, because} = found;
  const choice = `the repository ${repository}`;
  if (!usable) return [{choice, chose: 'left out', because: because ?? 'it cannot be used'}];
  return [
    own ? {choice, chose: 'mounted by Tare', because: 'the node has not got it'} : {choice, chose: 'the node’s', because: 'it answers'},
  ];
}

/** The name that the box has got. */
function resolveName({steps, choices, flags}: Resolving, {hostname}: Found): Resolving {
  const planned = stepOf({steps}, 'hostname.set')?.hostname;
  if (hostname === null || planned === undefined) return {steps, choices, flags};
  const chosen: ResolvedChoice = {choice: `the host name ${planned}`, chose: hostname, because: 'it was free'};
  return {
    steps: steps.map((step) => (step.op === 'hostname.set' ? {...step, hostname} : step)),
    choices: planned === hostname ? choices : [...choices, chosen],
    flags,
  };
}

/** Skips the tmpfs over what should be a directory of the wrapper and is none, which no engine could mount, and what makes it read-only. */
function resolveMissing({steps, choices, flags}: Resolving, {exists}: Found): Resolving {
  if (exists === undefined) return {steps, choices, flags};
  const covered = stepsOf({steps}, 'mount.tmpfs').map(({destination}) => destination);
  const missing = covered.filter((path) => path !== IN_DEV && !exists(path));
  const isMissing = (step: Step): boolean =>
    (step.op === 'mount.tmpfs' || step.op === 'mount.readonly') && missing.includes(step.destination);
  return {
    steps: steps.filter((step) => !isMissing(step)),
    choices: [
      ...choices,
      ...missing.map((path) => ({choice: `an empty ${path}`, chose: 'left out', because: 'the node has no directory there'})),
    ],
    flags,
  };
}

/** It lies in the box's own /dev. */
const IN_DEV = '/dev/shm';

/** What is decided only when the job runs, and by which rule; but for places that are hidden if they are there. */
export function openChoices(plan: Plan): {choice: string; rule: string}[] {
  const repositories = stepsOf(plan, 'cvmfs.probe').map(({repository, otherwise}) => {
    const isMounted = stepsOf(plan, 'cvmfs.mount').some((step) => step.repository === repository);
    const own = isMounted ? ', else mounted by Tare' : '';
    return {choice: `the repository ${repository}`, rule: `the node’s if it answers${own}; else ${OTHERWISE[otherwise]}`};
  });
  const name = stepOf(plan, 'hostname.set')?.hostname;
  const lease = stepOf(plan, 'network.lease');
  return [
    ...repositories,
    ...(name?.includes('{n}') === true ? [{choice: `the host name ${name}`, rule: 'n is the smallest number that no other box has'}] : []),
    ...(lease === undefined ? [] : [{choice: `addresses of the pool ${lease.pool}`, rule: 'the first that are free'}]),
  ];
}

const OTHERWISE = {refuse: 'the job is not run', without: 'the job is run without it', record: 'it is only recorded'} as const;
