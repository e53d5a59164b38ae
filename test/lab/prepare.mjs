// Makes what is missing of a machine's image and snapshot. Runs as a program of its own, so that flock(1) can hold others back meanwhile.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, statSync, utimesSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {LAB, missing} from '../../scripts/setup.mjs';
import {Stop} from '../../scripts/steps.mjs';
import {buildImage} from './image.mjs';
import {cache, imageFolder, mirror, snapshotFolder} from './recipe.mjs';
import {version} from './qemu.mjs';
import {takeSnapshot} from './snapshot.mjs';
import {run} from './tools.mjs';

/** Time after which the build of an image removes unused ones. */
const KEPT_MS = 7 * 24 * 3_600_000;

/** Where a machine's image and snapshot are; both are there afterwards. */
export async function prepare(machine) {
  const absent = missing(LAB);
  if (absent.length > 0) throw new Stop(`lab: needs ${absent.join(', ')}.`);
  const [image, snapshot] = [imageFolder(machine), snapshotFolder(machine, version())];
  if (!existsSync(snapshot)) {
    if (!existsSync(image)) {
      if (process.getuid() !== 0) throw new Stop('lab: the machine’s image has not been built, which needs root.');
      mirror(); // or the reason why there is none
    }
    mkdirSync(cache, {recursive: true});
    // In a mount namespace of its own: what a build that is killed had mounted is gone with it, and cannot disturb a clean-up.
    const isolated = process.getuid() === 0 ? ['unshare', '--mount', '--propagation', 'private'] : [];
    const program = [...isolated, process.execPath, fileURLToPath(import.meta.url), JSON.stringify(machine)];
    const builder = spawn('flock', [`${image}.lock`, ...program], {stdio: ['ignore', 'inherit', 'inherit']});
    const [status, signal] = await once(builder, 'close');
    if (status !== 0) throw new Stop(`lab: no machine could be made (${signal ?? `exit status ${status}`}), see above.`);
  }
  const now = new Date();
  utimesSync(image, now, now);
  return {image, snapshot};
}

/** Never what is mounted in it. */
const removeFolder = (folder) => run('rm', ['-rf', '--one-file-system', folder]);

/** Makes a folder whole or not at all; what a killed build had made of it is removed. */
async function whole(folder, label, fill) {
  if (existsSync(folder)) return;
  const [parent, unfinished] = [path.dirname(folder), `${path.basename(folder)}.`];
  for (const name of readdirSync(parent)) if (name.startsWith(unfinished) && !name.endsWith('.lock')) removeFolder(path.join(parent, name));
  const fresh = mkdtempSync(`${folder}.`);
  process.stderr.write(`lab: ${label} … `);
  const began = performance.now();
  try {
    await fill(fresh);
    renameSync(fresh, folder);
  } catch (error) {
    removeFolder(fresh);
    process.stderr.write('failed\n');
    throw error;
  }
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

function removeOld(keep) {
  for (const name of readdirSync(cache)) {
    const folder = path.join(cache, name);
    if (folder.startsWith(keep) || Date.now() - statSync(folder).mtimeMs < KEPT_MS) continue;
    removeFolder(folder);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const machine = JSON.parse(process.argv[2]);
  const [image, snapshot] = [imageFolder(machine), snapshotFolder(machine, version())];
  removeOld(image);
  try {
    await whole(image, `image of ${[machine.suite, ...machine.packages].join(', ')}`, (folder) => buildImage(machine, folder));
    await whole(snapshot, `first start of ${[machine.suite, machine.init, machine.append].join(' ').trim()}`, (folder) =>
      takeSnapshot(machine, image, folder),
    );
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
