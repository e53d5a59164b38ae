/** The box's file system: the node's, read-only, with private temporary directories, and what the job may write to. */

import type {Valued} from '../job/job.js';
import {liesIn, matchesPathGlob} from '../policy/glob.js';
import {ownPlaces} from '../policy/places.js';
import {throughClosed} from './closed.js';
import {isCovered, isPrivate} from './covered.js';
import {planCredentials, type Credential} from './credentials.js';
import type {CvmfsPlan} from './cvmfs.js';
import {BRIDGE, isBlind, isDaemon, isPrepared, isSetuid, mayMakeUser} from './engine.js';
import {planImage, type ImagePlan} from './image.js';
import type {Inputs} from './inputs.js';
import {sizeInMemory, type PlannedLimits} from './limits.js';
import {identityMounts, type IdentityChoice} from './network.js';
import {NODE, nodeFiles, planPreparation, TERMINALS} from './preparation.js';
import {checkStartInRun, planRun, RUN} from './run.js';
import {planQuota, planScratchWatch} from './scratch.js';
import {bind, COVER_BYTES, type Step} from './step.js';
import {PROTECTED} from './system.js';
import {planSystemDirectories, planSystemMounts, rootOwner, type MountedSystem} from './system-mounts.js';
import {chooseView, planEntrances, planView, storedRoot, type ViewChoice, type ViewInputs, type ViewPlan} from './view.js';
import {isOwnDirectory, planWritable, type Writable} from './writable.js';

