/** Why the site does not let a job run as it was asked for; empty when it does. Paths are compared as text: links are the runner's business. */

import {TareError, type ErrorCode} from '../errors.js';
import {isImageName} from '../job/image-name.js';
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

const refused = (code: ErrorCode, what: string, {provenance}: Valued<unknown>, found: string, allowed: string): TareError =>
  new TareError(code, {message: `the policy does not allow ${what}`, where: provenance.at, found, allowed});

const oneOf = ({value, provenance}: Valued<readonly string[]>): string => `${either(value)} (${provenance.at})`;
const listed = (values: readonly string[], where: string): string => `${values.length === 0 ? 'none' : values.join(', ')} (${where})`;

const patternRefusals = ({pattern: asked}: Job, pattern: Pattern, {patterns}: Policy): TareError[] =>
  patterns.value.includes(pattern) ? [] : [refused('PATTERN_FORBIDDEN', 'the pattern', asked, pattern, oneOf(patterns))];

const networkRefusals = ({network: asked}: Job, {network}: Policy): TareError[] =>
  asked === null || network.value.includes(asked.value)
    ? []
    : [refused('NETWORK_FORBIDDEN', 'the network', asked, asked.value, oneOf(network))];

/** One for each thing asked for that is not allowed. */
const listRefusals = (
  code: ErrorCode,
  what: string,
  asked: readonly Valued<string>[],
  isAllowed: (value: string) => boolean,
  allowed: string,
): TareError[] => asked.filter(({value}) => !isAllowed(value)).map((one) => refused(code, what, one, show(one.value), allowed));

const deviceRefusals = (job: Job, {devices}: Policy): TareError[] =>
  listRefusals(
    'DEVICE_FORBIDDEN',
    'the device',
    job.devices,
    (value) => devices.value.some((glob) => matchesPathGlob(glob, value)),
    listed(devices.value, devices.provenance.at),
  );

const writableRefusals = (job: Job, {writable}: Policy): TareError[] =>
  listRefusals(
    'WRITABLE_FORBIDDEN',
    'writing there',
    job.writable,
    (value) => writable.value.some((directory) => liesIn(value, directory)),
    listed(writable.value, writable.provenance.at),
  );

function filesystemRefusals(job: Job, {filesystem}: Policy): TareError[] {
  const isViewed = job.image !== null && !isImageName(job.image.value);
  const view = job.filesystem ?? (job.image === null || !isViewed ? null : {value: 'shared' as const, provenance: job.image.provenance});
  if (view === null || filesystem.value.includes(view.value)) return [];
  return [refused('FILESYSTEM_FORBIDDEN', 'the file system', view, view.value, oneOf(filesystem))];
}

function imageRefusals({image}: Job, {images}: Policy, digest: string | null): TareError[] {
  if (image === null || allowsImage(images.value, {path: image.value, digest})) return [];
  const found = digest === null ? show(image.value) : `${show(image.value)} (${digest})`;
  return [refused('IMAGE_FORBIDDEN', 'the image', image, found, listed(images.value, images.provenance.at))];
}

function repositoryRefusals(job: Job, {cvmfs}: Policy): TareError[] {
  const {allowed, required} = cvmfs.value;
  return listRefusals(
    'CVMFS_FORBIDDEN',
    'the repository',
    job.cvmfs,
    (value) => required.includes(value) || allowed.some((glob) => matchesGlob(glob, value)),
    listed([...allowed, ...required], cvmfs.provenance.at),
  );
}
