/** Everything that is decided before anything is touched: documents, facts, plan. */

import {randomBytes} from 'node:crypto';
import {realpathSync, statfsSync, statSync} from 'node:fs';
import {dirname, resolve} from 'node:path';
import type {Through} from '../host/abandon.js';
import type {BatchJob, BatchSettings} from '@tare/contract';
import type {Looked} from '../cvmfs/judge.js';
import {TareError} from '../errors.js';
import type {Facts, IdentityFacts} from '../host/facts.js';
import {readFacts} from '../host/index.js';
import type {Front} from '../host/within.js';
import {spawnBriefly} from '../host/spawn.js';
import type {Job, Valued} from '../job/job.js';
import {applyFlags, type JobFlags} from '../job/flags.js';
import {jobFromCommand, jobFromDocument} from '../job/load.js';
import {formatDuration} from '../job/quantity.js';
import {credentialsOf} from '../plan/credentials.js';
import type {Call, CallSlot, Inputs} from '../plan/inputs.js';
import {makePlan} from '../plan/plan.js';
import {RUN} from '../plan/run.js';
import {slotHere} from '../plan/slot.js';
import {stepOf, stepsOf} from '../plan/step.js';
import {BUILTIN} from '../policy/builtin.js';
import {liesIn} from '../policy/glob.js';
import {nodePlaces, ownPlaces, placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {readNamedJob, readOwnJob, readPlan} from '../files/documents.js';
import {jobFiles, type JobFiles} from '../files/job-files.js';
import {readReports} from '../node-state/reports.js';
import {accountIn, callerIdentity, nameCaller, payloadIdentity, requireAnswer, type NamedCaller} from './identity.js';
import {findImage, findInit, isInRepository} from './image.js';
import {aroundOf, type Around} from '../box/around.js';
import type {Phases} from './earlier.js';
import {leadsTo} from '../files/network-path.js';
import {pinnedCpus} from '../box/pinned.js';
import {checkSavedPlan} from './saved-plan.js';
import {closedAbove, isWithinReach} from '../files/closed.js';
import {holderOf} from '../host/taken-ids.js';
import {realPlace} from '../files/real-place.js';
import {isSquashed, statSquashed} from '../files/squashed.js';
import {askLandlock, tryView} from './trial.js';

/** Where the job comes from. */
export type Source =
  | {kind: 'descriptor'; file: string}
  /** `callerArgvIndex`: where the command begins in the caller's argv, which is then passed on byte for byte. */
  | {kind: 'command'; argv: string[]; callerArgvIndex: number | null}
  | {kind: 'plan'; file: string};

export interface Request {
  source: Source;
  flags: JobFlags;
  /** The policy file that was named, null for the node's own. */
  policyFile: string | null;
  /** Folder of a step whose tasks the box is for: nothing is executed but what they bring. Absent: the box is for the payload. */
  stepDirectory?: string;
}

export interface Prepared {
  plan: Plan;
  facts: Facts;
  identity: IdentityFacts;
  caller: IdentityFacts;
  callerArgvIndex: number | null;
  /** The same with what its image is, which lies in a repository that is to be looked at before; null: nothing is left to be seen. @throws TareError as findImage */
  withImage: ((through: Through | null) => Promise<Prepared>) | null;
  /** Whether the plan has it, and could be made anew without. */
  canDoWithout: (lack: Lack) => boolean;
  /** The same job, planned for a node that lacks it. @throws TareError when the policy requires it */
  without: (lack: Lack, because: string) => Prepared;
}

/** What can turn out not to work although the facts promised it. */
export type Lack = 'box' | 'groups' | 'disk' | 'ids';

/** What is known even when preparing fails: the record of a refusal is made of it. */
export interface Known {
  id: string;
  role: 'wrapper' | 'command';
  /** The attempt as its batch system tells it. */
  batch: BatchJob;
  settings: BatchSettings;
  /** The front of this call. */
  front: Front | undefined;
  caller: IdentityFacts;
  policy: Policy | null;
  job: Job | null;
  facts: Facts | null;
  /** The box that this one is in already. */
  around: Around | null;
  /** What was found of the repositories that the job needs. */
  looked: Looked[];
  /** Says what is done, and for how long the front may wait for it (`Channel.doing`); absent: nobody waits. */
  doing?: (what: string, patienceMs?: number | null) => void;
  /** Another call has the record of this attempt already, so that this one's has a name of its own; null: nobody has looked yet. */
  again: boolean | null;
  /** The attempt can have several phases; null: this call is all of it. */
  phases: Phases | null;
  /** A box is only tried. */
  probe: boolean;
  /** What could not be removed of a box that was begun, and was to be taken back. */
  left: string[];
  /** The way to files that the job names, as whose it is by what is known so far. */
  files: JobFiles;
}

export const newKnown = (batch: BatchJob, role: Known['role'], files: JobFiles, front?: Front): Known => ({
  id: randomBytes(8).toString('hex'),
  role,
  batch,
  settings: {oom: BUILTIN.batch.oom.value},
  front,
  caller: callerIdentity(),
  policy: null,
  job: null,
  facts: null,
  around: null,
  looked: [],
  again: null,
  phases: null,
  probe: false,
  left: [],
  files,
});

/**
 * @param known is filled as things become known
 * @throws TareError | TareErrors; nothing was touched then
 */
export async function prepare(
  request: Request,
  policy: Policy,
  environment: Readonly<Record<string, string>>,
  cwd: string,
  known: Known,
): Promise<Prepared> {
  // a program may have to be asked, which takes its time beside what follows
  const naming = nameCaller(known.caller, policy);
  try {
    const {source} = request;
    if (source.kind === 'plan') return await prepareSaved(source.file, policy, environment, known, naming);
    return await prepareJob(request, policy, environment, cwd, known, naming);
  } finally {
    // the record of a refusal says who it was
    known.caller = (await naming).caller;
  }
}

async function prepareJob(
  request: Request,
  policy: Policy,
  environment: Readonly<Record<string, string>>,
  cwd: string,
  known: Known,
  naming: Promise<NamedCaller>,
): Promise<Prepared> {
  const {batch} = known;
  const {job, callerArgvIndex, cameTo} = await loadJob(request, cwd, batch, known.files);
  known.job = job;
  checkWorkDirectory(job, policy);
  const facts = await gatherFacts(policy, wants(job, policy), known, naming);
  known.around = aroundOf(facts.within, environment, facts.caller.uid);
  requireAnswer(await naming, policy);
  const identity = await payloadIdentity(job, policy, facts.caller, cameTo);
  known.files = jobFiles(identity.value, cwd);
  const call: Call = {
    identity,
    environment,
    ownVariables: batch.ownVariables ?? [],
    writable: (batch.writable ?? []).map(({value, at}) => ({value, provenance: {source: 'slot', at}})),
    slot: slotHere(slotOf(batch), facts),
    batchId: batch.lrms.localJobId,
    tasks: request.stepDirectory === undefined ? undefined : batch.together?.count,
    unboxed: unboxedReason(known, policy),
    ...(isForeign(job.workDirectory, cwd, policy, identity.value) ? {foreignDirectory: true as const} : {}),
    ...(facts.caller.uid === 0 && facts.system !== null ? takenIds(policy) : {}),
    run: reachableInRun(policy, {identity, environment}),
    ...mountPaths(job, batch, policy, facts.caller.uid, identity.value),
    sample: Number.parseInt(known.id.slice(0, 8), 16) / 2 ** 32,
  };
  const inputs: Inputs = {job, policy, facts, call};
  const {image} = job;
  if (image === null) return prepareFrom(inputs, callerArgvIndex);
  const withImage = (through: Through | null): Promise<Prepared> => {
    known.doing?.(`looking at the image ${image.value}`, null);
    return prepareImage(image, inputs, callerArgvIndex, through);
  };
  return isInRepository(image.value, inputs) ? prepareFrom(inputs, callerArgvIndex, withImage) : withImage(null);
}

/** Of what is mounted in a box: where links lead, and what the job's user cannot list on the way. A repository is not touched. */
function mountPaths(job: Job, batch: BatchJob, policy: Policy, callerUid: number, account: IdentityFacts): Pick<Call, 'closed' | 'real'> {
  const asked = [job.workDirectory, ...job.writable, ...(batch.writable ?? [])].map(({value}) => value);
  const paths = [...new Set([...ownPlaces(policy, callerUid), ...asked])].filter((path) => !leadsTo(path, policy.cvmfs.value.root));
  const places = paths.map((path): [string, string] => [path, realPlace(path)]);
  const real = places.filter(([path, place]) => path !== place);
  const closed = closedAbove(
    places.map(([, place]) => place),
    account,
  );
  return {...(closed.length === 0 ? {} : {closed}), ...(real.length === 0 ? {} : {real: Object.fromEntries(real)})};
}

/** Who has an id that accounts of small machines are to have. */
function takenIds(policy: Policy): Pick<Call, 'idsTaken'> {
  const holder = holderOf(policy.identity.machineIds.value);
  return holder === null ? {} : {idsTaken: holder};
}

/** Of the node's /run: what the policy or a rule of it may show, and credentials, which are no sockets. A directory that is closed to the account would fail the box. */
function reachableInRun(policy: Policy, call: Pick<Call, 'identity' | 'environment'>): string[] {
  const named = [policy.run.value, ...policy.rules.map(({set}) => set.run?.value ?? [])].flat();
  const credentials = credentialsOf(policy, call).flatMap(({path}) => (liesIn(path, RUN) ? [path] : []));
  const isThere = (path: string, file: boolean): boolean => {
    try {
      const place = realpathSync(path);
      return (!file || statSync(place).isFile()) && isWithinReach(place, call.identity.value);
    } catch {
      return false;
    }
  };
  const found = [...named.filter((path) => isThere(path, false)), ...credentials.filter((path) => isThere(path, true))];
  return [...new Set(found)];
}

/**
 * Whether a job is to start in a directory that it cannot call its own: one for all to write to, as /tmp is, or one that its descriptor names and that
 * neither lies where the job was called nor is its account's.
 */
function isForeign({value, provenance}: Job['workDirectory'], cwd: string, policy: Policy, account: IdentityFacts): boolean {
  if (leadsTo(value, policy.cvmfs.value.root)) return false;
  try {
    const {uid, mode} = statSync(value);
    if (uid === account.uid) return false;
    return (mode & 0o002) !== 0 || (provenance.source === 'job' && !liesIn(realPlace(value), cwd));
  } catch {
    return false; // root is nobody there, and its owner is the account
  }
}

async function prepareImage(
  image: Valued<string>,
  inputs: Inputs,
  callerArgvIndex: number | null,
  through: Through | null,
): Promise<Prepared> {
  const {job, facts, call} = inputs;
  const looked = await findImage(image, inputs, () => prepareFrom(inputs, callerArgvIndex).plan.mode.value === 'box', through);
  if (looked === null) return prepareFrom(inputs, callerArgvIndex);
  const init = await findInit(looked, job.init, through);
  const system = facts.system === null ? null : {...facts.system, init};
  return prepareFrom({...inputs, facts: {...facts, system}, call: {...call, image: looked}}, callerArgvIndex);
}

function prepareFrom(inputs: Inputs, callerArgvIndex: number | null, withImage: Prepared['withImage'] = null): Prepared {
  const {facts, call} = inputs;
  const plan = makePlan(inputs);
  checkDevices(inputs.job);
  checkRealPlaces(plan, inputs.job.workDirectory.provenance.at, inputs.policy);
  return {
    plan,
    facts,
    identity: call.identity.value,
    caller: facts.caller,
    callerArgvIndex,
    withImage,
    canDoWithout: (lack) => HAS[lack](plan),
    without: (lack, because) => {
      const lost = [...(call.lost ?? []), lack];
      return prepareFrom({...inputs, facts: lacking(facts, lack, because), call: {...call, lost}}, callerArgvIndex);
    },
  };
}

const HAS: Readonly<Record<Lack, (plan: Plan) => boolean>> = {
  // a small machine without is none
  box: ({mode, pattern}) => mode.value === 'box' && pattern.value !== 'vm-lite',
  groups: (plan) => stepOf(plan, 'cgroup.create') !== undefined,
  disk: (plan) => stepOf(plan, 'scratch.contain') !== undefined,
  ids: (plan) => stepOf(plan, 'mount.shift') !== undefined,
};

function lacking(facts: Facts, lack: Lack, because: string): Facts {
  if (lack === 'ids') return facts;
  if (lack === 'box') return {...facts, bubblewrap: {...facts.bubblewrap, path: null, how: because}};
  if (lack === 'disk') {
    const no = {available: false, how: because, remedy: null};
    return {...facts, scratch: {...facts.scratch, containers: {...facts.scratch.containers, loop: no, tmpfs: no}}};
  }
  return {...facts, cgroup: {...facts.cgroup, controllers: {}, toEnable: [], toEmpty: null, how: because}};
}

async function prepareSaved(
  file: string,
  policy: Policy,
  environment: Readonly<Record<string, string>>,
  known: Known,
  naming: Promise<NamedCaller>,
): Promise<Prepared> {
  const plan = await readPlan(file);
  const facts = await gatherFacts(
    policy,
    {
      pins: false,
      view: stepOf(plan, 'mount.overlay') !== undefined,
      system: plan.pattern.value === 'vm-lite',
      network: stepOf(plan, 'hostname.set') !== undefined,
    },
    known,
    naming,
  );
  known.around = aroundOf(facts.within, environment, facts.caller.uid);
  requireAnswer(await naming, policy);
  const identity = checkSavedPlan(plan, file, facts, policy);
  const workDirectory = stepOf(plan, 'payload.execute')?.workDirectory ?? '/';
  if (!leadsTo(workDirectory, policy.cvmfs.value.root)) requireDirectory(workDirectory, file);
  checkRealPlaces(plan, file, policy);
  return {
    plan,
    facts,
    identity,
    caller: facts.caller,
    callerArgvIndex: null,
    withImage: null,
    canDoWithout: () => false,
    without: () => {
      throw new TypeError('a saved plan is not made anew');
    },
  };
}

interface Loaded {
  job: Job;
  callerArgvIndex: number | null;
  /** Where the job was started, when its descriptor came with it; null: the caller has named it, or there is none. */
  cameTo: string | null;
}

/** The job, with what the batch system knows of it: that is who it is, whatever its descriptor says. */
export async function loadJob(
  {source, flags}: Request,
  cwd: string,
  {about, lrms, descriptor, pattern}: BatchJob,
  files: JobFiles,
): Promise<Loaded> {
  const load = async (): Promise<Loaded> => {
    if (source.kind === 'plan') throw new TypeError('a plan is no job');
    if (source.kind === 'descriptor') {
      const directory = dirname(resolve(cwd, source.file));
      const document = await readNamedJob(source.file, () => jobFiles(accountIn(directory), directory));
      const job = jobFromDocument(document, {file: source.file, callerDirectory: cwd});
      return {job, callerArgvIndex: null, cameTo: null};
    }
    const {argv: command, callerArgvIndex} = source;
    if (descriptor === null || callerArgvIndex === null) return {job: jobFromCommand(command, cwd), callerArgvIndex, cameTo: null};
    const document = await readOwnJob(descriptor.value, files);
    const job = jobFromDocument(document, {file: descriptor.value, callerDirectory: cwd, command});
    return {job, callerArgvIndex: document.command === undefined ? callerArgvIndex : null, cameTo: cwd};
  };
  const {job, callerArgvIndex, cameTo} = await load();
  const known = {...job, name: job.name ?? about.name, vo: about.vo ?? job.vo, queue: lrms.queue ?? job.queue};
  const asked = pattern == null ? known : applyFlags(known, {pattern: pattern.value}, cwd, () => pattern.at);
  return {job: applyFlags(asked, flags, cwd), callerArgvIndex, cameTo};
}

function slotOf({slot}: BatchJob): CallSlot {
  const valued = (read: {value: number; at: string} | null) =>
    read === null ? null : {value: read.value, provenance: {source: 'slot' as const, at: read.at}};
  return {
    name: slot.name,
    cores: valued(slot.cores),
    memoryBytes: valued(slot.memoryBytes),
    scratchBytes: valued(slot.scratchBytes),
    gpus: valued(slot.gpus),
    wallTimeUs: valued(slot.wallTimeUs),
    cpuTimeUs: valued(slot.cpuTimeUs),
  };
}

/** A container runtime brings its own namespaces; and a node on which boxes fail again and again does without. */
function unboxedReason({batch, caller}: Known, policy: Policy): Call['unboxed'] {
  if (batch.kind === 'container') return {because: batch.because, always: true};
  const {blackHole} = policy.batch;
  if (blackHole?.then !== 'unboxed') return null;
  const nowMs = Date.now();
  const since = nowMs - blackHole.withinUs / 1000;
  const {length} = (readReports(nodePlaces(policy, caller.uid), nowMs) ?? []).filter(
    ({uid, kind, epochMs}) => uid === caller.uid && kind === 'failed' && epochMs > since,
  );
  if (length < blackHole.failures) return null;
  const because = `${String(length)} failures of the wrapper in ${formatDuration(blackHole.withinUs)} (${blackHole.provenance.at})`;
  return {because, always: false};
}

/** One in a repository is not looked at: init says whether it is there. */
function checkWorkDirectory({workDirectory: {value, provenance}}: Job, policy: Policy): void {
  if (!leadsTo(value, policy.cvmfs.value.root)) requireDirectory(value, provenance.at);
}

function checkDevices({devices}: Job): void {
  for (const {value, provenance} of devices) {
    if (statSync(value, {throwIfNoEntry: false}) === undefined)
      throw new TareError('DEVICE_MISSING', {message: 'the device does not exist on this node', where: provenance.at, found: value});
  }
}

/** What the payload may write to, links followed, must not hold the wrapper's own folders (decision 13: it could forge its record). */
function checkRealPlaces(plan: Plan, where: string, policy: Policy): void {
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
      throw new TareError('OWN_DIRECTORY', {
        message: 'the payload may not write where the wrapper keeps its own',
        where,
        found: `${source} (${real}), which holds ${held}`,
        remedy: 'start the job elsewhere, or set directories in the policy',
      });
    }
  }
}

