/** Why the site does not let a job run as it was asked for; empty when it does. Paths are compared as text: links are the runner's business. */

import {TareError} from '../errors.js';
import type {Job, Pattern} from '../job/job.js';
import {either, show} from '../job/show.js';
import {liesIn, matchesGlob, matchesPathGlob} from './glob.js';
import {addressRefusals} from './identity.js';
import {allowsImage} from './images.js';
import type {Applied} from './match.js';

/** @param digest of the job's image, where one is known */
export function refusals(job: Job, pattern: Pattern, {policy, rule, refusal}: Applied, digest: string | null = null): TareError[] {
  if (refusal !== null) {
    const message = `the rule "${rule ?? ''}" refuses the job: ${refusal.value}`;
    return [new TareError('POLICY_REFUSED', {message, where: refusal.provenance.at})];
  }
  const {patterns, network, devices, writable} = policy;
  const errors: TareError[] = [];
  if (!patterns.value.includes(pattern)) {
    errors.push(
      new TareError('PATTERN_FORBIDDEN', {
        message: 'the policy does not allow the pattern',
        where: job.pattern.provenance.at,
        found: pattern,
        allowed: `${either(patterns.value)} (${patterns.provenance.at})`,
      }),
    );
  }
  if (job.network !== null && !network.value.includes(job.network.value)) {
    errors.push(
      new TareError('NETWORK_FORBIDDEN', {
        message: 'the policy does not allow the network',
        where: job.network.provenance.at,
        found: job.network.value,
        allowed: `${either(network.value)} (${network.provenance.at})`,
      }),
    );
  }
  errors.push(...addressRefusals(job, policy));
  for (const {value, provenance} of job.devices) {
    if (devices.value.some((glob) => matchesPathGlob(glob, value))) continue;
    errors.push(
      new TareError('DEVICE_FORBIDDEN', {
        message: 'the policy does not allow the device',
        where: provenance.at,
        found: show(value),
        allowed: listed(devices.value, devices.provenance.at),
      }),
    );
  }
  for (const {value, provenance} of job.writable) {
    if (writable.value.some((directory) => liesIn(value, directory))) continue;
    errors.push(
      new TareError('WRITABLE_FORBIDDEN', {
        message: 'the policy does not allow writing there',
        where: provenance.at,
        found: show(value),
        allowed: listed(writable.value, writable.provenance.at),
      }),
    );
  }
  const {filesystem, images} = policy;
  const view = job.filesystem ?? (job.image === null ? null : {value: 'shared' as const, provenance: job.image.provenance});
  if (view !== null && !filesystem.value.includes(view.value)) {
    errors.push(
      new TareError('FILESYSTEM_FORBIDDEN', {
        message: 'the policy does not allow the file system',
        where: view.provenance.at,
        found: view.value,
        allowed: `${either(filesystem.value)} (${filesystem.provenance.at})`,
      }),
    );
  }
  const {image} = job;
  if (image !== null && !allowsImage(images.value, {path: image.value, digest})) {
    errors.push(
      new TareError('IMAGE_FORBIDDEN', {
        message: 'the policy does not allow the image',
        where: image.provenance.at,
        found: digest === null ? show(image.value) : `${show(image.value)} (${digest})`,
        allowed: listed(images.value, images.provenance.at),
      }),
    );
  }
  const {allowed, required} = policy.cvmfs.value;
  for (const {value, provenance} of job.cvmfs) {
    if (required.includes(value) || allowed.some((glob) => matchesGlob(glob, value))) continue;
    errors.push(
      new TareError('CVMFS_FORBIDDEN', {
        message: 'the policy does not allow the repository',
        where: provenance.at,
        found: show(value),
        allowed: listed([...allowed, ...required], policy.cvmfs.provenance.at),
      }),
    );
  }
  return errors;
}

function listed(values: readonly string[], where: string): string {
  return `${values.length === 0 ? 'none' : values.join(', ')} (${where})`;
}
