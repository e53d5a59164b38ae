/**
 * What root's timer does every few seconds: cheap checks, and from time to time a real box as an account that has jobs here. A box that
 * takes long is left to a process of its own: the next call takes up what it found.
 */

import {existsSync, lstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {asTareError, errnoOf, TareError, type TareErrors} from '../errors.js';
import {policyFiles, readPolicy} from '../files/documents.js';
import {start as startProgram} from '../host/spawn.js';
import {isAsking, nextDueUs, nextProbe} from '../node-state/due.js';
import {glanceText, type Stamp} from '../node-state/glance.js';
import {folderOf, readHealth, writeHealth, type HealthProbe, type HealthResult} from '../node-state/health.js';
import {accountsIn, judge, NO_HOLE, type Hole} from '../node-state/judge.js';
import {openReports, readReports} from '../node-state/reports.js';
import {canonicalJson} from '../plan/canonical.js';
import {nodePlaces, type NodePlaces} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {epochUs, sleep} from '../process/clock.js';
import {NATIVE} from '../process/native.js';
import {isRunning, processId, type ProcessId} from '../process/process.js';
import {checkNode, ENGINES, leastRoom, placesOn} from './node-checks.js';
import {probeAs} from './probe-account.js';

/** A file that is written with each result, for who reads no JSON. */
interface Rendered {
  name: string;
  text: (health: HealthResult) => string;
}

export interface ProbeOptions {
  policyFile: string | null;
  /** A box is tried in any case, and waited for. */
  full: boolean;
  rendered: readonly Rendered[];
  version: string;
}

/** A box that has not ended by then was not answered: a node under load takes many times as long as an idle one. */
const BOX_DEADLINE_MS = 120_000;
/** How long a call waits for a box before it leaves it to the next. */
const WAIT_MS = 8_000;
/** A process that ends what it began after its deadline. */
const LOST_US = (BOX_DEADLINE_MS + 30_000) * 1000;
const LOOK_MS = 50;

const UNDER_WAY = 'probing.json';
const FOUND = 'probed.json';

interface UnderWay {
  uid: number;
  at: number;
  /** Jobs of a node on which nothing was found have asked for it. */
  asked: boolean;
  process: ProcessId | null;
}

/** @throws TareError NODE_STATE when nothing can be written */
export async function probeNode(options: ProbeOptions): Promise<HealthResult> {
  const self = process.getuid?.() ?? -1;
  const policy = await loadPolicy(options.policyFile, self);
  const places = nodePlaces(policy instanceof Error ? null : policy, self);
  const folder = openPlace(places);
  const kept = readHealth(places);
  const bootId = readBootId();
  // what was found before the node was started anew says nothing of it now
  const before = kept !== null && kept.bootId === bootId ? kept : null;
  const marks = marksOf(policy, options);
  const beganMs = Date.now() - CLOCK_STEP_MS;
  forgetGlance(options, self);
  const context = {places, folder, policy, options, before, resetAt: kept?.resetAt ?? null, bootId, self};
  let probes = before?.probes ?? [];
  probes = takeUp(folder, probes);
  let result = look(context, probes);
  const {reports, accounts} = result;
  const known = {...result, explainedAt: explainedAtOf(result)};
  const changed = options.full || marks !== readMarks(folder);
  const uid = nextProbe({...known, nowUs: epochUs(), changed}) ?? (options.full ? self : null);
  if (uid !== null && !(policy instanceof Error) && !isUnderWay(folder)) {
    const asked = result.health.healthy && isAsking(known, uid);
    start(folder, {uid, asked}, options.policyFile, probes);
    writeMarks(folder, marks);
  }
  if (isUnderWay(folder)) {
    await awaitEnd(folder, options.full ? LOST_US / 1000 : WAIT_MS);
    probes = takeUp(folder, probes).filter((probe) => accounts.includes(probe.uid));
    // judged by what the last call found, not by what this one has written meanwhile
    result = look(context, probes, reports);
  }
  if (!(policy instanceof Error) && !isUnderWay(folder)) writeGlance({options, policy, places, folder, result, beganMs});
  return result.health;
}

/** A file's time is that of the kernel's last tick. */
const CLOCK_STEP_MS = 20;

/** Forgets the failures that jobs have reported so far, and looks again. @throws TareError NODE_STATE */
export async function resetNode(options: ProbeOptions): Promise<HealthResult> {
  const self = process.getuid?.() ?? -1;
  const policy = await loadPolicy(options.policyFile, self);
  const places = nodePlaces(policy instanceof Error ? null : policy, self);
  const before = readHealth(places);
  if (self !== 0 && lstatSync(places.shared, {throwIfNoEntry: false})?.uid === 0)
    throw new TareError('NODE_STATE', {
      message: 'only root resets a node',
      where: places.shared,
      found: `uid ${String(self)}`,
    });
  if (before !== null)
    guard(places, () => {
      writeHealth(places, {...before, resetAt: epochUs()});
    });
  return probeNode(options);
}

interface Context {
  places: NodePlaces;
  folder: string;
  policy: Policy | TareError;
  options: ProbeOptions;
  before: HealthResult | null;
  resetAt: number | null;
  bootId: string | null;
  self: number;
}

interface Looked {
  health: HealthResult;
  reports: ReturnType<typeof readReports> & object;
  accounts: number[];
  probes: readonly HealthProbe[];
}

/** Cheap checks and the judgement, written. */
function look(
  {places, policy, options, before, resetAt, bootId, self}: Context,
  probes: readonly HealthProbe[],
  known?: Looked['reports'],
): Looked {
  const nowUs = epochUs();
  const read = known ?? readReports(places, nowUs / 1000);
  const reports = read ?? [];
  const accounts = self === 0 ? withOne(accountsIn(reports), self) : [self];
  const current = probes.filter(({uid}) => accounts.includes(uid));
  const checks = checkNode(policy, accounts);
  const since = before === null && resetAt !== null ? blank(resetAt) : before;
  const judgement = judge({nowUs, hole: holeOf(policy), checks, probes: current, reports: read, before: since});
  const health: HealthResult = {
    ...{schema: 'tare/health/v1', at: nowUs, bootId, version: options.version},
    ...judgement,
    ...{probes: current, checks, resetAt},
  };
  guard(places, () => {
    writeHealth(places, health);
    for (const {name, text} of options.rendered) replace(join(folderOf(places), name), text(health), 0o644);
  });
  return {health, reports, accounts, probes: current};
}

const withOne = (uids: number[], self: number): number[] => (uids.length === 0 ? [self] : uids);

/** Of a node of which only is known when it was reset. */
const blank = (resetAt: number): HealthResult => ({
  ...{schema: 'tare/health/v1', at: 0, bootId: null, version: '', healthy: true, reason: null, closedSince: null, boxed: null, failures: 0},
  ...{failuresByAccount: [], probes: [], checks: [], degraded: {}, resetAt, forgivenAt: null, explainedAt: null},
});

/** The schema leaves it open, since older versions did not write it. */
const explainedAtOf = ({health}: Looked): number | null => health.explainedAt ?? null;

function holeOf(policy: Policy | TareError): Hole {
  const hole = policy instanceof Error ? null : policy.batch.blackHole;
  return hole === null ? NO_HOLE : {failures: hole.failures, withinUs: hole.withinUs, drains: hole.then === 'drain'};
}

async function loadPolicy(file: string | null, uid: number): Promise<Policy | TareError> {
  try {
    return await readPolicy(file, uid);
  } catch (error) {
    const trouble: TareError | TareErrors = asTareError(error);
    return trouble instanceof TareError ? trouble : (trouble.errors[0] ?? new TareError('INTERNAL', {message: trouble.message}));
  }
}

/** @throws TareError NODE_STATE */
function openPlace(places: NodePlaces): string {
  return guard(places, () => {
    if (places.uid === 0) openReports(places);
    return folderOf(places);
  });
}

function guard<T>(places: NodePlaces, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const {message} = error as Error;
    throw new TareError('NODE_STATE', {
      message: `what is found of this node cannot be written: ${message}`,
      where: places.uid === 0 ? places.shared : places.own,
      found: errnoOf(error),
      remedy: 'see directories.node in the policy',
      cause: error,
    });
  }
}

