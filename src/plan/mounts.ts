/** The box's file system: the node's, read-only, with private temporary directories, and what the job may write to. */

import type {Valued} from '../job/job.js';
import {liesIn, matchesPathGlob} from '../policy/glob.js';
import {ownPlaces} from '../policy/places.js';
import {throughClosed} from './closed.js';
import {credentialsOf, type Credential} from './credentials.js';
import {planImage, type ImagePlan} from './image.js';
import type {CvmfsPlan} from './cvmfs.js';
import type {Inputs} from './inputs.js';
import type {PlannedLimits} from './limits.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {IdMaps} from './machine-ids.js';
import {identityMounts, type IdentityChoice} from './network.js';
import {checkStartInRun, planRun, RUN} from './run.js';
import {CONTAINED, planContainer, planScratchWatch} from './scratch.js';
import {COVER_BYTES, type Step, type StepOf} from './step.js';
import {SERVICE_LOGS} from './system.js';
import {chooseView, planEntrances, planView, type ViewPlan} from './view.js';

/** Directories of the node that are replaced by private ones: what lies there is not in the box unless it is bound. */
const PRIVATE = ['/tmp', '/var/tmp', '/dev', '/proc', RUN] as const;
/** Private directories in which a credential can lie. Neither they themselves nor /proc and /dev are ever brought back: that would undo them. */
const HIDES_CREDENTIALS = ['/tmp', '/var/tmp', '/dev/shm', RUN] as const;
/** Nothing below these is made writable: a control group that is writable in the box is a way out of its limits, and what lies in the node's /dev/shm is nobody's memory when the job is over. */
const NEVER_BELOW = ['/dev', '/proc', '/sys'];
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

/** For whoever does not find in the box what is there on the node; null where the box has what lies at the path. */
export function whyNotInBox({mode, steps}: Pick<Plan, 'mode' | 'steps'>, path: string): string | null {
  if (mode.value !== 'box') return null;
  const place = PRIVATE.find((directory) => liesIn(path, directory));
  const isBound = steps.some(
    (step) => step.op === 'mount.bind' && step.source === step.destination && step.source !== '/' && liesIn(path, step.source),
  );
  return place === undefined || isBound ? null : `${place} is private in the box: put it elsewhere, or into the work directory`;
}

/** A directory that is in every box as it is on the node: read-only. */
export const isNeverWritable = (path: string): boolean =>
  NEVER_WRITABLE.includes(path) || NEVER_BELOW.some((directory) => liesIn(path, directory));

export interface MountPlan {
  steps: Step[];
  watches: Step[];
  /** Why nothing can be written in the box to what is a directory of the node; null when it can. */
  whyUnwritable: (path: string) => string | null;
}

/** A small machine: its init mounts and writes where a payload alone does not. */
interface MountedSystem {
  ownNetwork: boolean;
  /** null: each id is itself in it. */
  maps: IdMaps | null;
}

/** What a box has beside the node's files. */
export interface MountParts {
  /** The box's network is not the node's. */
  ownNetwork: boolean;
  /** What the box is told about itself, on its own /dev before that becomes read-only. */
  features: readonly Step[];
  /** null: it is no small machine. */
  system: MountedSystem | null;
  /** Host name and address of the box's own. */
  own: IdentityChoice | null;
  /** Repositories that the job names. */
  cvmfs: CvmfsPlan;
}

