/** Reads descriptor, policy and plan files, and looks where a site keeps its policy. */

import {constants, fstatSync, readdirSync, readFileSync, type Stats} from 'node:fs';
import {basename, dirname, join, normalize, resolve} from 'node:path/posix';
import type {Read} from '@tare/contract';
import {errnoOf, TareError} from '../errors.js';
import {parseDocument, type Documents, type Kind} from '../job/document.js';
import {policyFromDocuments} from '../policy/load.js';
import type {Policy} from '../policy/policy.js';
import {withFile} from '../record/durable.js';
import {readToEnd, STANDARD_INPUT, STDIN, textOf} from './bounded.js';
import {withOwnState} from './own-state.js';
import type {JobFiles} from './job-files.js';
import {isRootSquashed} from './root-squash.js';

const POLICY_FILE = '/etc/tare/policy.yaml';
const POLICY_FOLDER = '/etc/tare/policy.d';
/** Policies that jobs may be run under instead of the node's own, if the caller of the wrapper names one. */
const OFFERED_FOLDER = '/etc/tare/policies';
/** Bytes of a job or a policy. */
export const LARGEST_DOCUMENT = 1024 * 1024;
/** A plan with a large environment may be larger than what people write. */
const LARGEST_PLAN = 16 * 1024 * 1024;

/** The words by which another process of Tare's, which starts in another directory, reads the same policy; none: the node's own. */
export const policyWords = (named: string | null): string[] => (named === null ? [] : ['--policy', resolve(named)]);

/** Root obeys a plan as it obeys a policy. @throws TareError DOCUMENT_UNREADABLE, POLICY_INSECURE and what parsing throws */
export async function readPlan(file: string): Promise<Documents['plan']> {
  const {text, stats} = readText(file, 'plan');
  if (process.getuid?.() === 0) checkOwner(file, stats);
  return parseDocument({text, file, kind: 'plan'});
}

/** What stands for standard input where a file is named. */
const STDIN_NAME = '-';

/** What a file is called in places. */
export const nameOf = (file: string): string => (file === STDIN_NAME ? STANDARD_INPUT : file);

/** The shim has put the descriptor there (native/input.c), or the caller has. @throws TareError DOCUMENT_UNREADABLE */
function readInput(what: 'job' | 'document', most: number): string {
  try {
    return readToEnd(STDIN, {name: STANDARD_INPUT, what, most});
  } catch (error) {
    throw error instanceof TareError ? error : unreadable(STANDARD_INPUT, what, error);
  }
}

/** The text of a document of any kind; `-` is standard input, to its end. @throws TareError DOCUMENT_UNREADABLE */
export const readAnyText = (file: string): string =>
  file === STDIN_NAME ? readInput('document', LARGEST_PLAN) : readText(file, 'document').text;

/**
 * A descriptor that the caller names; `-` is standard input.
 * @param ofOwner the way there of its directory's owner, for a file in a place where root has no rights (root_squash)
 * @throws TareError DOCUMENT_UNREADABLE and what parsing throws
 */
export async function readNamedJob(file: string, ofOwner: () => JobFiles): Promise<Documents['job']> {
  if (file === STDIN_NAME) return parseDocument({text: readInput('job', LARGEST_DOCUMENT), file: STANDARD_INPUT, kind: 'job'});
  try {
    return await parseDocument({text: readText(file, 'job').text, file, kind: 'job'});
  } catch (error) {
    if (!isRootSquashed((error as TareError).cause)) throw error;
    return readOwnJob(file, ofOwner());
  }
}

/** A descriptor that came with its job. @throws TareError DOCUMENT_UNREADABLE and what parsing throws */
export async function readOwnJob(file: string, files: JobFiles): Promise<Documents['job']> {
  let text: string;
  try {
    text = files.read(file, LARGEST_DOCUMENT);
  } catch (error) {
    throw unreadable(file, 'job', error);
  }
  return parseDocument({text, file, kind: 'job'});
}

