/** Whether a failure says something of the node, or only of what the job named: an account could fail by its own descriptor as often as it likes. */

import type {Job} from '../job/job.js';
import type {Policy} from '../policy/policy.js';
import type {ReportKind} from './report.js';

/** What is known of an attempt when it failed. */
export interface Circumstances {
  /** null: it failed before the job was read. */
  job: Job | null;
  /** null: it could not be read. */
  policy: Policy | null;
  /** The policy was chosen by the job's environment. */
  policyByJob: boolean;
  /** Repositories of CVMFS that could not be used. */
  unusable: readonly string[];
}

/** Things that only a job names: its image, its device, its host name or address. */
const NAMED = new Set([
  'ADDRESSES_EXHAUSTED',
  'DEVICE_MISSING',
  'FIRST_PROCESS_UNAVAILABLE',
  'IMAGE_ARCHITECTURE',
  'IMAGE_BROKEN',
  'IMAGE_NOT_UNPACKED',
  'IMAGE_UNUSABLE',
  'INIT_UNAVAILABLE',
  'NETWORK_FAILED',
  'NETWORK_UNAVAILABLE',
  'USER_UNKNOWN',
]);

/** The kind under which a failure of the node is reported; null: it is not reported. */
export function kindOfFailure(
  code: string,
  {job, policy, policyByJob, unusable}: Circumstances,
): Extract<ReportKind, 'failed' | 'suspected'> | null {
  if (policy === null) return policyByJob ? 'suspected' : 'failed';
  if (NAMED.has(code)) return null;
  if (code === 'CVMFS_UNUSABLE') return unusable.some((repository) => isRequired(policy, repository)) ? 'failed' : null;
  if (job === null) return 'failed';
  if (code === 'FILESYSTEM_UNAVAILABLE' && (job.filesystem !== null || job.image !== null)) return 'suspected';
  return isPlain(job) ? 'failed' : 'suspected';
}

const isRequired = (policy: Policy, repository: string): boolean =>
  [policy, ...policy.rules.map(({set}) => set)].some(({cvmfs}) => cvmfs?.value.required.includes(repository) === true);

/** Whether a job asks for limits only: a failure would then happen to any job. */
const isPlain = ({pattern, network, identity, devices, writable, filesystem, image, init, services, firstProcess}: Job): boolean =>
  firstProcess === undefined &&
  pattern.value !== 'vm-lite' &&
  (network === null || network.value === 'host') &&
  [identity, filesystem, image, init].every((one) => one === null) &&
  [devices, writable, services].every(({length}) => length === 0);
