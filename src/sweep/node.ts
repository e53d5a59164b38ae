/** A sweep for all users of this node, as root; for the own account, as another. */

import {lstatSync} from 'node:fs';
import {promisify} from 'node:util';
import {pruneKept} from '../box/kept-output.js';
import {userPlaces} from '../box/user-places.js';
import {groupOf} from '../files/as-owner.js';
import {policyWords, readPolicy} from '../files/documents.js';
import {childProcess} from '../host/spawn.js';
import {ifPossible} from '../errors.js';
import {placesOf} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {NATIVE} from '../process/native.js';
import {isClosed, readRecord, records} from '../record/spool.js';
import {trimSharedCaches} from '../repositories/shared-cache.js';
import {sweep} from './sweep.js';
import type {Swept} from './swept.js';

/** What became of a box or record of one account. */
export interface SweptOf extends Swept {
  uid: number;
}

/** Another user's sweep can be held up by that user. */
const DEADLINE_MS = 120_000;
/** Most bytes of another user's sweep that are read. */
const MOST_BYTES = 16 * 1024 * 1024;
/** A line of a program's source, or of a stack, as a crash shows them. */
const SOURCE = /^\s*(?:\d+ \||\^|at )/;
/** Most characters of its first line on standard error. */
const MOST_WORDS = 1000;

/** @throws TareError when the policy cannot be read */
export async function sweepNode(policyFile: string | null): Promise<SweptOf[]> {
  const uid = process.getuid?.() ?? -1;
  const policy = await readPolicy(policyFile, uid);
  const swept = (await sweep(placesOf(policy, uid), {uid, pauseAt: policy.pauseAt})).map((one) => ({...one, uid}));
  trimSharedCaches(policy, uid);
  pruneKept(placesOf(policy, uid).state, policy.logs);
  if (uid !== 0) return swept;
  for (const owner of ownersIn(policy)) swept.push(...(await sweepAs(owner, policyFile)));
  return swept;
}

/** Users that may have left something: the owners of directories and files, whose content is not read. */
function ownersIn(policy: Policy): Set<number> {
  const owners = new Set<number>();
  for (const {state, uid} of userPlaces(policy)) {
    const found = lstatSync(state, {throwIfNoEntry: false});
    if (found?.isDirectory() === true && (uid === null || found.uid === uid)) owners.add(found.uid);
  }
  for (const spool of placesOf(policy, 0).spools)
    for (const {id, owner} of records(spool)) if (!owners.has(owner) && !isClosed(readRecord(spool, id, owner))) owners.add(owner);
  owners.delete(0);
  return owners;
}

/**
 * Sweeps one user in a process that has become that user, so that the user's files can cause nothing that the user could not do.
 * The user could have forged its output.
 */
async function sweepAs(uid: number, policyFile: string | null): Promise<SweptOf[]> {
  const argv = ['records', 'sweep', '--json', ...policyWords(policyFile)];
  const left = (message: string): SweptOf[] => [{uid, recordId: null, result: 'left', message}];
  try {
    const run = promisify(childProcess().execFile);
    const {stdout} = await run(NATIVE, argv, {
      ...{uid, gid: groupOf(uid), argv0: 'tare'},
      cwd: '/',
      env: {PATH: '/usr/bin:/bin'},
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MOST_BYTES,
    });
    return parseSwept(stdout, uid);
  } catch (error) {
    const {stdout = '', stderr = '', message, killed} = error as Error & {stdout?: string; stderr?: string; killed?: boolean};
    const said = parseSwept(stdout, uid);
    if (said.length > 0) return said;
    const words = (stderr === '' ? message : stderr).split('\n').find((line) => line.trim() !== '' && !SOURCE.test(line)) ?? '';
    const why = killed === true ? `it was killed after ${String(DEADLINE_MS / 1000)} s` : words.slice(0, MOST_WORDS);
    return left(`the sweep as uid ${String(uid)} failed: ${why}`);
  }
}

const RESULTS = ['closed', 'written', 'cleaned', 'left'];

/** What another user's sweep printed. */
export function parseSwept(text: string, uid: number): SweptOf[] {
  const said = ifPossible((): unknown => JSON.parse(text));
  if (!Array.isArray(said)) return [];
  return said.flatMap((one: unknown) => {
    const {recordId, result, message} = (one ?? {}) as Record<string, unknown>;
    if (!RESULTS.includes(result as string) || typeof message !== 'string') return [];
    return [{uid, recordId: typeof recordId === 'string' ? recordId : null, result: result as Swept['result'], message}];
  });
}