export function planMounts(inputs: Inputs, limits: PlannedLimits, {ownNetwork, features, system, own, cvmfs}: MountParts): MountPlan {
  const {job, facts} = inputs;
  const work = job.workDirectory.value;
  const choice = chooseView(inputs);
  const real = realPaths(inputs, choice.image !== null);
  const places = (path: string): string[] => [path, inputs.call.real?.[path] ?? path];
  const isNever = (path: string): boolean => isNeverWritable(path) || liesIn(path, cvmfs.root);
  // a slot's directories can lie on a RAM disk: who makes them there removes them
  const canStart = places(work).every((path) => path.startsWith('/dev/shm/') || !isNever(path));
  const started = canStart && isOwnDirectory(inputs) ? [job.workDirectory] : [];
  const more = [...job.writable, ...(inputs.call.writable ?? [])].filter(({value}) => !places(value).some(isNever));
  const asked = [...started, ...more];
  const writable = asked.map(({value, provenance}) => ({value: real(value), provenance}));
  const bind = (source: string, destination: string, options: BindOption[], because: string, optional = false): Step => ({
    op: 'mount.bind',
    source,
    destination,
    options,
    optional,
    because,
  });
  const container = planContainer(inputs, limits);
  const place = container?.destination ?? '{box}';
  // users of a small machine's own write there: nobody on the node is to reach it
  const private_ = system === null ? place : `${place}/private`;
  const [temporary, varTemporary] = [`${private_}/tmp`, `${private_}/var-tmp`];
  const credentials = planCredentials(inputs, writable, choice.image !== null);
  const identity = identityMounts(own, choice.image !== null);
  // an image has a /run of its own, and a small machine an empty one
  const run = system === null && choice.image === null ? planRun(inputs, ownNetwork) : null;
  checkStartInRun(inputs, inputs.call.real?.[work] ?? work, isOwnDirectory(inputs));
  const repositories = cvmfs.binds.length === 0 ? [] : [cvmfs.root];
  const destinations = [
    '/proc',
    '/dev',
    '/tmp',
    '/var/tmp',
    ...(run === null ? [] : [RUN]),
    ...(system === null ? [] : ['/sys', RUN, '/etc/passwd', '/etc/group']),
    ...repositories,
    ...credentials.map(({path}) => path),
    ...writable.map(({value}) => value),
    ...identity.map(({destination}) => destination),
  ];
  const image = choice.image === null ? null : planImage(choice.image, inputs.call.image, inputs.policy, facts.caller.uid);
  const view =
    choice.value === 'node' || facts.views === null
      ? null
      : planView({
          ...{choice, place, system, applications: system === null ? (job.applications?.list.map(({name}) => name) ?? []) : []},
          views: facts.views,
          image,
          writable: writable.map(({value}) => value),
          destinations,
          cvmfs: {root: cvmfs.root, replaced: repositories.length > 0},
        });
  const hidden = choice.image === null ? hidePlaces(inputs, real) : [];
  const written: ('rw' | 'late')[] = system !== null && (job.init?.value ?? 'tare') !== 'tare' ? ['rw', 'late'] : ['rw'];
  const [mode, owner] = system === null ? (['0700', 'job'] as const) : (['1777', rootOwner(system)] as const);
  const privates: Step[] = [
    ...(system === null ? [] : planSystemDirectories(private_, system)),
    {op: 'directory.create', path: temporary, mode, owner, because: 'private /tmp on disk: a tmpfs would be charged as memory'},
    {op: 'directory.create', path: varTemporary, mode, owner, because: 'private /var/tmp on disk'},
  ];
  const ofEngine: Step[] = [
    ...(view?.base ?? [bind('/', '/', ['ro'], 'the node’s file system, read-only')]),
    // init of a user's small machine is of the payload's own account, whom the kernel gives its files there
    system !== null && facts.caller.uid !== 0
      ? {
          op: 'mount.proc',
          destination: '/proc',
          closed: true,
          because: 'shows the box’s processes only, and of others’ nothing but their numbers',
        }
      : {op: 'mount.proc', destination: '/proc', because: 'shows the box’s processes only'},
    {op: 'mount.dev', destination: '/dev', because: 'no devices but the harmless ones'},
    ...(system?.ownNetwork === true ? [{op: 'mount.sys' as const, destination: '/sys', because: 'shows the box’s own network'}] : []),
    ...planDevices(inputs).map((device) => bind(device.value, device.value, ['dev'], `allowed by ${device.provenance.at}`)),
    ...features,
    ...(view?.ready ?? []),
    ...(system === null ? [{op: 'mount.readonly' as const, destination: '/dev', because: 'nothing is stored here'}] : []),
    {
      op: 'mount.tmpfs',
      destination: '/dev/shm',
      mode: '1777',
      sizeBytes: sizeInMemory(limits),
      because: 'private shared memory; its pages are the payload’s memory',
    },
    ...(run?.before ?? []),
    ...privates,
    bind(temporary, '/tmp', ['rw'], 'private, gone at the end'),
    bind(varTemporary, '/var/tmp', ['rw'], 'private, gone at the end'),
    ...(system === null ? [] : planSystemMounts(inputs, limits, image, bind)),
    ...hidden.map((place): Step => ({
      op: 'mount.tmpfs',
      destination: place,
      mode: '0555',
      sizeBytes: COVER_BYTES,
      because: 'records and boxes are not the payload’s to see',
    })),
    ...cvmfs.binds,
    ...identity,
    ...credentials.map(({path, because}) => bind(path, path, ['ro'], because, true)),
    ...(started.length === 0 && canStart && !isPrivate(work) && (choice.image !== null || isCovered(work))
      ? [bind(work, work, ['ro'], 'the work directory, which is not the job’s own')]
      : []),
    ...writable.map(({value, provenance}) =>
      bind(value, value, written, value === real(work) ? 'the work directory' : `writable (${provenance.at})`),
    ),
    ...(run?.after ?? []),
    // what is hidden in the box is hidden in a view too
    ...(view === null ? [] : planEntrances(view, [...destinations, ...hidden])),
    ...hidden.map((place): Step => ({op: 'mount.readonly', destination: place, because: 'nothing is stored here'})),
  ];
  const boxed = system === null && choice.image === null ? throughClosed(ofEngine, closedHere(inputs)) : ofEngine;
  const closed = boxed.filter((step) => step.op === 'mount.closed');
  const steps = [...planPreparation(inputs, view, container, system, closed), ...boxed];
  const layers = view === null ? [] : [`${place}/layers`];
  return {
    steps,
    watches: planScratchWatch(inputs, limits, [temporary, varTemporary, ...layers]),
    whyUnwritable: (path) => {
      if (isPrivate(path) || [...asked, ...writable].some(({value}) => liesIn(path, value))) return null;
      return isCovered(path) ? 'is not in the box' : view === null ? 'is read-only in the box' : null;
    },
  };
}

