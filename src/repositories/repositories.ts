/** The repositories of a job are looked at before its box is built, and never by this process itself. */

import {join} from 'node:path';
import type {Answer} from '../cvmfs/answer.js';
import {entryOf, fetchedOf, classify, type ProbeResult, type Wanted} from '../cvmfs/classify.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import {epochUs, monotonicUs, sleep} from '../process/clock.js';
import type {KeptSignals} from '../process/kept-signals.js';
import type {Context} from './own.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {configRepositoryOf, placeOf} from './config-repository.js';
import {answersFolder, errorsOf, lookOnce, notWaited} from './look-once.js';
import {NO_CONFIGURATION, obstacleOf, tryOwn, type Configuration, type Finding} from './own-look.js';

type Probe = StepOf<'cvmfs.probe'>;
type Mount = StepOf<'cvmfs.mount'>;

/** Interval of looks while a job waits for a repository. */
const AGAIN_US = 2e6;

/** The account for which they are looked at. */
export interface Asked extends Pick<Context, 'id' | 'shimPid' | 'bootId' | 'log'> {
  plan: Plan;
  /** What ends the wait. */
  kept: KeptSignals;
}

/**
 * Looks at all of them at once, and as often as the plan says at those that cannot be used. What the node has not got is mounted where the
 * plan says how: the caller has to end that (`endOwn`).
 * @returns what was found, in the plan's order
 */
export async function probeRepositories(context: Asked): Promise<ProbeResult[]> {
  const {plan, log} = context;
  const probes = stepsOf(plan, 'cvmfs.probe');
  if (probes.length === 0) return [];
  const folder = answersFolder(plan.directories.state, log);
  const looks = new Map<string, Promise<ProbeResult>>();
  // configuration repositories that the job does not name
  const others = new Map<string, Promise<ProbeResult>>();
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

async function lookForConfiguration(step: Mount, folder: string | null, context: Asked): Promise<ProbeResult> {
  const {plan, kept} = context;
  const wanted = {repository: step.repository, root: step.root, minimumRevision: null};
  const answer = await kept.orWhile(lookOnce(wanted, plan, folder, {ageUs: 0, deadlineUs: step.deadlineUs}), notWaited);
  const verdict = classify(answer, wanted);
  if (verdict.state !== 'absent') return {entry: entryOf(wanted, answer, verdict), errors: errorsOf(answer)};
  return lookAtOwn(wanted, step, folder, {...context, configuration: () => Promise.resolve(NO_CONFIGURATION)});
}

async function lookUntilUsable(probe: Probe, folder: string | null, context: Asked & {configuration: Finding}): Promise<ProbeResult> {
  const {plan, shimPid, log, kept} = context;
  const mount = stepsOf(plan, 'cvmfs.mount').find(({repository}) => repository === probe.repository);
  const endUs = monotonicUs() + probe.waitUs;
  for (let ageUs = probe.shareUs; ; ageUs = Math.min(probe.shareUs, AGAIN_US)) {
    const answer = await kept.orWhile(lookOnce(probe, plan, folder, {ageUs, deadlineUs: probe.deadlineUs}), notWaited);
    const verdict = classify(answer, probe);
    const found =
      verdict.state === 'absent' && mount !== undefined
        ? await lookAtOwn(probe, mount, folder, context)
        : {
            entry: entryOf(probe, answer, {...verdict, reason: withAge(verdict.reason, answer)}),
            errors: errorsOf(answer),
            fetched: fetchedOf(answer),
          };
    // when the shim is gone, the answer is of no use
    const isOver = monotonicUs() + AGAIN_US > endUs || process.ppid !== shimPid || kept.first !== null;
    if (found.entry.state === 'ok' || isOver) return found;
    log.warn('a repository cannot be used yet', {repository: probe.repository, reason: found.entry.reason});
    await kept.orWhile(sleep(AGAIN_US / 1000), () => undefined);
  }
}

/** Adds the age of a shared answer to its reason: a look now may find something else. */
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
): Promise<ProbeResult> {
  const {scratch} = plan.directories;
  const identity = stepOf(plan, 'identity.take') ?? null;
  const isView = stepsOf(plan, 'mount.overlay').some(({lower}) => lower === '/');
  const proxies = folder === null ? null : join(folder, 'proxies.json');
  return tryOwn(wanted, mount, {scratch, identity, ...asked}, {obstacle: obstacleOf(mount.root, isView), kept, proxies, configuration});
}
