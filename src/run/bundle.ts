/** What an OCI runtime is given of a small machine: its bundle, and the accounts that are bound into it. */

import {readFileSync, writeFileSync} from 'node:fs';
import {asTareError, TareError} from '../errors.js';
import {ociConfig} from '../engine/oci.js';
import {BUILTIN_SECCOMP, type SeccompProfile} from '../engine/seccomp.js';
import {ACCOUNTS, BUNDLE} from '../plan/mounts.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {runAbandonable} from '../host/abandon.js';
import {provideAccounts} from './accounts.js';

/**
 * Nothing for a plan of another engine.
 * @throws TareError ENGINE_FAILED
 */
export async function writeBundle(plan: Plan, id: string, boxDirectory: string): Promise<void> {
  if (plan.engine.name !== 'crun' && plan.engine.name !== 'runc') return;
  const there = await whatIsThere(
    stepsOf(plan, 'mount.bind').flatMap(({source, optional}) => (optional ? [inBox(source, boxDirectory)] : [])),
  );
  const seccomp = stepOf(plan, 'seccomp.load');
  try {
    for (const step of stepsOf(plan, 'accounts.provide')) await provideAccounts(step, inBox(ACCOUNTS, boxDirectory));
    const config = ociConfig(plan, {
      ...{boxDirectory, id},
      seccomp: seccomp === undefined ? null : readProfile(seccomp.profile),
      exists: (path) => there.has(path),
    });
    writeFileSync(`${inBox(BUNDLE, boxDirectory)}/config.json`, JSON.stringify(config, null, 1), {mode: 0o600});
  } catch (error) {
    if (error instanceof TareError) throw error;
    throw new TareError('ENGINE_FAILED', {
      message: 'the bundle for the OCI runtime cannot be written',
      found: asTareError(error).message,
      cause: error,
    });
  }
}

function readProfile(profile: string): SeccompProfile {
  if (profile === 'builtin') return BUILTIN_SECCOMP;
  const wrong = (found: string, cause?: unknown): TareError =>
    new TareError('ENGINE_FAILED', {
      message: 'the filter on system calls cannot be read',
      where: profile,
      found,
      allowed: 'a seccomp object of the OCI runtime specification, such as configs/seccomp.json',
      cause,
    });
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(profile, 'utf8'));
  } catch (error) {
    throw wrong(String(error), error);
  }
  if (typeof read !== 'object' || read === null || typeof (read as {defaultAction?: unknown}).defaultAction !== 'string')
    throw wrong('no object with a defaultAction');
  return read as SeccompProfile;
}

/** Of paths of the node, some of which may lie on what hangs: those that are there. The answers are numbers, since a name can hold anything. */
async function whatIsThere(paths: readonly string[]): Promise<Set<string>> {
  if (paths.length === 0) return new Set();
  const script = 'n=0; for path; do [ -e "$path" ] && echo $n; n=$((n+1)); done; exit 0';
  const {out} = await runAbandonable('/bin/sh', ['-c', script, 'look', ...paths], null);
  return new Set(
    out
      .toString('latin1')
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [paths[Number(line)] ?? ''])),
  );
}
