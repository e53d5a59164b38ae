// Other programs, called in the way of this folder: they succeed, or an error says what they said. Folders that go when this program does.
import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {constants, tmpdir} from 'node:os';
import path from 'node:path';

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

const folders = new Set();
let watching = false;
const removeAll = () => folders.forEach(removeFolder);

/** A new folder, removed by `removeFolder`, or when this program ends or is told to. */
export function temporaryFolder(name) {
  if (!watching) {
    watching = true;
    process.once('exit', removeAll);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  const folder = mkdtempSync(path.join(tmpdir(), `tare-lab-${name}-`));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder) {
  rmSync(folder, {recursive: true, force: true});
  folders.delete(folder);
}
