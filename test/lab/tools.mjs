// Other programs, called in the way of this folder: they succeed, or an error says what they said.
import {spawnSync} from 'node:child_process';

/** A program's standard output; what it says on standard error is in the error when it fails. */
export function output(command, args, options = {}) {
  const ended = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    ...options,
    env: {...process.env, LC_ALL: 'C.UTF-8', ...options.env},
  });
  if (ended.status === 0) return ended.stdout;
  const why = ended.error?.message ?? ended.signal ?? `exit status ${ended.status}`;
  throw new Error(`${[command, ...args].join(' ')}: ${why}\n${String(ended.stderr ?? '').trimEnd()}`);
}

export const run = (command, args, options) => void output(command, args, options);