function replace(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, {mode});
  renameSync(`${path}.new`, path);
}

/** The box is tried by a process that outlives this one. */
function start(
  folder: string,
  {uid, asked}: Pick<UnderWay, 'uid' | 'asked'>,
  policyFile: string | null,
  probes: readonly HealthProbe[],
): void {
  rmSync(join(folder, FOUND), {force: true});
  const timeouts = probes.find((probe) => probe.uid === uid)?.timeouts ?? 0;
  const argv = ['node', 'probe', '--as', `${String(uid)}:${String(timeouts)}`, '--into', join(folder, FOUND)];
  const child = startProgram(NATIVE, [...argv, ...(policyFile === null ? [] : ['--policy', policyFile])], {
    argv0: 'tare',
    cwd: '/',
    env: {PATH: '/usr/bin:/bin'},
    stdio: 'ignore',
    detached: true,
  });
  child.on('error', () => undefined); // it is lost, which the next call sees
  child.unref();
  const underWay: UnderWay = {uid, asked, at: epochUs(), process: child.pid === undefined ? null : processId(child.pid)};
  replace(join(folder, UNDER_WAY), JSON.stringify(underWay), 0o600);
}

/** What that process does. */
export async function probeInto(as: string, into: string, policyFile: string | null): Promise<void> {
  const [uid = NaN, timeouts = 0] = as.split(':').map(Number);
  const {less: _, ...probe} = await probeAs(uid, policyFile, BOX_DEADLINE_MS, timeouts);
  replace(into, JSON.stringify(probe), 0o600);
}