/** Steps for the mounts of a box, and watches that these need. */
export interface MountPlan {
  steps: Step[];
  watches: Step[];
  /** Why nothing can be written in the box to what is a directory of the node; null when it can. */
  whyUnwritable: (path: string) => string | null;
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

/** What is chosen and where it lies, before the steps are put in their order. */
interface Layout {
  inputs: Inputs;
  limits: PlannedLimits;
  parts: MountParts;
  choice: ViewChoice;
  /** Where a path leads to. */
  real: (path: string) => string;
  work: Writable;
  /** The step that makes the box's own disk; null: it has none. */
  container: Step | null;
  /** Where what the box writes lies: its disk, or its folder. */
  place: string;
  temporary: string;
  varTemporary: string;
  credentials: Credential[];
  identity: Step[];
  /** null: the box has a /run of another kind. */
  run: {before: Step[]; after: Step[]} | null;
  image: ImagePlan | null;
  view: ViewPlan | null;
  /** What is mounted over a view. */
  destinations: string[];
  /** The wrapper's own folders. */
  hidden: string[];
}

/** The steps in their order: what enter prepares, then what the engine mounts; a later one lies over an earlier one. @throws TareError WORK_DIRECTORY */
export function planMounts(inputs: Inputs, limits: PlannedLimits, parts: MountParts): MountPlan {
  const layout = layOut(inputs, limits, parts);
  const {choice, work, container, place, temporary, varTemporary, view, image} = layout;
  const {system} = parts;
  const ofEngine = [...baseSteps(layout), ...privateSteps(layout), ...sharedSteps(layout)];
  const boxed = system === null && choice.image === null ? throughClosed(ofEngine, closedHere(inputs)) : ofEngine;
  const closed = boxed.filter((step) => step.op === 'mount.closed');
  const hasNode = isPrepared(inputs, system) && boxed.some((step) => step.op === 'mount.bind' && step.source === NODE);
  const node = hasNode ? nodeFiles(inputs, parts.cvmfs.binds.length === 0 ? parts.cvmfs.root : null) : [];
  const taken = choice.value === 'image' && image !== null ? [image.take] : [];
  const steps = [...taken, ...planPreparation(inputs, view, container, system, closed, node), ...boxed];
  const layers = view === null ? [] : [`${place}/layers`];
  return {
    steps,
    watches: planScratchWatch(inputs, limits, [temporary, varTemporary, ...layers]),
    whyUnwritable: (path) => {
      if (isPrivate(path) || [...work.asked, ...work.mounted].some(({value}) => liesIn(path, value))) return null;
      return isCovered(path) ? 'is not in the box' : view === null ? 'is read-only in the box' : null;
    },
  };
}

function layOut(inputs: Inputs, limits: PlannedLimits, parts: MountParts): Layout {
  const {job, call} = inputs;
  const {ownNetwork, system, own, cvmfs} = parts;
  const choice = chooseView(inputs);
  const isImage = choice.image !== null;
  const real = realPaths(inputs, isImage);
  const work = planWritable(inputs, real, cvmfs.root);
  const container = planQuota(inputs, limits);
  const place = container?.destination ?? '{box}';
  const below = placeOfPrivate(place, system);
  const credentials = planCredentials(inputs, work.mounted, isImage);
  const identity = identityMounts(own, isImage);
  // an image has a /run of its own, and a small machine an empty one
  const run = system === null && !isImage ? planRun(inputs, ownNetwork) : null;
  const start = job.workDirectory.value;
  checkStartInRun(inputs, call.real?.[start] ?? start, isOwnDirectory(inputs));
  const destinations = [
    '/proc',
    '/dev',
    '/tmp',
    '/var/tmp',
    ...(run === null ? [] : [RUN]),
    ...(system === null ? [] : ['/sys', RUN, '/etc/passwd', '/etc/group']),
    ...(cvmfs.binds.length === 0 ? [] : [cvmfs.root]),
    ...credentials.map(({path}) => path),
    ...work.mounted.map(({value}) => value),
    ...identity.map(({destination}) => destination),
  ];
  const isShown = choice.value === 'image';
  const image = choice.image === null ? null : planImage(choice.image, call.image, inputs.policy, inputs.facts.caller.uid, isShown);
  const view = viewOf(inputs, parts, {choice, place, image, writable: work.mounted.map(({value}) => value), destinations});
  const hidden = isImage ? [] : hidePlaces(inputs, real);
  const [temporary, varTemporary] = [`${below}/tmp`, `${below}/var-tmp`];
  return {
    ...{inputs, limits, parts, choice, real, work, container, place, temporary, varTemporary},
    ...{credentials, identity, run, image, view, destinations, hidden},
  };
}

/** Accounts of a small machine write there: no account of the node may reach it. */
const placeOfPrivate = (place: string, system: MountedSystem | null): string => (system === null ? place : `${place}/private`);

type Viewed = Pick<ViewInputs, 'choice' | 'place' | 'image' | 'writable' | 'destinations'>;

function viewOf({job, facts}: Inputs, {system, cvmfs}: MountParts, viewed: Viewed): ViewPlan | null {
  if (viewed.choice.value === 'node' || viewed.choice.value === 'image' || facts.views === null) return null;
  return planView({
    ...viewed,
    system,
    applications: system === null ? (job.applications?.list.map(({name}) => name) ?? []) : [],
    views: facts.views,
    cvmfs: {root: cvmfs.root, replaced: cvmfs.binds.length > 0},
  });
}

/** What the box has at `/`, the kernel's file systems on it, and its devices. */
function baseSteps({inputs, limits, parts: {system, features, cvmfs}, view, choice}: Layout): Step[] {
  const forEngine = isPrepared(inputs, system);
  const stored = choice.value === 'image' ? choice.image : null;
  const base =
    stored === null
      ? (view?.base ?? [bind('/', '/', ['ro'], 'the node’s file system, read-only')])
      : storedRoot(stored, inputs.call.image?.digest ?? null, cvmfs.binds.length === 0 ? cvmfs.root : null);
  return [
    ...base.map((step): Step => (forEngine && step.op === 'mount.bind' && step.source === '/' ? {...step, source: NODE} : step)),
    // init of a user's small machine has the payload's account, so the kernel would let the payload read init's files there
    system !== null && inputs.facts.caller.uid !== 0
      ? {
          op: 'mount.proc',
          destination: '/proc',
          closed: true,
          because: 'shows the box’s processes only, and of others’ nothing but their numbers',
        }
      : {op: 'mount.proc', destination: '/proc', because: 'shows the box’s processes only'},
    // a small machine's root is another, and has them by its own step
    ...(system === null && inputs.call.identity.value.uid === 0
      ? PROTECTED.readOnly.map((path) =>
          bind(path, path, ['ro'], 'the payload is the node’s root, which may write there without any capability', true),
        )
      : []),
    {op: 'mount.dev', destination: '/dev', ...(forEngine ? {terminals: TERMINALS} : {}), because: 'no devices but the harmless ones'},
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
  ];
}

/** Directories of the box's own, in place of the node's. */
function privateSteps({inputs, limits, parts: {system}, place, temporary, varTemporary, image, run}: Layout): Step[] {
  const [mode, owner] = system === null ? (['0700', 'job'] as const) : (['1777', rootOwner(system)] as const);
  return [
    ...(run?.before ?? []),
    ...(system === null ? [] : planSystemDirectories(placeOfPrivate(place, system), system)),
    ...engineFolders(inputs, system === null && inputs.facts.caller.uid === 0 && inputs.call.identity.value.uid !== 0),
    {op: 'directory.create', path: temporary, mode, owner, because: 'private /tmp on disk: a tmpfs would be charged as memory'},
    {op: 'directory.create', path: varTemporary, mode, owner, because: 'private /var/tmp on disk'},
    bind(temporary, '/tmp', ['rw'], 'private, gone at the end'),
    bind(varTemporary, '/var/tmp', ['rw'], 'private, gone at the end'),
    ...(system === null ? [] : planSystemMounts(inputs, limits, image)),
  ];
}

/** What the engine has in the box's own folder, for itself. @param differs the payload's account is another than the wrapper's */
function engineFolders({engine}: Inputs, differs: boolean): Step[] {
  const daemon = engine != null && isDaemon(engine.engine);
  const other = differs && !daemon;
  return [...(engine?.engine.folders ?? []), ...(daemon ? [BRIDGED] : [])].map(({name, written, because}): Step => {
    const mode = other && !written ? '0755' : '0700';
    return {op: 'directory.create', path: `{box}/${name}`, mode, owner: other && written ? 'job' : 'caller', because};
  });
}

const BRIDGED = {name: BRIDGE, written: true, because: 'init connects here to what its daemon cannot hand on'};

/** Steps over the root: what of the node is hidden, shown again, and writable. */
function sharedSteps({inputs, parts, choice, real, work, credentials, identity, run, view, destinations, hidden}: Layout): Step[] {
  const start = inputs.job.workDirectory.value;
  const late = parts.system !== null && (inputs.job.init?.value ?? 'tare') !== 'tare';
  const written = late ? (['rw', 'late'] as const) : (['rw'] as const);
  return [
    ...hidden.map((place): Step => ({
      op: 'mount.tmpfs',
      destination: place,
      mode: '0555',
      sizeBytes: COVER_BYTES,
      because: 'records and boxes are not the payload’s to see',
    })),
    ...parts.cvmfs.binds,
    ...identity,
    ...credentials.map(({path, because}) => bind(path, path, ['ro'], because, true)),
    ...(!work.startsInOwn && work.canStart && !isPrivate(start) && (choice.image !== null || isCovered(start))
      ? [bind(start, start, ['ro'], 'the work directory, which is not the job’s own')]
      : []),
    ...work.mounted.map(({value, provenance}) =>
      bind(value, value, [...written], value === real(start) ? 'the work directory' : `writable (${provenance.at})`),
    ),
    ...(run?.after ?? []),
    // what is hidden in the box is hidden in a view too
    ...(view === null ? [] : planEntrances(view, [...destinations, ...hidden])),
    ...hidden.map((place): Step => ({op: 'mount.readonly', destination: place, because: 'nothing is stored here'})),
  ];
}

/**
 * Closed directories in which enter mounts, as the engine cannot. Not with a setuid engine, which does not work in a user namespace and does not
 * need it, nor with a daemon, which sees none of these mounts.
 */
function closedHere(inputs: Inputs): readonly string[] {
  const {facts, call} = inputs;
  if (inputs.engine != null && isBlind(inputs.engine.engine)) return [];
  const user = facts.views?.user ?? facts.scratch.containers.user;
  if (user && (isSetuid(inputs) || !mayMakeUser(facts.namespaces.user))) return [];
  return (call.closed ?? []).filter((directory) => !isCovered(directory));
}

/**
 * A mount goes where the path leads: some versions of engines mount on no link, and some below none. Not where the link itself is not in the
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
