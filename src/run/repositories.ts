/** The repositories of a job: looked at before its box is built, and after its end, never by this process itself. */

import {join} from 'node:path';
import {wholeNumber, type Answer} from '../cvmfs/answer.js';
import {closeEntry, entryOf, judge, type Entry, type Looked, type Verdict} from '../cvmfs/judge.js';
import {look} from '../cvmfs/look.js';
import {TareError, TareErrors} from '../errors.js';
import {formatDuration} from '../job/quantity.js';
import {digest} from '../plan/canonical.js';
import {stepOf, stepsOf, type StepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {monotonicUs, sleep} from './clock.js';
import type {Log} from './log.js';
import {ensureOwn} from './state.js';
import {startTool} from './tool.js';

type Probe = StepOf<'cvmfs.probe'>;

/** From one look to the next while a job waits for a repository. */
const AGAIN_US = 2e6;
/** At the end nobody is kept waiting long for the record. */
const LAST_DEADLINE_US = 5e6;
/** The payload's end and a look that began at that moment are the same time. */
const CLOCKS_US = 1000;

/**
 * Looks at all of them at once, and as often as the plan says at those that cannot be used.
 * @returns what was found, in the plan's order
 */
export async function lookAtRepositories(plan: Plan, frontPid: number, log: Log): Promise<Looked[]> {
  const probes = stepsOf(plan, 'cvmfs.probe');
  if (probes.length === 0) return [];
  const folder = answersFolder(plan.directories.state, log);
  return Promise.all(probes.map((probe) => lookUntilUsable(probe, plan, folder, {frontPid, log})));
}

async function lookUntilUsable(
  probe: Probe,
  plan: Plan,
  folder: string | null,
  {frontPid, log}: {frontPid: number; log: Log},
): Promise<Looked> {
  const endUs = monotonicUs() + probe.waitUs;
  for (let ageUs = probe.shareUs; ; ageUs = Math.min(probe.shareUs, AGAIN_US)) {
    const answer = await lookOnce(probe, plan, folder, {ageUs, deadlineUs: probe.deadlineUs});
    const verdict = judge(answer, probe);
    // nobody waits any more when the front is gone
    const isOver = monotonicUs() + AGAIN_US > endUs || process.ppid !== frontPid;
    if (verdict.state === 'ok' || isOver) return {entry: entryOf(probe, answer, verdict), errors: errorsOf(answer)};
    log.warn('a repository cannot be used yet', {repository: probe.repository, reason: verdict.reason});
    await sleep(AGAIN_US / 1000);
  }
}

/** @param endedUs when the payload ended, on the monotonic clock: an answer from then on counts */
export async function lookAgain(plan: Plan, looked: readonly Looked[], endedUs: number, log: Log): Promise<Entry[]> {
  const probes = stepsOf(plan, 'cvmfs.probe');
  if (looked.length === 0) return [];
  const folder = answersFolder(plan.directories.state, log);
  return Promise.all(
    looked.map(async ({entry, errors}) => {
      const probe = probes.find(({repository}) => repository === entry.repository);
      if (probe === undefined) return entry;
      const ageUs = monotonicUs() - endedUs + CLOCKS_US;
      const answer = await lookOnce(probe, plan, folder, {
        ageUs,
        deadlineUs: Math.min(probe.deadlineUs, LAST_DEADLINE_US),
        at: 'end',
      });
      const closed = closeEntry(entry, answer, errors);
      if (closed.stateAtEnd !== entry.state)
        log.warn('a repository is no longer what it was', {repository: entry.repository, reason: closed.reasonAtEnd});
      return closed;
    }),
  );
}

function lookOnce(
  {repository, root}: Probe,
  plan: Plan,
  folder: string | null,
  {ageUs, deadlineUs, at = 'start'}: {ageUs: number; deadlineUs: number; at?: 'start' | 'end'},
): Promise<Answer> {
  const identity = stepOf(plan, 'identity.take') ?? null;
  const file = folder === null ? '' : join(folder, `${String(identity?.uid ?? 'own')}-${digest(root).slice(-8)}-${at}-${repository}`);
  return look((argv) => startTool('tare-repository', argv), {root, repository, file, ageUs, deadlineUs, identity});
}

/** A repository that answered and then hangs the engine: the next look, whose answer others get too, tells. */
export function holdUpOf(plan: Plan, log: Log): {afterMs: number; look: () => Promise<string | null>} | null {
  const probes = stepsOf(plan, 'cvmfs.probe').filter(({otherwise}) => otherwise !== 'record');
  if (probes.length === 0) return null;
  const afterMs = Math.max(...probes.map(({deadlineUs}) => deadlineUs)) / 1000;
  return {
    afterMs,
    look: async () => {
      const folder = answersFolder(plan.directories.state, log);
      const found = await Promise.all(
        probes.map(async (probe) => {
          const verdict = judge(await lookOnce(probe, plan, folder, {ageUs: (afterMs * 1000) / 2, deadlineUs: probe.deadlineUs}), probe);
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

/**
 * The plan for what was found: without repositories that cannot be used, where the plan says that the job runs without.
 * @throws TareError | TareErrors CVMFS_UNUSABLE
 */
export function withUsable(plan: Plan, looked: readonly Looked[]): Plan {
  const unusable = looked.map(({entry}) => entry).filter(({state}) => state !== 'ok');
  if (unusable.length === 0) return plan;
  const probes = stepsOf(plan, 'cvmfs.probe');
  const refused = unusable.flatMap((entry) => {
    const probe = probes.find(({repository}) => repository === entry.repository);
    return probe?.otherwise === 'refuse' ? [unusableError(probe, entry)] : [];
  });
  const [only, ...others] = refused;
  if (only !== undefined) throw others.length === 0 ? only : new TareErrors(refused);
  const names = unusable.map(({repository}) => repository);
  const isGone = (step: Plan['steps'][number]): boolean =>
    (step.op === 'cvmfs.bind' || step.op === 'cvmfs.hold') && names.includes(step.repository);
  const steps = plan.steps.filter((step) => !isGone(step));
  // where there is nothing to be mounted upon, nothing is to be hidden
  const {root} = probes[0] ?? {root: ''};
  const hasRoot = looked.some(({entry}) => entry.state !== 'absent') || stepOf({...plan, steps}, 'cvmfs.bind') !== undefined;
  return {
    ...plan,
    steps: hasRoot
      ? steps
      : steps.filter((step) => !((step.op === 'mount.tmpfs' || step.op === 'mount.readonly') && step.destination === root)),
    flags: [...plan.flags, 'cvmfs-missing'],
  };
}

function unusableError({repository, root, waitUs, because}: Probe, {state, reason}: Verdict): TareError {
  const waited = waitUs === 0 ? '' : ` within ${formatDuration(waitUs)}`;
  return new TareError('CVMFS_UNUSABLE', {
    message: `the repository ${repository} cannot be used on this node${waited}`,
    where: because,
    found: `${state}: ${reason ?? ''}`,
    remedy: `look at ${root}/${repository} on the node (\`tare doctor --cvmfs\`), or see cvmfs.onFailure in the policy`,
  });
}
