/** What the command line says over the job's descriptor. Texts come as they were typed; this file knows no flag parser. */

import type {FileSystem, Job, LimitName, Pattern, Valued} from './job.js';
import {readLimits, type WrittenLimits} from './limits.js';
import {HOST, readImage} from './load.js';
import {absolute} from './path.js';
import {Problems} from './problems.js';
import {show} from './show.js';
import {suggest} from './suggest.js';

/** Flags of the command line that stand for fields of a job descriptor, as written; undefined: not given. */
export type JobFlags = Partial<Record<TextFlag, string | undefined>> & {pinCores?: boolean | undefined};

type TextFlag =
  | Exclude<LimitName, 'pinCores'>
  | ('name' | 'pattern' | 'filesystem' | 'image' | 'cvmfs' | 'network' | 'workDirectory' | 'user' | 'vo' | 'queue');

const PATTERNS: readonly (Pattern | 'auto')[] = ['auto', 'ulimit++', 'quotas++', 'vm-lite'];
const NETWORKS = ['host', 'none'] as const;
/** Name of a repository, as in the descriptor's schema. */
const REPOSITORY = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?$/;
const FILE_SYSTEMS: readonly FileSystem[] = ['node', 'shared', 'private'];

/** A new job; the descriptor's stays as it was. @param nameOf where the person finds it */
export function applyFlags(job: Job, flags: JobFlags, callerDirectory: string, nameOf: (key: string) => string = flagName): Job {
  const problems = new Problems();
  const {text, choice} = readerOf(flags, nameOf, problems);
  const repositories = text('cvmfs');
  const directory = text('workDirectory');
  const image = text('image');
  const applied: Job = {
    ...job,
    name: text('name')?.value ?? job.name,
    pattern: choice('pattern', PATTERNS) ?? job.pattern,
    workDirectory: directory === null ? job.workDirectory : {...directory, value: absolute(directory.value, callerDirectory)},
    limits: {...job.limits, ...readLimits(flags as WrittenLimits, 'flag', nameOf, problems)},
    filesystem: choice('filesystem', FILE_SYSTEMS) ?? job.filesystem,
    image: image === null ? job.image : image.value === HOST ? null : readImage(image, callerDirectory, problems),
    cvmfs: repositories === null ? job.cvmfs : readRepositories(repositories, problems),
    network: choice('network', NETWORKS) ?? job.network,
    user: text('user') ?? job.user,
    vo: text('vo')?.value ?? job.vo,
    queue: text('queue')?.value ?? job.queue,
  };
  if (applied.image !== null && applied.filesystem?.value === 'node')
    problems.invalid({
      message: 'an image cannot be used together with the node’s file system',
      where: applied.filesystem.provenance.at,
      found: 'node',
      allowed: 'shared, private',
    });
  problems.throwIfAny();
  return applied;
}

/** Reads single flags: null for one that is not given. What is wrong becomes a problem. */
function readerOf(flags: JobFlags, nameOf: (key: string) => string, problems: Problems) {
  const text = (key: keyof JobFlags): Valued<string> | null => {
    const value = flags[key];
    if (typeof value !== 'string') return null;
    if (value === '') problems.invalid({message: 'empty text', where: nameOf(key), found: show(value), allowed: 'one character or more'});
    return {value, provenance: {source: 'flag', at: nameOf(key)}};
  };
  const choice = <T extends string>(key: keyof JobFlags, allowed: readonly T[]): Valued<T> | null => {
    const given = text(key);
    if (given === null) return null;
    if ((allowed as readonly string[]).includes(given.value)) return given as Valued<T>;
    const near = suggest(given.value, allowed);
    const remedy = near === null ? undefined : `did you mean ${near}?`;
    problems.invalid({
      message: 'not one of the allowed values',
      where: nameOf(key),
      found: show(given.value),
      allowed: allowed.join(', '),
      remedy,
    });
    return null;
  };
  return {text, choice};
}

/** Each repository once. */
function readRepositories(given: Valued<string>, problems: Problems): Valued<string>[] {
  const names = given.value.split(',');
  const wrong = names.find((name) => !REPOSITORY.test(name));
  if (wrong !== undefined)
    problems.invalid({
      message: 'not the name of a repository',
      where: flagName('cvmfs'),
      found: show(wrong),
      allowed: 'names such as atlas.cern.ch, with commas between them',
    });
  return [...new Set(names)].map((value) => ({...given, value}));
}

/** `wallTime` is `--wall-time`. */
export const flagName = (key: string): string => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
