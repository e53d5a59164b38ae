/** What an OCI runtime is given of a small machine: its bundle, and the accounts that are bound into it. */

import {writeFileSync} from 'node:fs';
import {asTareError, TareError} from '../errors.js';
import {architecturesOf, isProcessor} from '../engine/bpf.js';
import {ociConfig} from '../engine/oci.js';
import {ACCOUNTS, BUNDLE} from '../plan/system-mounts.js';
import {rootOf} from '../plan/machine-ids.js';
import {inBox, stepOf, stepsOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {runAbandonable} from '../host/abandon.js';
import {provideAccounts} from './accounts.js';

/**
 * Writes the bundle of the OCI runtime; nothing for a plan of another engine.
 * @throws TareError ENGINE_FAILED
 */
export async function writeBundle(plan: Plan, id: string, boxDirectory: string): Promise<void> {
  if (plan.engine.name !== 'crun' && plan.engine.name !== 'runc') return;
  const there = await whatIsThere(
    stepsOf(plan, 'mount.bind').flatMap(({source, optional}) => (optional ? [inBox(source, boxDirectory)] : [])),
  );
  const root = rootOf(stepOf(plan, 'namespace.unshare')?.maps);
  try {
    for (const step of stepsOf(plan, 'accounts.provide')) await provideAccounts(step, inBox(ACCOUNTS, boxDirectory), root);
    const config = ociConfig(plan, {
      ...{boxDirectory, id},
      architectures: isProcessor(process.arch) ? architecturesOf(process.arch) : [],
      exists: (path) => there.has(path),
    });
    writeFileSync(`${inBox(BUNDLE, boxDirectory)}/config.json`, JSON.stringify(config, null, 1), {mode: 0o600});
  } catch (error) {
    if (error instanceof TareError) throw error;
    throw new TareError('ENGINE_FAILED', {
      message: 'the bundle for the OCI runtime cannot be written',
      found: (error as NodeJS.ErrnoException).syscall === undefined ? asTareError(error).message : (error as Error).message,
      cause: error,
    });
  }
}

/** The paths of the node that exist; some may lie on file systems that hang. The answers are numbers, since a name can have any characters. */
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
