/** The repositories of a job: looked at before its box is built, and after its end, never by this process itself. */

import {lstatSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {readAnswer, wholeNumber, type Answer} from '../cvmfs/answer.js';
import {
  closeEnded,
  closeEntry,
  entryOf,
  fetchedOf,
  judge,
  type Entry,
  type Looked,
  type OwnMount,
  type Verdict,
  type Wanted,
} from '../cvmfs/judge.js';
import {look} from '../cvmfs/look.js';
import {proxiesIn} from '../cvmfs/proxies.js';
import {TareError, TareErrors} from '../errors.js';
import {formatDuration} from '../job/quantity.js';
import type {Valued} from '../job/job.js';
import {accountOrOwn} from '../plan/account.js';
import {digest} from '../plan/canonical.js';
import {repositoryOf} from '../plan/cvmfs.js';
import type {RepositoryFound} from '../plan/resolve.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {epochUs, monotonicUs, sleep} from '../process/clock.js';
import {KeptSignals} from '../process/kept-signals.js';
import type {Log} from '../process/log.js';
import {deadOf, inBestOrder} from './proxies.js';
import {endOwn, lastWords, mountOwn, usageOf, type Context} from './own.js';
import {configRepositoryOf, placeOf, type ConfigPlace} from './config-repository.js';
import {timeoutsOf} from './talk.js';
import {ensureOwn} from '../box/state.js';
import {startTool, throughTool, type Through} from '../process/tool.js';

type Probe = StepOf<'cvmfs.probe'>;
type Mount = StepOf<'cvmfs.mount'>;

/** From one look to the next while a job waits for a repository. */
const AGAIN_US = 2e6;
/** At the end nobody is kept waiting long for the record. */
const LAST_DEADLINE_US = 5e6;
/** Nobody else uses a client of Tare's own: what it is asked it has in memory. */
const LAST_OWN_DEADLINE_US = 2e6;
/** The payload's end and a look that began at that moment are the same time. */
const CLOCKS_US = 1000;

/** For whom they are looked at. */
export interface Asked {
  plan: Plan;
  id: string;
  frontPid: number;
  bootId: string | null;
  log: Log;
  /** What ends the wait. */
  kept: KeptSignals;
}

/**
 * Looks at all of them at once, and as often as the plan says at those that cannot be used. What the node has not got is mounted where the
 * plan says how: whoever calls has to end that (`endOwn`).
 * @returns what was found, in the plan's order
 */
export async function lookAtRepositories(context: Asked): Promise<Looked[]> {
  const {plan, log} = context;
  const probes = stepsOf(plan, 'cvmfs.probe');
  if (probes.length === 0) return [];
  const folder = answersFolder(plan.directories.state, log);
  const looks = new Map<string, Promise<Looked>>();
  // configuration repositories that the job does not name
  const others = new Map<string, Promise<Looked>>();
  const configuration = async (step: Mount): Promise<Configuration> => {
    const name = configRepositoryOf(step);
    if (name === null) return NO_CONFIGURATION;
    const finding = looks.get(name) ?? others.get(name) ?? lookForConfiguration({...step, repository: name}, folder, context);
    if (!looks.has(name)) others.set(name, finding);
    const found = await finding;
    if (found.entry.state !== 'ok') others.delete(name);
    return {place: placeOf(found, step.root), entry: found.entry};
  };
  for (const probe of probes) looks.set(probe.repository, lookUntilUsable(probe, folder, {...context, configuration}));
  const found = await Promise.all(looks.values());
  const more = await Promise.all(others.values());
  return [...found, ...more.filter(({own}) => own !== undefined)];
}

/** What a client that Tare starts finds of the configuration repository. */
interface Configuration {
  place: ConfigPlace | null;
  /** null: there is none. */
  entry: Entry | null;
}

const NO_CONFIGURATION: Configuration = {place: null, entry: null};

async function lookForConfiguration(step: Mount, folder: string | null, context: Asked): Promise<Looked> {
  const {plan, kept} = context;
  const wanted = {repository: step.repository, root: step.root, minimumRevision: null};
  const answer = await kept.orWhile(lookOnce(wanted, plan, folder, {ageUs: 0, deadlineUs: step.deadlineUs}), notWaited);
  const verdict = judge(answer, wanted);
  if (verdict.state !== 'absent') return {entry: entryOf(wanted, answer, verdict), errors: errorsOf(answer)};
  return lookAtOwn(wanted, step, folder, {...context, configuration: () => Promise.resolve(NO_CONFIGURATION)});
}

/** How the configuration repository of a client is found. */
type Finding = (step: Mount) => Promise<Configuration>;

async function lookUntilUsable(probe: Probe, folder: string | null, context: Asked & {configuration: Finding}): Promise<Looked> {
  const {plan, frontPid, log, kept} = context;
  const mount = stepsOf(plan, 'cvmfs.mount').find(({repository}) => repository === probe.repository);
  const endUs = monotonicUs() + probe.waitUs;
  for (let ageUs = probe.shareUs; ; ageUs = Math.min(probe.shareUs, AGAIN_US)) {
    const answer = await kept.orWhile(lookOnce(probe, plan, folder, {ageUs, deadlineUs: probe.deadlineUs}), notWaited);
    const verdict = judge(answer, probe);
    const found =
      verdict.state === 'absent' && mount !== undefined
        ? await lookAtOwn(probe, mount, folder, context)
        : {
            entry: entryOf(probe, answer, {...verdict, reason: withAge(verdict.reason, answer)}),
            errors: errorsOf(answer),
            fetched: fetchedOf(answer),
          };
    // nobody waits any more when the front is gone
    const isOver = monotonicUs() + AGAIN_US > endUs || process.ppid !== frontPid || kept.first !== null;
    if (found.entry.state === 'ok' || isOver) return found;
    log.warn('a repository cannot be used yet', {repository: probe.repository, reason: found.entry.reason});
    await kept.orWhile(sleep(AGAIN_US / 1000), () => undefined);
  }
}

/** Whoever looks at it now may find something else. */
function withAge(reason: string | null, {shared, epochUs: at}: Answer): string | null {
  if (reason === null || !shared || at === null) return reason;
  const age = Math.max(0, Math.round((epochUs() - at) / 1e6));
  return `${reason}; found ${String(age)} s ago by a look for another job, which counts for cvmfs.shareFor`;
}

async function lookAtOwn(
  wanted: Wanted,
  mount: Mount,
  folder: string | null,
  {plan, kept, configuration, ...asked}: Asked & {configuration: Finding},
): Promise<Looked> {
  const {scratch} = plan.directories;
  const identity = stepOf(plan, 'identity.take') ?? null;
  const isView = stepsOf(plan, 'mount.overlay').some(({lower}) => lower === '/');
  const proxies = folder === null ? null : join(folder, 'proxies.json');
  return tryOwn(wanted, mount, {scratch, identity, ...asked}, {obstacle: obstacleOf(mount.root, isView), kept, proxies, configuration});
}

/** Why a box could not show what is mounted there; null: it can. */
function obstacleOf(root: string, isView: boolean): string | null {
  if (lstatSync(root, {throwIfNoEntry: false}) !== undefined) return null;
  // enter makes one right below /, but what lies above a layer is not in the layer
  if (isView) return `the view of the node needs a directory ${root} there: make it, empty`;
  if (dirname(root) === '/') return null;
  return `the box needs a directory ${root} on the node, since it does not lie right below /: make it, empty`;
}

interface How {
  obstacle?: string | null;
  kept?: KeptSignals;
  /** Where it is kept which proxies do not answer. */
  proxies?: string | null;
  configuration: Finding;
}

/** Mounts it and looks at that; what cannot be used then is not kept. */
async function tryOwn(
  wanted: Wanted,
  step: Mount,
  context: Context,
  {obstacle = null, kept = new KeptSignals(), proxies = null, configuration}: How,
): Promise<Looked> {
  const {repository} = wanted;
  const {identity} = context;
  const {place, entry: configEntry} = obstacle === null ? await configuration(step) : NO_CONFIGURATION;
  const beganUs = monotonicUs();
  const mount = {...step, parameters: await withBestProxies(step, proxies, context.log)};
  const own = obstacle ?? (await mountOwn(mount, context, place));
  if (typeof own === 'string') {
    const answer = {...readAnswer(''), epochUs: epochUs(), us: monotonicUs() - beganUs};
    return {entry: entryOf(wanted, answer, {state: 'broken', reason: `Tare could not mount it: ${own}`}), errors: null};
  }
  const leftUs = Math.max(1, mount.deadlineUs - (monotonicUs() - beganUs));
  const answer = await kept.orWhile(lookAtMount(own, repository, identity, leftUs), notWaited);
  const verdict = judge(answer, wanted);
  if (verdict.state === 'ok') return {entry: entryOf(wanted, answer, verdict, true), errors: errorsOf(answer), own};
  const words = lastWords(own);
  await endOwn([{own, entry: entryOf(wanted, answer, verdict)}]);
  const said = words === null ? '' : `; its client said: ${words}${await meaningOf(words, step)}`;
  const without =
    configEntry === null || place !== null
      ? ''
      : `; without the configuration repository ${configEntry.repository}: ${configEntry.reason ?? configEntry.state}`;
  const reason = `mounted by Tare (${mount.client}): ${verdict.reason ?? verdict.state}${said}${without}`;
  return {entry: {...entryOf(wanted, answer, {state: verdict.state, reason}), mounted: null, fileSystem: null}, errors: null};
}

const PROXIES = 'CVMFS_HTTP_PROXY';
const SERVERS = 'CVMFS_SERVER_URL';

/** @param file where it is kept what does not answer; null: nowhere */
const withBestProxies = ({parameters}: Mount, file: string | null, log: Log): Promise<Mount['parameters']> =>
  Promise.all(parameters.map(async ({name, value}) => ({name, value: name === PROXIES ? await inBestOrder(value, file, log) : value})));

/** A client that reaches no server says only that it has no catalog. */
async function meaningOf(words: string, {repository, parameters, config}: Mount): Promise<string> {
  if (!/catalog|manifest|host serving|proxy/i.test(words)) return '';
  const value = (name: string): string | undefined => parameters.find((one) => one.name === name)?.value;
  const shown = (name: string): string => value(name) ?? `as in ${config.join(', ')}`;
  const proxies = value(PROXIES) ?? '';
  const servers = /(^|[|;])DIRECT([|;]|$)/.test(proxies) ? (value(SERVERS) ?? '').replaceAll('@fqrn@', repository).split(';') : [];
  const dead = (await Promise.all([deadOf(proxiesIn(proxies)), deadOf(servers)])).map((found) =>
    Object.entries(found).map(([url, because]) => `${url} (${because})`),
  );
  const silent = ['proxy', 'server'].flatMap((what, index) => (dead[index] ?? []).map((one) => `the ${what} ${one} does not answer`));
  return `: it could not fetch the catalog, or not believe it; ${[...silent, `proxies: ${shown(PROXIES)}`, `servers: ${shown(SERVERS)}`].join(', ')}`;
}

/** Nobody wants the answer any more. */
const notWaited = (signal: string): Answer => ({...readAnswer(''), epochUs: epochUs(), error: `${signal} came`});

/** The answer is for this job alone. */
const lookAtMount = (own: OwnMount, repository: string, identity: Context['identity'], deadlineUs: number): Promise<Answer> =>
  look((argv) => startTool('tare-repository', argv), {
    ...{root: dirname(own.place), repository, file: '', ageUs: 0},
    ...{deadlineUs, identity, mounter: own.mounter.pid},
  });

/** For whoever examines a node: mounts it, looks at it, and ends all of that. */
export async function examineOwn(mount: Mount, minimumRevision: number | null, context: Context): Promise<Entry> {
  const name = configRepositoryOf(mount);
  const config: Looked[] = [];
  const configuration = async (): Promise<Configuration> => {
    if (name === null) return NO_CONFIGURATION;
    const entry = await examineRepository(mount.root, name, mount.deadlineUs, null);
    const none = (): Promise<Configuration> => Promise.resolve(NO_CONFIGURATION);
    const wanted = {repository: name, minimumRevision: null};
    const found =
      entry.state === 'absent' ? await tryOwn(wanted, {...mount, repository: name}, context, {configuration: none}) : {entry, errors: null};
    config.push(found);
    return {place: placeOf(found, mount.root), entry: found.entry};
  };
  const looked = await tryOwn({repository: mount.repository, minimumRevision}, mount, context, {configuration});
  await endOwn([looked, ...config]);
  return looked.entry;
}

/**
 * @param endedUs when the payload ended, on the monotonic clock: an answer from then on counts
 * @param frontLost Tare's own clients have ended with the front: nothing is known of what the payload had
 */
export async function lookAgain(
  plan: Plan,
  looked: readonly Looked[],
  endedUs: number,
  {frontLost, log}: {frontLost: boolean; log: Log},
): Promise<Entry[]> {
  const probes = stepsOf(plan, 'cvmfs.probe');
  if (looked.length === 0) return [];
  const folder = answersFolder(plan.directories.state, log);
  return Promise.all(
    looked.map(async ({entry, errors, fetched, own, clientEnded}) => {
      if (own !== undefined && frontLost) return entry;
      if (clientEnded !== undefined) return closeEnded(entry, clientEnded);
      // none of a configuration repository
      const probe =
        probes.find(({repository}) => repository === entry.repository) ??
        (own === undefined ? undefined : {repository: entry.repository, root: '', deadlineUs: LAST_OWN_DEADLINE_US});
      if (probe === undefined) return entry;
      const ageUs = monotonicUs() - endedUs + CLOCKS_US;
      const answer = await lookOnce(probe, plan, folder, {
        ageUs,
        deadlineUs: Math.min(probe.deadlineUs, own === undefined ? LAST_DEADLINE_US : LAST_OWN_DEADLINE_US),
        at: 'end',
        own,
      });
      const told = own === undefined ? {} : {...usageOf(own), timeouts: await timeoutsOf(own, entry.repository)};
      const closed = {...closeEntry(entry, answer, errors, fetched), ...told};
      if (closed.stateAtEnd !== entry.state)
        log.warn('a repository is no longer what it was', {repository: entry.repository, reason: closed.reasonAtEnd});
      return closed;
    }),
  );
}

function lookOnce(
  {repository, root}: Pick<Probe, 'repository' | 'root'>,
  plan: Plan,
  folder: string | null,
  {ageUs, deadlineUs, at = 'start', own}: {ageUs: number; deadlineUs: number; at?: 'start' | 'end'; own?: OwnMount | undefined},
): Promise<Answer> {
  const identity = stepOf(plan, 'identity.take') ?? null;
  if (own !== undefined) return lookAtMount(own, repository, identity, deadlineUs);
  const file = folder === null ? '' : join(folder, `${String(identity?.uid ?? 'own')}-${digest(root).slice(-8)}-${at}-${repository}`);
  return look((argv) => startTool('tare-repository', argv), {root, repository, file, ageUs, deadlineUs, identity});
}

/** A repository that answered and then hangs the engine: the next look, whose answer others get too, tells. */
export function holdUpOf(plan: Plan, looked: readonly Looked[], log: Log): {afterMs: number; look: () => Promise<string | null>} | null {
  const probes = stepsOf(plan, 'cvmfs.probe').filter(({otherwise}) => otherwise !== 'record');
  if (probes.length === 0) return null;
  const afterMs = Math.max(...probes.map(({deadlineUs}) => deadlineUs)) / 1000;
  return {
    afterMs,
    look: async () => {
      const folder = answersFolder(plan.directories.state, log);
      const found = await Promise.all(
        probes.map(async (probe) => {
          const own = looked.find(({entry}) => entry.repository === probe.repository)?.own;
          const answer = await lookOnce(probe, plan, folder, {ageUs: (afterMs * 1000) / 2, deadlineUs: probe.deadlineUs, own});
          const verdict = judge(answer, probe);
          return verdict.state === 'ok' ? [] : [`${probe.repository}: ${verdict.reason ?? verdict.state}`];
        }),
      );
      const reasons = found.flat();
      return reasons.length === 0 ? null : `the box waits for a repository: ${reasons.join(', ')}`;
    },
  };
}

/** The same look, for whoever examines a node: nobody's answer but its own. */
export async function examineRepository(
  root: string,
  repository: string,
  deadlineUs: number,
  minimumRevision: number | null,
): Promise<Entry> {
  const wanted = {repository, minimumRevision};
  const answer = await look((argv) => startTool('tare-repository', argv), {
    root,
    repository,
    file: '',
    ageUs: 0,
    deadlineUs,
    identity: null,
  });
  return entryOf(wanted, answer, judge(answer, wanted));
}

const errorsOf = ({attributes}: Answer): number | null => wholeNumber(attributes['nioerr']);

/** Where answers are kept: nobody else's to write to, or nowhere. */
function answersFolder(state: string, log: Log): string | null {
  const uid = process.getuid?.() ?? -1;
  const folder = join(state, 'cvmfs');
  try {
    ensureOwn(state, 0o711, uid);
    ensureOwn(folder, 0o700, uid);
    return folder;
  } catch (error) {
    log.warn('looks at repositories are not shared', {error: (error as Error).message});
    return null;
  }
}

/** How the image of a job can be seen whose repository Tare has mounted; null: as it is. */
export function throughOf(plan: Plan, looked: readonly Looked[], image: string | null): Through | null {
  const [mount, own] = stepsOf(plan, 'cvmfs.mount').flatMap((step) => {
    const found = looked.find(({entry}) => entry.repository === step.repository)?.own;
    return image !== null && found !== undefined && repositoryOf(image, step.root) === step.repository ? [step, found] : [];
  }) as [Mount, OwnMount] | [];
  if (mount === undefined || own === undefined) return null;
  const identity = stepOf(plan, 'identity.take') ?? null;
  const args = [mount.user ? 'user' : 'mount', accountOrOwn(identity), String(own.mounter.pid), own.place, mount.repository, mount.root];
  return throughTool('tare-within', args);
}

/** An image has to be there before the box is. @throws TareError CVMFS_UNUSABLE */
function requireImage(plan: Plan, looked: readonly Looked[], {value, provenance}: Valued<string>): void {
  const probe = stepsOf(plan, 'cvmfs.probe').find(({repository, root}) => repositoryOf(value, root) === repository);
  const found = looked.find(({entry}) => entry.repository === probe?.repository);
  if (probe === undefined || found?.entry.state !== 'absent' || probe.otherwise !== 'refuse') return;
  throw new TareError('CVMFS_UNUSABLE', {
    message: `the image lies in the repository ${probe.repository}, which this node has not got`,
    where: provenance.at,
    found: value,
    allowed: 'a repository that the node mounts, or that Tare can mount (cvmfs.mount in the policy)',
    remedy: `have the node mount ${probe.root}/${probe.repository}, or use an image that lies elsewhere`,
  });
}

/**
 * What was found lets the job run, as the plan says.
 * @param image that of the job
 * @throws TareError | TareErrors CVMFS_UNUSABLE
 */
export function requireUsable(plan: Plan, looked: readonly Looked[], image: Valued<string> | null): void {
  if (image !== null) requireImage(plan, looked, image);
  const refused = looked.flatMap(({entry}) => {
    const probe = stepsOf(plan, 'cvmfs.probe').find(({repository}) => repository === entry.repository);
    return entry.state !== 'ok' && probe?.otherwise === 'refuse' ? [unusableError(probe, entry)] : [];
  });
  const [only, ...others] = refused;
  if (only !== undefined) throw others.length === 0 ? only : new TareErrors(refused);
}

/** For the plan's resolution. */
export const foundOf = (looked: readonly Looked[]): RepositoryFound[] =>
  looked.map(({entry: {repository, state, reason}, own}) => ({
    repository,
    present: state !== 'absent',
    usable: state === 'ok',
    own: own !== undefined,
    because: reason,
  }));

function unusableError({repository, root, waitUs, because}: Probe, {state, reason}: Verdict): TareError {
  const waited = waitUs === 0 ? '' : ` within ${formatDuration(waitUs)}`;
  return new TareError('CVMFS_UNUSABLE', {
    message: `the repository ${repository} cannot be used on this node${waited}`,
    where: because,
    found: `${state}: ${reason ?? ''}`,
    remedy: `look at ${root}/${repository} on the node (\`tare doctor --cvmfs\`), or see cvmfs.onFailure in the policy`,
  });
}
