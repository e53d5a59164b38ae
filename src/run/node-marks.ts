/** What probes were made with: program and policy, as their files are. */

import {readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {TareError} from '../errors.js';
import {policyFiles} from '../files/documents.js';
import {canonicalJson} from '../plan/canonical.js';
import type {Policy} from '../policy/policy.js';
import {NATIVE} from '../process/native.js';
import {replace} from './node-folder.js';

const MARKS = 'marks.json';

/** What the probes were made with: when it is another, they say nothing of now. */
export function marksOf(policy: Policy | TareError, {policyFile, version}: {policyFile: string | null; version: string}): string {
  const files = policyFile === null ? policyFilesNow() : [policyFile];
  const stamps = [NATIVE, process.execPath, ...files].map((path) => {
    const found = statSync(path, {throwIfNoEntry: false});
    return [path, found?.mtimeMs ?? null, found?.size ?? null, found?.ino ?? null];
  });
  return canonicalJson({version, stamps, broken: policy instanceof Error});
}

/** None where they cannot be listed. */
export function policyFilesNow(): string[] {
  try {
    return policyFiles();
  } catch {
    return [];
  }
}

/** null: none are there. */
export const readMarks = (folder: string): string | null => {
  try {
    return readFileSync(join(folder, MARKS), 'utf8');
  } catch {
    return null;
  }
};

/** Replaces the marks of the last full probe, for root alone. @throws Error of the system */
export function writeMarks(folder: string, marks: string): void {
  replace(join(folder, MARKS), marks, 0o600);
}
