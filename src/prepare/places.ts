/** What a job names is there, and is nothing that the payload may not have. */

import {statfsSync, statSync} from 'node:fs';
import {errnoOf, ifPossible, TareError} from '../errors.js';
import {leadsTo} from '../files/network-path.js';
import {realPlace} from '../files/real-place.js';
import {isRootSquashed, statRootSquashed} from '../files/root-squash.js';
import type {Job} from '../job/job.js';
import {stepsOf} from '../plan/step.js';
import {liesIn} from '../policy/glob.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** One in a repository is not looked at: init says whether it is there. */
export function checkWorkDirectory({workDirectory: {value, provenance}}: Job, policy: Policy): void {
  if (!leadsTo(value, policy.cvmfs.value.root)) requireDirectory(value, provenance.at);
}

/** Checks that all devices exist. @throws TareError DEVICE_MISSING */
export function checkDevices({devices}: Job): void {
  for (const {value, provenance} of devices) {
    if (statSync(value, {throwIfNoEntry: false}) === undefined)
      throw new TareError('DEVICE_MISSING', {message: 'the device does not exist on this node', where: provenance.at, found: value});
  }
}

/**
 * What the payload may write to, links followed, must not hold the wrapper's own folders (decision 13: it could forge its record).
 * @throws TareError WORK_DIRECTORY, STATE_EXPOSED
 */
export function checkRealPlaces(plan: Plan, where: string, policy: Policy): void {
  const own = [plan.directories.state, ...plan.directories.spools, plan.directories.scratch].map(realPlace);
  for (const {source, options} of stepsOf(plan, 'mount.bind')) {
    if (!options.includes('rw') || source.startsWith('{box}') || leadsTo(source, policy.cvmfs.value.root)) continue;
    const real = realPlace(source);
    if (isOnControlGroups(real)) {
      throw new TareError('WORK_DIRECTORY', {
        message: 'a payload that could write to control groups could leave its limits',
        where,
        found: `${source} (${real})`,
        remedy: 'start the job elsewhere',
      });
    }
    const held = own.find((place) => liesIn(place, real));
    if (held !== undefined) {
      throw new TareError('STATE_EXPOSED', {
        message: 'the payload may not write to the wrapper’s own directories',
        where,
        found: `${source} (${real}), which holds ${held}`,
        remedy: 'start the job elsewhere, or set directories in the policy',
      });
    }
  }
}

/** CGROUP_SUPER_MAGIC and CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP_MAGIC: readonly number[] = [0x27e0eb, 0x63677270];

// not there: the engine will say so
const isOnControlGroups = (path: string): boolean => ifPossible(() => CGROUP_MAGIC.includes(statfsSync(path).type)) ?? false;

/** Checks that a directory exists, also where root may not look (root_squash of NFS). @throws TareError WORK_DIRECTORY */
export function requireDirectory(directory: string, where: string): void {
  try {
    if (statSync(directory).isDirectory()) return;
  } catch (error) {
    if (isRootSquashed(error) && statRootSquashed(directory)?.isDirectory === true) return;
    throw new TareError('WORK_DIRECTORY', {
      message: 'the work directory cannot be used',
      where,
      found: `${directory}: ${errnoOf(error) ?? String(error)}`,
    });
  }
  throw new TareError('WORK_DIRECTORY', {message: 'the work directory is not a directory', where, found: directory});
}
