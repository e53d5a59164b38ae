/** Why the site does not let a job run as it was asked for; empty when it does. Paths are compared as text: links are the runner's business. */

import {TareError} from '../errors.js';
import type {Job, Pattern, Valued} from '../job/job.js';
import {either, show} from '../job/show.js';
import {liesIn, matchesGlob, matchesPathGlob} from './glob.js';
import {addressRefusals} from './identity.js';
import {allowsImage} from './images.js';
import type {Applied} from './match.js';
import type {Policy} from './policy.js';

/** @param digest of the job’s image, where one is known */
export function refusals(job: Job, pattern: Pattern, {policy, rule, refusal}: Applied, digest: string | null = null): TareError[] {
  if (refusal !== null) {
    const message = `the rule "${rule ?? ''}" refuses the job: ${refusal.value}`;
    return [new TareError('POLICY_REFUSED', {message, where: refusal.provenance.at})];
  }
  return [
    ...patternRefusals(job, pattern, policy),
    ...networkRefusals(job, policy),
    ...addressRefusals(job, policy),
    ...deviceRefusals(job, policy),
    ...writableRefusals(job, policy),
    ...filesystemRefusals(job, policy),
    ...imageRefusals(job, policy, digest),
    ...repositoryRefusals(job, policy),
  ];
}

function patternRefusals({pattern: asked}: Job, pattern: Pattern, {patterns}: Policy): TareError[] {
  if (patterns.value.includes(pattern)) return [];
  return [
    new TareError('PATTERN_FORBIDDEN', {
      message: 'the policy does not allow the pattern',
      where: asked.provenance.at,
      found: pattern,
      allowed: `${either(patterns.value)} (${patterns.provenance.at})`,
    }),
  ];
}

function networkRefusals({network: asked}: Job, {network}: Policy): TareError[] {
  if (asked === null || network.value.includes(asked.value)) return [];
  return [
    new TareError('NETWORK_FORBIDDEN', {
      message: 'the policy does not allow the network',
      where: asked.provenance.at,
      found: asked.value,
      allowed: `${either(network.value)} (${network.provenance.at})`,
    }),
  ];
}

/** One for each thing asked for that is not allowed. */
const listRefusals = (
  code: 'DEVICE_FORBIDDEN' | 'WRITABLE_FORBIDDEN' | 'CVMFS_FORBIDDEN',
  message: string,
  asked: readonly Valued<string>[],
  isAllowed: (value: string) => boolean,
  allowed: string,
): TareError[] =>
  asked
    .filter(({value}) => !isAllowed(value))
    .map(({value, provenance}) => new TareError(code, {message, where: provenance.at, found: show(value), allowed}));

const deviceRefusals = (job: Job, {devices}: Policy): TareError[] =>
  listRefusals(
    'DEVICE_FORBIDDEN',
    'the policy does not allow the device',
    job.devices,
    (value) => devices.value.some((glob) => matchesPathGlob(glob, value)),
    listed(devices.value, devices.provenance.at),
  );

const writableRefusals = (job: Job, {writable}: Policy): TareError[] =>
  listRefusals(
    'WRITABLE_FORBIDDEN',
    'the policy does not allow writing there',
    job.writable,
    (value) => writable.value.some((directory) => liesIn(value, directory)),
    listed(writable.value, writable.provenance.at),
  );

function filesystemRefusals(job: Job, {filesystem}: Policy): TareError[] {
  const view = job.filesystem ?? (job.image === null ? null : {value: 'shared' as const, provenance: job.image.provenance});
  if (view === null || filesystem.value.includes(view.value)) return [];
  return [
    new TareError('FILESYSTEM_FORBIDDEN', {
      message: 'the policy does not allow the file system',
      where: view.provenance.at,
      found: view.value,
      allowed: `${either(filesystem.value)} (${filesystem.provenance.at})`,
    }),
  ];
}

function imageRefusals({image}: Job, {images}: Policy, digest: string | null): TareError[] {
  if (image === null || allowsImage(images.value, {path: image.value, digest})) return [];
  return [
    new TareError('IMAGE_FORBIDDEN', {
      message: 'the policy does not allow the image',
      where: image.provenance.at,
      found: digest === null ? show(image.value) : `${show(image.value)} (${digest})`,
      allowed: listed(images.value, images.provenance.at),
    }),
  ];
}

function repositoryRefusals(job: Job, {cvmfs}: Policy): TareError[] {
  const {allowed, required} = cvmfs.value;
  return listRefusals(
    'CVMFS_FORBIDDEN',
    'the policy does not allow the repository',
    job.cvmfs,
    (value) => required.includes(value) || allowed.some((glob) => matchesGlob(glob, value)),
    listed([...allowed, ...required], cvmfs.provenance.at),
  );
}

const listed = (values: readonly string[], where: string): string => `${values.length === 0 ? 'none' : values.join(', ')} (${where})`;
