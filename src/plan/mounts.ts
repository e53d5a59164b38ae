/** The box's file system: the node's, read-only, with private temporary directories, and what the job may write to. */

import type {Valued} from '../job/job.js';
import {normalize} from 'node:path/posix';
import {liesIn, matchesPathGlob} from '../policy/glob.js';
import {placesOf} from '../policy/places.js';
import type {Inputs} from './inputs.js';
import type {Step} from './step.js';

/** Directories of the node that are replaced by private ones: what lies there is not in the box unless it is bound. */
const PRIVATE = ['/tmp', '/var/tmp', '/dev', '/proc'] as const;
/** Private directories in which a credential can lie. Neither they themselves nor /proc and /dev are ever brought back: that would undo them. */
const HIDES_CREDENTIALS = ['/tmp', '/var/tmp', '/dev/shm'] as const;
/** Nothing below these is made writable: a control group that is writable in the box is a way out of its limits. */
const NEVER_BELOW = ['/proc', '/sys'];
/** A work directory that is one of these stays read-only: making it writable would be making the node writable. */
const NEVER_WRITABLE: readonly string[] = [
  '/',
  '/bin',
  '/boot',
  '/dev',
  '/etc',
  '/lib',
  '/lib64',
  '/opt',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var',
];

/** Whether a path of the node is covered by something private in the box. */
function isCovered(path: string): boolean {
  return PRIVATE.some((directory) => liesIn(path, directory));
}

/** A directory that is in every box as it is on the node: read-only. */
export const isNeverWritable = (path: string): boolean =>
  NEVER_WRITABLE.includes(path) || NEVER_BELOW.some((directory) => liesIn(path, directory));

export interface MountPlan {
  steps: Step[];
  /** Whether a directory of the node does not exist in the box, and no step brings it back. */
  isHidden: (path: string) => boolean;
}

/** @param features what the box is told about itself, on its own /dev before that becomes read-only */
export function planMounts(inputs: Inputs, features: readonly Step[]): MountPlan {
  const {job} = inputs;
  const work = job.workDirectory.value;
  const writable = [...(isNeverWritable(work) ? [] : [job.workDirectory]), ...job.writable.filter(({value}) => !isNeverWritable(value))];
  const bind = (source: string, destination: string, options: ('ro' | 'rw' | 'dev')[], because: string, optional = false): Step => ({
    op: 'mount.bind',
    source,
    destination,
    options,
    optional,
    because,
  });
  const steps: Step[] = [
    bind('/', '/', ['ro'], 'the node’s file system, read-only'),
    {op: 'mount.proc', destination: '/proc', because: 'shows the box’s processes only'},
    {op: 'mount.dev', destination: '/dev', because: 'no devices but the harmless ones'},
    ...planDevices(inputs).map((device) => bind(device.value, device.value, ['dev'], `allowed by ${device.provenance.at}`)),
    ...features,
    {op: 'mount.readonly', destination: '/dev', because: 'nothing is stored here'},
    {
      op: 'mount.tmpfs',
      destination: '/dev/shm',
      mode: '1777',
      sizeBytes: null,
      because: 'private shared memory; its pages are the payload’s memory',
    },
    {
      op: 'directory.create',
      path: '{box}/tmp',
      mode: '0700',
      owner: 'job',
      because: 'private /tmp on disk: a tmpfs would be charged as memory',
    },
    {op: 'directory.create', path: '{box}/var-tmp', mode: '0700', owner: 'job', because: 'private /var/tmp on disk'},
    bind('{box}/tmp', '/tmp', ['rw'], 'private, gone at the end'),
    bind('{box}/var-tmp', '/var/tmp', ['rw'], 'private, gone at the end'),
    ...hidePlaces(inputs).map((place): Step => ({
      op: 'mount.tmpfs',
      destination: place,
      mode: '0555',
      sizeBytes: null,
      because: 'records and boxes are not the payload’s to see',
    })),
    ...planCredentials(inputs, writable).map(({path, because}) => bind(path, path, ['ro'], because, true)),
    ...writable.map(({value, provenance}) =>
      bind(value, value, ['rw'], value === work ? 'the work directory' : `writable (${provenance.at})`),
    ),
  ];
  return {
    steps,
    isHidden: (path) => isCovered(path) && !['/tmp', '/var/tmp'].includes(path) && !writable.some(({value}) => liesIn(path, value)),
  };
}

/** The wrapper's own folders, each once, but where something private covers them anyway. */
function hidePlaces({policy, facts}: Inputs): string[] {
  const {state, spools, scratch} = placesOf(policy, facts.caller.uid);
  const places = [...new Set([state, ...spools, scratch])].filter((place) => !isCovered(place));
  return places.filter((place) => !places.some((other) => other !== place && liesIn(place, other)));
}

/** Devices of the policy that exist here, and those that the job asks for: one that is missing fails the box. */
function planDevices({job, policy, facts}: Inputs): Valued<string>[] {
  const {value: allowed, provenance} = policy.devices;
  const present = facts.devices.filter((device) => allowed.some((pattern) => matchesPathGlob(pattern, device)));
  return [...present.map((value) => ({value, provenance})), ...job.devices.filter(({value}) => !present.includes(value))];
}

/** Credential files that a private directory would hide. A file elsewhere is visible as it is. */
function planCredentials({policy, call}: Inputs, writable: Valued<string>[]): {path: string; because: string}[] {
  const {uid} = call.identity.value;
  const candidates = policy.credentials.value.flatMap((name) => {
    const path = credentialPath(call.environment[name]);
    return path === null ? [] : [{path, because: `credential named by ${name}`}];
  });
  candidates.push(
    {path: `/tmp/x509up_u${String(uid)}`, because: 'where a proxy certificate lies by default'},
    {path: `/tmp/bt_u${String(uid)}`, because: 'where a bearer token lies by default (WLCG bearer token discovery)'},
    {path: `/tmp/krb5cc_${String(uid)}`, because: 'where a Kerberos ticket lies by default'},
  );
  const hidden = candidates.filter(({path}) => HIDES_CREDENTIALS.some((directory) => path.startsWith(`${directory}/`)));
  return hidden.filter(({path}, index) => {
    const first = hidden.findIndex((other) => other.path === path) === index;
    // what lies below another is bound with it, or cannot be there
    const alone = !hidden.some((other) => other.path !== path && liesIn(path, other.path));
    return first && alone && !writable.some(({value}) => liesIn(path, value));
  });
}

/** The file in the value of a credential variable; KRB5CCNAME may say FILE:, DIR: or DIR:: before it, other kinds are no files. */
function credentialPath(value: string | undefined): string | null {
  const path = value?.replace(/^(?:FILE:|DIR::?)/, '');
  // `..` and a final slash would name the private directory itself, or what lies beside it
  return path?.startsWith('/') === true ? normalize(path).replace(/\/$/, '') : null;
}