function isUnderWay(folder: string): boolean {
  return readUnderWay(folder) !== null;
}

async function awaitEnd(folder: string, patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs;
  while (performance.now() < end) {
    const underWay = readUnderWay(folder);
    if (underWay === null || statSync(join(folder, FOUND), {throwIfNoEntry: false}) !== undefined || isLost(underWay)) return;
    await sleep(LOOK_MS);
  }
}

const isLost = ({at, process: of}: UnderWay): boolean => of === null || !isRunning(of) || epochUs() - at > LOST_US;

/** The probes with the one that has ended meanwhile, or was lost. */
function takeUp(folder: string, probes: readonly HealthProbe[]): HealthProbe[] {
  const underWay = readUnderWay(folder);
  if (underWay === null) return [...probes];
  const found = readFound(folder);
  if (found === null && !isLost(underWay)) return [...probes];
  // it may have ended between the two looks
  const last = found ?? readFound(folder) ?? lost(underWay, probes);
  for (const name of [FOUND, UNDER_WAY]) rmSync(join(folder, name), {force: true});
  const vainAt = underWay.asked && last.healthy === true ? last.at : probes.find(({uid}) => uid === last.uid)?.vainAt;
  const probe = vainAt === undefined ? last : {...last, vainAt};
  return [...probes.filter(({uid}) => uid !== last.uid), probe].sort((a, b) => a.uid - b.uid);
}

function lost({uid, at}: UnderWay, probes: readonly HealthProbe[]): HealthProbe {
  const timeouts = (probes.find((probe) => probe.uid === uid)?.timeouts ?? 0) + 1;
  const because = 'the process that tried it has said nothing';
  return {uid, user: null, at, healthy: null, timeouts, tookUs: Math.max(0, epochUs() - at), got: null, wanted: null, because};
}

const readUnderWay = (folder: string): UnderWay | null => readJson(join(folder, UNDER_WAY)) as UnderWay | null;
const readFound = (folder: string): HealthProbe | null => readJson(join(folder, FOUND)) as HealthProbe | null;

