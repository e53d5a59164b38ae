/** All repositories of a node, for `tare doctor --cvmfs`. */

import {accessSync, constants, readFileSync} from 'node:fs';
import {randomName} from '../builtin.js';
import type {Entry} from '../cvmfs/classify.js';
import {errnoOf} from '../errors.js';
import {readPolicy} from '../files/documents.js';
import {parseMountinfo} from '../host/mountinfo.js';
import {mountStep, repositoryOf} from '../plan/cvmfs.js';
import type {CvmfsMountRule} from '../policy/cvmfs-mount.js';
import {matchesGlob} from '../policy/glob.js';
import {placesOf} from '../policy/places.js';
import {callerIdentity, defaultIdentity} from '../prepare/identity.js';
import {silentLog} from '../process/log.js';
import {here} from '../process/presence.js';
import {examineRepository} from '../repositories/look-once.js';
import {examineOwn} from '../repositories/own-look.js';

/** What `tare doctor --cvmfs` found. */
export interface ExaminedRepositories {
  root: string;
  repositories: Entry[];
  /** What mounts those that the node has not got; null: the policy says nothing of it. */
  mount: ExaminedMount | null;
  /** All of them can be used, and what would mount others is there. */
  healthy: boolean;
}

interface ExaminedMount {
  client: string;
  /** What is missing, for people; null: nothing that can be seen without a repository. */
  reason: string | null;
}

/**
 * Looks at the repositories that the policy names, those that are mounted, and those that are given, each within the policy's deadline.
 * @throws TareError when the policy cannot be read
 */
export async function examineRepositories(policyFile: string | null, given: readonly string[]): Promise<ExaminedRepositories> {
  const caller = callerIdentity();
  const policy = await readPolicy(policyFile, caller.uid);
  const {root, deadlineUs, minimumRevision, mount} = policy.cvmfs.value;
  const identity = mount !== null && caller.uid === 0 ? (await defaultIdentity(policy, caller)).value : null;
  const named = [policy, ...policy.rules.map(({set}) => set)].flatMap(({cvmfs}) =>
    cvmfs === undefined ? [] : [...cvmfs.value.required, ...cvmfs.value.allowed.filter((name) => !name.includes('*'))],
  );
  const names = given.length > 0 ? given : [...named, ...mountedIn(root)];
  const repositories = await Promise.all(
    [...new Set(names)].sort().map(async (name) => {
      const least = minimumRevision.find(({pattern}) => matchesGlob(pattern, name))?.revision ?? null;
      const entry = await examineRepository(root, name, deadlineUs, least);
      if (entry.state !== 'absent' || mount === null) return entry;
      // as for a job: only that shows that it can be
      const account = identity?.uid ?? caller.uid;
      const how = {root, account, isUser: caller.uid !== 0, repositories: 1};
      return examineOwn(mountStep(name, mount, how), least, {
        ...{scratch: placesOf(policy, caller.uid).scratch, identity, id: randomName(8)},
        ...{shimPid: process.pid, bootId: here().bootId, log: silentLog},
      });
    }),
  );
  const examined = mount === null ? null : examineMount(mount);
  return {
    root,
    repositories,
    mount: examined,
    healthy: (examined?.reason ?? null) === null && repositories.every(({state}) => state === 'ok'),
  };
}

/** Jobs are refused where one of these is missing, whatever repository they name. */
function examineMount({client, config, configDirectory, parameters, at}: CvmfsMountRule): ExaminedMount {
  const keys = parameters.find(({name}) => name === 'CVMFS_KEYS_DIR')?.value;
  const wanted: [string, number][] = [
    [client, constants.X_OK],
    [DEVICE, constants.R_OK | constants.W_OK],
    // those of one repository alone may be missing
    ...config.filter((path) => !/%[rd]/.test(path)).map((path): [string, number] => [path, constants.R_OK]),
    ...(configDirectory === null ? [] : [[configDirectory, constants.R_OK | constants.X_OK] as [string, number]]),
    ...(keys === undefined ? [] : [[keys, constants.R_OK | constants.X_OK] as [string, number]]),
  ];
  const missing = wanted.flatMap(([path, mode]) => {
    try {
      accessSync(path, mode);
      return [];
    } catch (error) {
      return [errnoOf(error) === 'ENOENT' ? `${path} is not there` : `${path} cannot be used by this account`];
    }
  });
  return {client, reason: missing.length === 0 ? null : `${missing.join(', ')} (${at})`};
}

const DEVICE = '/dev/fuse';

function mountedIn(root: string): string[] {
  return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).flatMap(({point}) => {
    const name = repositoryOf(point, root);
    return name !== null && point === `${root}/${name}` ? [name] : [];
  });
}
