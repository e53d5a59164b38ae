/** One look at one repository, by a process that can be left alone, and where its answer is kept for others. */

import {dirname, join} from 'node:path';
import {ensureOwn} from '../box/state.js';
import {readAnswer, wholeNumber, type Answer} from '../cvmfs/answer.js';
import {entryOf, classify, type Entry, type OwnMount} from '../cvmfs/classify.js';
import {look} from '../cvmfs/look.js';
import {digest} from '../plan/canonical.js';
import {stepOf, type StepOf} from '../plan/step.js';
import {epochUs} from '../process/clock.js';
import type {Log} from '../process/log.js';
import {startTool} from '../process/tool.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {Context} from './own.js';

type Probe = StepOf<'cvmfs.probe'>;

/** The answer is no longer needed. */
export const notWaited = (signal: string): Answer => ({...readAnswer(''), epochUs: epochUs(), error: `${signal} came`});

const ask = (question: Parameters<typeof look>[1]): Promise<Answer> => look((argv) => startTool('tare-repository', argv), question);

/** The answer is for this job alone. */
export const lookAtMount = (own: OwnMount, repository: string, identity: Context['identity'], deadlineUs: number): Promise<Answer> =>
  ask({
    ...{root: dirname(own.place), repository, file: '', ageUs: 0},
    ...{deadlineUs, identity, mounter: own.mounter.pid},
  });

/** @param own the mount of a client of Tare’s own, which is looked at in place of the node’s */
export function lookOnce(
  {repository, root}: Pick<Probe, 'repository' | 'root'>,
  plan: Plan,
  folder: string | null,
  {ageUs, deadlineUs, at = 'start', own}: {ageUs: number; deadlineUs: number; at?: 'start' | 'end'; own?: OwnMount | undefined},
): Promise<Answer> {
  const identity = stepOf(plan, 'identity.take') ?? null;
  if (own !== undefined) return lookAtMount(own, repository, identity, deadlineUs);
  const file = folder === null ? '' : join(folder, `${String(identity?.uid ?? 'own')}-${digest(root).slice(-8)}-${at}-${repository}`);
  return ask({root, repository, file, ageUs, deadlineUs, identity});
}

/** The same look for `tare doctor`: it neither uses nor keeps an answer for others. */
export async function examineRepository(
  root: string,
  repository: string,
  deadlineUs: number,
  minimumRevision: number | null,
): Promise<Entry> {
  const wanted = {repository, minimumRevision};
  const answer = await ask({root, repository, file: '', ageUs: 0, deadlineUs, identity: null});
  return entryOf(wanted, answer, classify(answer, wanted));
}

/** Errors that the client has counted. */
export const errorsOf = ({attributes}: Answer): number | null => wholeNumber(attributes['nioerr']);

/** The directory of answers, to which only its owner can write; null: answers are not kept. */
export function answersFolder(state: string, log: Log): string | null {
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