/**
 * The policy: one file that was named, or /etc/tare/policy.yaml and /etc/tare/policy.d/*.yaml in name order; without any, the built-in one.
 * @throws TareError; POLICY_INSECURE when root would obey a file that others can change
 */
export async function readPolicy(named: string | null, uid: number): Promise<Policy> {
  const files = named === null ? policyFiles() : [named];
  const parts = files.map(async (file) => {
    const {text, stats} = readText(file, 'policy');
    if (uid === 0) checkOwner(file, stats);
    return {file, document: await parseDocument({text, file, kind: 'policy'})};
  });
  return withOwnState(policyFromDocuments(await Promise.all(parts)), uid);
}

/**
 * A policy that a job's environment names. The environment is the job's, whatever set it: so it chooses among what the site has put into one folder.
 * @throws TareError POLICY_INSECURE
 */
export function offeredPolicy(named: Read<string> | null | undefined): string | null {
  if (named == null) return null;
  const {value: file, at} = named;
  if (dirname(file) === OFFERED_FOLDER && /^[^/]+\.(?:ya?ml|json)$/.test(basename(file)) && normalize(file) === file) return file;
  throw new TareError('POLICY_INSECURE', {
    message: 'the environment of a job chooses its policy only among those that the node offers',
    where: at,
    found: file,
    allowed: `a file in ${OFFERED_FOLDER}`,
    remedy: `put it there on the nodes, and name it ${join(OFFERED_FOLDER, basename(file))}`,
  });
}

/** Policy files of this node, in the order in which they are merged. */
export function policyFiles(): string[] {
  const dropIns = list(POLICY_FOLDER)
    .filter((name) => /\.(?:ya?ml|json)$/.test(name))
    .sort()
    .map((name) => join(POLICY_FOLDER, name));
  return [...(list('/etc/tare').includes('policy.yaml') ? [POLICY_FILE] : []), ...dropIns];
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new TareError('DOCUMENT_UNREADABLE', {
      message: `the policy cannot be read: ${(error as Error).message}`,
      where: directory,
      found: code,
      cause: error,
    });
  }
}

/** @throws TareError DOCUMENT_UNREADABLE */
export function readText(file: string, kind: Kind | 'document'): {text: string; stats: Stats} {
  const largest = kind === 'job' || kind === 'policy' ? LARGEST_DOCUMENT : LARGEST_PLAN;
  const read = (descriptor: number): {text: string; stats: Stats} => {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new TareError('DOCUMENT_UNREADABLE', {message: `the ${kind} is not a file`, where: file});
    if (stats.size > largest) {
      throw new TareError('DOCUMENT_UNREADABLE', {
        message: `the ${kind} is too large`,
        where: file,
        found: `${String(stats.size)} bytes`,
        allowed: `${String(largest)} bytes`,
      });
    }
    return {text: textOf(readFileSync(descriptor)), stats};
  };
  try {
    // a named pipe must not hang us
    return withFile(file, constants.O_RDONLY | constants.O_NONBLOCK, read);
  } catch (error) {
    throw error instanceof TareError ? error : unreadable(file, kind, error);
  }
}

/** The error of a file that the system does not give. */
export function unreadable(file: string, kind: string, error: unknown): TareError {
  const code = errnoOf(error);
  const why = code === 'EINVAL' ? 'is not a file' : code === 'EFBIG' ? 'is too large' : 'cannot be read';
  return new TareError('DOCUMENT_UNREADABLE', {
    message: `the ${kind} ${why}`,
    where: file,
    found: code === 'ENOENT' ? 'no such file' : (code ?? String(error)),
    cause: error,
  });
}

function checkOwner(file: string, {uid, mode}: Stats): void {
  if (uid === 0 && (mode & 0o022) === 0) return;
  throw new TareError('POLICY_INSECURE', {
    message: 'root does not obey a policy or plan that others can change',
    where: file,
    found: `owner ${String(uid)}, mode ${(mode & 0o7777).toString(8)}`,
    allowed: 'owner root, writable by root only',
    remedy: `chown root ${file}; chmod go-w ${file}`,
  });
}