/** What only this program writes there. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

const MARKS = 'marks.json';

/** What the probes were made with: when it is another, they say nothing of now. */
function marksOf(policy: Policy | TareError, {policyFile, version}: ProbeOptions): string {
  const files = policyFile === null ? filesOf() : [policyFile];
  const stamps = [NATIVE, process.execPath, ...files].map((path) => {
    const found = statSync(path, {throwIfNoEntry: false});
    return [path, found?.mtimeMs ?? null, found?.size ?? null, found?.ino ?? null];
  });
  return canonicalJson({version, stamps, broken: policy instanceof Error});
}

function filesOf(): string[] {
  try {
    return policyFiles();
  } catch {
    return [];
  }
}

const readMarks = (folder: string): string | null => {
  try {
    return readFileSync(join(folder, MARKS), 'utf8');
  } catch {
    return null;
  }
};

function writeMarks(folder: string, marks: string): void {
  replace(join(folder, MARKS), marks, 0o600);
}

function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}

/** Where native/glance.c looks: it knows no policy. */
const GLANCE = '/var/lib/tare/node/glance';

/** Only root's timer, with the node's own policy, has use for it. */
const isTimers = ({policyFile}: ProbeOptions, self: number): boolean => self === 0 && policyFile === null;

/** While this call looks, whatever was written down before is no more to be compared with. */
function forgetGlance(options: ProbeOptions, self: number): void {
  if (isTimers(options, self)) rmSync(GLANCE, {force: true});
}

interface ToGlance {
  options: ProbeOptions;
  policy: Policy;
  places: NodePlaces;
  folder: string;
  result: Looked;
  beganMs: number;
}

/** Only of a node on which nothing is wrong: any other is looked at properly each time. */
function writeGlance({options, policy, places, folder, result, beganMs}: ToGlance): void {
  const {health, reports, accounts, probes} = result;
  const {healthy, checks, bootId} = health;
  const settled =
    healthy && checks.every(({name, state}) => state === 'ok' || (state === 'limited' && name !== 'switch' && name !== 'spool'));
  if (!isTimers(options, places.uid) || !settled || bootId === null) return;
  try {
    const {spools, rooms, own} = placesOn(policy, accounts);
    const engine = ENGINES.find((path) => existsSync(path));
    const files = [
      NATIVE,
      `${NATIVE}.brain`,
      process.execPath,
      ...filesOf(),
      '/etc/tare',
      '/etc/tare/policy.d',
      ...(engine === undefined ? [] : [engine]),
    ];
    const switches = ['/etc/tare/off', policy.killSwitch.value];
    const before = engine === undefined ? ENGINES : ENGINES.slice(0, ENGINES.indexOf(engine));
    const text = glanceText({
      result: join(folder, 'health.json'),
      bootId,
      beforeS: nextDueUs({explainedAt: explainedAtOf(result), nowUs: health.at, accounts, probes, reports}) / 1e6,
      same: files.filter((path) => existsSync(path)).map(stampOf),
      kinds: [...own, ...spools].map(kindOf),
      gone: [...new Set([...files.filter((path) => !existsSync(path)), ...switches, ...before])],
      room: rooms.map((path) => ({path, ...leastRoom(policy)})),
      write: spools,
      runs: engine === undefined ? [] : [engine],
      quiet: {path: join(places.shared, 'reports'), sinceMs: beganMs},
    });
    if (text !== null && existsSync(dirname(GLANCE))) replace(GLANCE, text, 0o600);
  } catch {
    // something is no longer what it was: the next call looks properly
  }
}

function stampOf(path: string): Stamp {
  const {size, mtimeNs, ino} = statSync(path, {bigint: true});
  return {path, size, mtimeNs, inode: ino};
}

function kindOf(path: string): {path: string; uid: number; mode: number} {
  const {uid, mode} = lstatSync(path);
  return {path, uid, mode};
}
