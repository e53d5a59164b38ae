// Running other programs quietly: one line for each step, what the program said only when it failed.
// Like everything that `npm start` needs before node_modules exists, this file imports Node's own modules only.
import {spawnSync} from 'node:child_process';
import {accessSync, constants, statSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Ends this program because of something that a person can mend: one line, no stack. */
export class Stop extends Error {}

/** Runs `main`; a Stop becomes its message and exit status 1. */
export async function main(body) {
  try {
    process.exitCode = await body();
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** Runs a command from the root of the checkout and prints one line about it; throws Stop, with all that it said, when it fails. */
export function step(label, command, args, {env = {}} = {}) {
  const began = performance.now();
  process.stderr.write(`${label} … `);
  const ended = spawnSync(command, args, {
    cwd: root,
    env: {...process.env, ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (ended.status === 0) {
    process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1)} s\n`);
    return;
  }
  const why = ended.error?.message ?? (ended.signal === null ? `exit status ${ended.status}` : ended.signal);
  process.stderr.write('failed\n');
  throw new Stop(`${ended.stdout ?? ''}${ended.stderr ?? ''}${[command, ...args].join(' ')}: ${why}`);
}

/** A program's absolute path as the shell would find it, or null. */
export function which(name) {
  for (const directory of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(directory, name);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // not in this directory
    }
  }
  return null;
}
