/** Reads descriptor, policy and plan files, and looks where a site keeps its policy. */

import {closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, type Stats} from 'node:fs';
import {join} from 'node:path';
import {TareError} from '../errors.js';
import {parseDocument, type Documents, type Kind} from '../job/document.js';
import {policyFromDocuments} from '../policy/load.js';
import type {Policy} from '../policy/policy.js';
import {withOwnState} from './own-state.js';
import {isSquashed, readSquashed} from './squashed.js';

const POLICY_FILE = '/etc/tare/policy.yaml';
const POLICY_FOLDER = '/etc/tare/policy.d';
const LARGEST_DOCUMENT = 1024 * 1024;
/** A plan with a large environment may be larger than what people write. */
const LARGEST_PLAN = 16 * 1024 * 1024;

/** @throws TareError DOCUMENT_UNREADABLE and what parsing throws */
export async function readDocument<K extends Kind>(file: string, kind: K): Promise<Documents[K]> {
  const {text, stats} = kind === 'job' ? readJob(file) : readText(file, kind);
  // root obeys a plan as it obeys a policy
  if (kind === 'plan' && stats !== null && process.getuid?.() === 0) checkOwner(file, stats);
  return parseDocument({text, file, kind});
}

/** A descriptor is its job's, and can lie where root is nobody. @throws TareError DOCUMENT_UNREADABLE */
function readJob(file: string): {text: string; stats: null} {
  try {
    return {text: readText(file, 'job').text, stats: null};
  } catch (error) {
    const text = isSquashed((error as TareError).cause) ? readSquashed(file, LARGEST_DOCUMENT) : null;
    if (text === null) throw error;
    return {text, stats: null};
  }
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
    const {code, message} = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new TareError('DOCUMENT_UNREADABLE', {
      message: `the policy cannot be read: ${message}`,
      where: directory,
      found: code,
      cause: error,
    });
  }
}

/** @throws TareError DOCUMENT_UNREADABLE */
export function readText(file: string, kind: Kind | 'document'): {text: string; stats: Stats} {
  let descriptor: number;
  try {
    // a named pipe must not hang us
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException;
    throw new TareError('DOCUMENT_UNREADABLE', {
      message: `the ${kind} cannot be read`,
      where: file,
      found: code === 'ENOENT' ? 'no such file' : (code ?? String(error)),
      cause: error,
    });
  }
  try {
    const stats = fstatSync(descriptor);
    const largest = kind === 'job' || kind === 'policy' ? LARGEST_DOCUMENT : LARGEST_PLAN;
    if (!stats.isFile()) throw new TareError('DOCUMENT_UNREADABLE', {message: `the ${kind} is not a file`, where: file});
    if (stats.size > largest) {
      throw new TareError('DOCUMENT_UNREADABLE', {
        message: `the ${kind} is too large`,
        where: file,
        found: `${String(stats.size)} bytes`,
        allowed: `${String(largest)} bytes`,
      });
    }
    return {text: readFileSync(descriptor, 'utf8'), stats};
  } finally {
    closeSync(descriptor);
  }
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