/** Whether a job may write where it starts: else a work directory would be a way around the policy's `writable` and the private /tmp. */
export const isOwnDirectory = ({job, policy, call}: Inputs): boolean =>
  call.foreignDirectory !== true || policy.writable.value.some((directory) => liesIn(job.workDirectory.value, directory));

/** A job that is to start in the node's starts in the private one. */
const isPrivate = (path: string): boolean => ['/tmp', '/var/tmp'].includes(path);

/** Twice the memory: who is over is to be found so and killed, and not to be told that a file system is full; null: no limit. */
const sizeInMemory = ({memory}: PlannedLimits): number | null => (memory.value === null ? null : 2 * memory.value);

type BindOption = 'ro' | 'rw' | 'dev' | 'late';
type Bind = (source: string, destination: string, options: BindOption[], because: string, optional?: boolean) => Step;

/** Where the accounts of a small machine are put together. */
export const ACCOUNTS = '{box}/accounts';

/** Of the OCI runtime: its bundle, and what it notes of a box that runs. */
export const BUNDLE = '{box}/bundle';
export const RUNTIME = '{box}/runtime';

const rootOwner = ({maps}: MountedSystem): 'caller' | 'root' => (maps === null ? 'caller' : 'root');

function planSystemDirectories(own: string, system: MountedSystem): Step[] {
  const make = (path: string, mode: string, because: string): Step => {
    const owner = path === SERVICE_LOGS.place ? rootOwner(system) : 'caller';
    return {op: 'directory.create', path, mode, owner, because};
  };
  return [
    make(own, '0700', 'services have users of their own, and nobody on the node is to reach what they write'),
    make(SERVICE_LOGS.place, '0755', 'what services say'),
    make(ACCOUNTS, '0755', 'accounts of the image, and the payload’s user'),
    make(BUNDLE, '0700', 'what the OCI runtime is told'),
    make(RUNTIME, '0700', 'what the OCI runtime notes'),
  ];
}

function planSystemMounts({job, call}: Inputs, limits: PlannedLimits, image: ImagePlan | null, bind: Bind): Step[] {
  // a file system in a file is not mounted yet when the accounts are read
  const mounted = image?.mounts.find((step) => step.op === 'mount.squashfs');
  const source = mounted?.op === 'mount.squashfs' ? mounted.source : (image?.lower ?? '/');
  const {uid, gid, name, home} = call.identity.value;
  const account = {name: name ?? `u${String(uid)}`, uid, gid, home: home ?? job.workDirectory.value};
  return [
    {
      op: 'mount.tmpfs',
      destination: RUN,
      mode: '0755',
      sizeBytes: sizeInMemory(limits),
      because: 'the state of services; its pages are the box’s memory',
    },
    bind(SERVICE_LOGS.place, SERVICE_LOGS.inBox, ['rw'], 'what services say, for the record'),
    {op: 'accounts.provide', image: source, account, because: 'services find their accounts, and the payload its user'},
    bind(`${ACCOUNTS}/passwd`, '/etc/passwd', ['rw'], 'accounts of the image, and the payload’s user'),
    bind(`${ACCOUNTS}/group`, '/etc/group', ['rw'], 'groups of the image, and the payload’s'),
  ];
}

