/** All repositories of a node, for `tare doctor --cvmfs`. */

import {readFileSync} from 'node:fs';
import type {Entry} from '../cvmfs/judge.js';
import {parseMountinfo} from '../host/mountinfo.js';
import {repositoryOf} from '../plan/cvmfs.js';
import {matchesGlob} from '../policy/glob.js';
import {readPolicy} from './documents.js';
import {callerIdentity} from './identity.js';
import {examineRepository} from './repositories.js';

export interface ExaminedRepositories {
  root: string;
  repositories: Entry[];
  /** All of them can be used. */
  healthy: boolean;
}

/**
 * Those that the policy names, those that are mounted, and those that are given; each within the policy's deadline.
 * @throws TareError when the policy cannot be read
 */
export async function examineRepositories(policyFile: string | null, given: readonly string[]): Promise<ExaminedRepositories> {
  const policy = await readPolicy(policyFile, callerIdentity().uid);
  const {root, deadlineUs, minimumRevision} = policy.cvmfs.value;
  const named = [policy, ...policy.rules.map(({set}) => set)].flatMap(({cvmfs}) =>
    cvmfs === undefined ? [] : [...cvmfs.value.required, ...cvmfs.value.allowed.filter((name) => !name.includes('*'))],
  );
  const names = given.length > 0 ? given : [...named, ...mountedIn(root)];
  const repositories = await Promise.all(
    [...new Set(names)].sort().map((name) => {
      const least = minimumRevision.find(({pattern}) => matchesGlob(pattern, name))?.revision ?? null;
      return examineRepository(root, name, deadlineUs, least);
    }),
  );
  return {root, repositories, healthy: repositories.every(({state}) => state === 'ok')};
}

function mountedIn(root: string): string[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).flatMap(({point}) => {
    const name = repositoryOf(point, root);
    return name !== null && point === `${root}/${name}` ? [name] : [];
  });
}