/** CGROUP_SUPER_MAGIC and CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP_MAGIC: readonly number[] = [0x27e0eb, 0x63677270];

function isOnControlGroups(path: string): boolean {
  try {
    return CGROUP_MAGIC.includes(statfsSync(path).type);
  } catch {
    return false; // not there: the engine will say so
  }
}

function requireDirectory(directory: string, where: string): void {
  try {
    if (statSync(directory).isDirectory()) return;
  } catch (error) {
    if (isSquashed(error) && statSquashed(directory)?.isDirectory === true) return;
    throw new TareError('WORK_DIRECTORY', {
      message: 'the work directory cannot be used',
      where,
      found: `${directory}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    });
  }
  throw new TareError('WORK_DIRECTORY', {message: 'the work directory is not a directory', where, found: directory});
}

/** Facts that cost something, and are found only for those who need them. */
interface Wanted {
  pins: boolean;
  view: boolean;
  system: boolean;
  network: boolean;
}

/** What a rule of the policy may want counts too: which one matches is the plan's to say. */
function wants(job: Job, policy: Policy): Wanted {
  const settings = [policy, ...policy.rules.map(({set}) => set)];
  const pins = [job.limits, policy.defaults, policy.maxima].some(({pinCores}) => pinCores?.value === 1);
  const view =
    job.image !== null ||
    (job.filesystem === null
      ? settings.some(({filesystem}) => (filesystem?.value[0] ?? 'node') !== 'node')
      : job.filesystem.value !== 'node');
  const system = job.pattern.value === 'vm-lite' || job.init !== null || job.services.length > 0 || job.identity !== null;
  return {pins, view, system, network: job.identity !== null};
}

/** Who the caller is comes last, unless something is looked for in its home or by its name. */
async function gatherFacts(policy: Policy, wanted: Wanted, known: Known, naming: Promise<NamedCaller>): Promise<Facts> {
  const {pins, view, system, network} = wanted;
  const caller = view || system ? (await naming).caller : known.caller;
  const {state, scratch} = placesOf(policy, caller.uid);
  const facts = readFacts({
    caller,
    scratchDirectory: scratch,
    front: known.front,
    pinned: pins ? pinnedCpus(state) : [],
    spawn: spawnBriefly,
    landlock: askLandlock,
    trial: view ? tryView : undefined,
    system,
    network,
    cacheFile: `${state}/facts.json`,
  });
  known.facts = facts;
  const named = {...facts, caller: (await naming).caller};
  known.facts = named;
  return named;
}