/** What enter does before the engine: a namespace of its own, the disk, the layers and what is mounted of them. */
function planPreparation(
  {facts, call}: Inputs,
  view: ViewPlan | null,
  container: Step | null,
  system: MountedSystem | null,
  closed: readonly StepOf<'mount.closed'>[],
): Step[] {
  const user = facts.views?.user ?? facts.scratch.containers.user;
  if (view === null && container === null && closed.length === 0) return [];
  const {uid, gid} = call.identity.value;
  const ids = facts.system?.subordinate;
  const root = system !== null && user && ids !== undefined ? {uid, gid, uids: ids.uids, gids: ids.gids} : null;
  const cover = system === null ? null : (facts.system?.unifiedAt ?? null);
  const make = (path: string, mode: string, because: string): Step => {
    // what is made there for mounts is root's of the box
    const owner = path.endsWith('-upper') && system !== null ? rootOwner(system) : 'caller';
    return {op: 'directory.create', path, mode, owner, because};
  };
  return [
    ...(view?.taken ?? []),
    {op: 'view.unshare', user, root, because: 'what is mounted for the box is gone with it, however it ends'},
    ...(cover === null
      ? []
      : [{op: 'mount.cover' as const, at: cover, because: 'OCI runtimes know one version of control groups at a time'}]),
    ...(container === null ? [] : [make(CONTAINED, '0711', 'where the box’s own disk is mounted'), container]),
    ...(view?.directories ?? []).map((path) =>
      // the layers themselves are nobody's to reach but the wrapper's, who removes them
      path.endsWith('/layers') ? make(path, '0700', 'what is written to the view') : make(path, '0755', 'for the view'),
    ),
    ...(view?.lowers ?? []),
    ...(view?.points ?? []),
    ...(view?.mounts ?? []),
    ...closed.map(({at}) => make(at, '0755', 'for what the engine cannot mount')),
  ];
}

/** Where enter can mount as the engine could not: a setuid bubblewrap is of no use in a user namespace, and older than what would need it. */
function closedHere({facts, call}: Inputs): readonly string[] {
  const user = facts.views?.user ?? facts.scratch.containers.user;
  if (user && (facts.bubblewrap.setuid || !facts.namespaces.user.available)) return [];
  return (call.closed ?? []).filter((directory) => !isCovered(directory));
}

/**
 * A mount goes where the path leads: some versions of bubblewrap mount on no link, and some below none. Not where the link itself is not in the
 * box: in an image, or in a private directory.
 */
function realPaths({call}: Inputs, image: boolean): (path: string) => string {
  return (path) => (image || isCovered(path) ? path : (call.real?.[path] ?? path));
}

/** The wrapper's own folders, each once, but where something private covers them anyway. */
function hidePlaces({policy, facts}: Inputs, real: (path: string) => string): string[] {
  const places = [...new Set(ownPlaces(policy, facts.caller.uid).map(real))].filter((place) => !isCovered(place));
  return places.filter((place) => !places.some((other) => other !== place && liesIn(place, other)));
}

/** Devices of the policy that exist here, and those that the job asks for: one that is missing fails the box. */
function planDevices({job, policy, facts}: Inputs): Valued<string>[] {
  const {value: allowed, provenance} = policy.devices;
  const present = facts.devices.filter((device) => allowed.some((pattern) => matchesPathGlob(pattern, device)));
  return [...present.map((value) => ({value, provenance})), ...job.devices.filter(({value}) => !present.includes(value))];
}

/** Credential files that a private directory would hide. A file elsewhere is visible as it is, but in an image: then `all` are needed. */
function planCredentials({policy, call}: Inputs, writable: Valued<string>[], all: boolean): Credential[] {
  // in /run a name could lead to whoever listens there
  const candidates = credentialsOf(policy, call).filter(({path}) => !liesIn(path, RUN) || call.run?.includes(path) === true);
  const isHidden = (path: string): boolean => HIDES_CREDENTIALS.some((directory) => path.startsWith(`${directory}/`));
  const hidden = candidates.filter(({path}) => isHidden(path) || (all && !isNeverWritable(path) && !isCovered(path)));
  return hidden.filter(({path}, index) => {
    const first = hidden.findIndex((other) => other.path === path) === index;
    // what lies below another is bound with it, or cannot be there
    const alone = !hidden.some((other) => other.path !== path && liesIn(path, other.path));
    return first && alone && !writable.some(({value}) => liesIn(path, value));
  });
}
