// Running other programs quietly: one line for each step, what the program said only when it failed.
// Like everything that `npm start` needs before node_modules exists, this file imports Node's own modules only.
import {spawnSync} from 'node:child_process';
import {accessSync, constants, existsSync, renameSync, rmSync, statSync} from 'node:fs';
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

/** What a command wrote to standard output; where it fails, throws Stop with the last line that it said. */
export function must(command, args, options = {}) {
  const {status, stdout, stderr, error} = spawnSync(command, args, {encoding: 'utf8', maxBuffer: 2 ** 30, ...options});
  if (status === 0) return stdout;
  const said = String(stderr ?? '')
    .trim()
    .split('\n')
    .at(-1);
  throw new Stop(said || (error?.message ?? `${command} ended with ${status}`));
}

/** Lets `fill` make a folder anew, beside the old one and then in its place: who looks meanwhile finds one of them whole. */
export function replaceFolder(place, fill) {
  const [fresh, old] = [`${place}.new`, `${place}.old`];
  for (const each of [fresh, old]) rmSync(each, {recursive: true, force: true});
  fill(fresh);
  if (existsSync(place)) renameSync(place, old);
  renameSync(fresh, place);
  rmSync(old, {recursive: true, force: true});
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
