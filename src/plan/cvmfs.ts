/**
 * Repositories of CVMFS: which a job needs, that each is looked at before the payload runs, and that a box of a job that names any has no
 * other. The node's mounts are bound as they are; a descriptor on each keeps an automounter from unmounting them while the box is there.
 */

import {cacheOf, configFor, parametersFor, type CvmfsMountRule} from '../policy/cvmfs-mount.js';
import {matchesGlob} from '../policy/glob.js';
import type {Inputs} from './inputs.js';
import type {ModeChoice} from './mode.js';
import {COVER_BYTES, type Step, type StepOf} from './step.js';

/** Steps for the repositories that a job needs. */
export interface CvmfsPlan {
  /** Before anything is mounted for the box. */
  looks: Step[];
  /** In the box; empty where all that the node has is in it. */
  binds: Step[];
  /** The directory of all repositories. */
  root: string;
}

/** @param system whether it is a small machine: its engine makes nothing read-only afterwards */
export function planCvmfs(
  {job, policy, facts, call}: Pick<Inputs, 'job' | 'policy' | 'facts' | 'call'>,
  mode: ModeChoice,
  system: boolean,
): CvmfsPlan {
  const {value: rule, provenance} = policy.cvmfs;
  const {root} = rule;
  const named = new Map(job.cvmfs.map(({value, provenance: where}) => [value, where.at]));
  for (const repository of rule.required) if (!named.has(repository)) named.set(repository, `required by ${provenance.at}`);
  const visible = [...named];
  const image = job.image === null ? null : repositoryOf(job.image.value, root);
  if (image !== null && !named.has(image)) named.set(image, 'the image lies in it');
  const observed = mode.value === 'observe';
  const isUser = facts.caller.uid !== 0;
  const account = isUser ? facts.caller.uid : call.identity.value.uid;
  const looks = [...named].flatMap(([repository, because]): Step[] => {
    const look: Step = {
      op: 'cvmfs.probe',
      repository,
      root,
      deadlineUs: rule.deadlineUs,
      shareUs: rule.shareUs,
      minimumRevision: rule.minimumRevision.find(({pattern}) => matchesGlob(pattern, repository))?.revision ?? null,
      waitUs: observed ? 0 : rule.onFailure.waitUs,
      otherwise: observed ? 'record' : rule.onFailure.then,
      because,
    };
    const hold: Step = {
      op: 'mount.pin',
      repository,
      path: `${root}/${repository}`,
      because: 'no automounter takes it away under the payload',
    };
    if (observed) return [look];
    return [
      look,
      hold,
      ...(rule.mount === null ? [] : [mountStep(repository, rule.mount, {root, account, isUser, repositories: named.size})]),
    ];
  });
  if (mode.value !== 'box' || job.cvmfs.length === 0) return {looks, binds: [], root};
  const binds: Step[] = [
    {
      op: 'mount.tmpfs',
      destination: root,
      mode: '0755',
      sizeBytes: COVER_BYTES,
      because: 'only the repositories that the job named are there',
    },
    ...visible.map(([repository, because]): Step => {
      const path = `${root}/${repository}`;
      return {op: 'cvmfs.bind', repository, source: path, destination: path, because};
    }),
    ...(system ? [] : [{op: 'mount.readonly' as const, destination: root, because: 'nothing is stored here'}]),
  ];
  return {looks, binds, root};
}

/** How one is mounted for a job where the node has not got it. */
export const mountStep = (
  repository: string,
  mount: CvmfsMountRule,
  {root, account, isUser, repositories}: {root: string; account: number; isUser: boolean; repositories: number},
): StepOf<'cvmfs.mount'> => ({
  op: 'cvmfs.mount',
  repository,
  root,
  client: mount.client,
  config: configFor(mount, repository),
  ...(mount.configDirectory === null ? {} : {configDirectory: mount.configDirectory}),
  ...(mount.configRepository === null ? {} : {configRepository: mount.configRepository}),
  parameters: parametersFor(mount, account, repositories),
  sharedCache: mount.sharedCache === null ? null : cacheOf(mount.sharedCache, account),
  deadlineUs: mount.deadlineUs,
  user: isUser,
  because: `where the node has not got it (${mount.at})`,
});

/** The repository that a path lies in; null: in none. */
export function repositoryOf(path: string, root: string): string | null {
  if (!path.startsWith(`${root}/`)) return null;
  const [name = ''] = path.slice(root.length + 1).split('/');
  return name === '' || name === '.' || name === '..' ? null : name;
}
