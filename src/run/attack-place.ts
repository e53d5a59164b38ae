/** The one directory in which all lies that attacks of doctor's make: work directories, images, and what links of evil images lead to. */

import {chmodSync, copyFileSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {ATTACKS} from '../process/native.js';

const PARENT = '/var/tmp';
const PREFIX = 'tare-attacks-';
/** What a doctor has left that was killed. */
const STALE_MS = 3_600_000;

/** What an image has links in place of: devices, kernel file systems, or other directories. */
export type Evil = 'devices' | 'kernel' | 'places';

/** By name: which paths of an image become links, and where below a victim's directory they lead. */
const LINKS: Readonly<Record<Evil, (work: string) => Readonly<Record<string, string>>>> = {
  devices: () => ({'dev/null': 'file', 'dev/console': 'file', 'dev/pts': 'directory'}),
  kernel: () => ({proc: 'directory', sys: 'directory'}),
  // the last is made in the image for the work directory
  places: (work) => ({dev: 'directory', etc: 'directory', run: 'directory', tmp: 'directory', [dirname(work).slice(1)]: 'directory'}),
};

/** Every kind of evil image. */
export const EVIL = Object.keys(LINKS) as Evil[];

/** An image with links, and what was made, or changed, where they lead. */
export interface EvilImage {
  image: string;
  made: () => string[];
}

/** A new directory below /var/tmp; what killed doctors left there more than an hour ago is removed when one is made. */
export class AttackPlace {
  readonly directory: string;

  /** @throws Error of the system, when nothing can be made */
  constructor() {
    clearStale();
    this.directory = mkdtempSync(join(PARENT, `${PREFIX}${String(process.pid)}-`));
    // for the payload's account
    chmodSync(this.directory, 0o755);
  }

  /** Removes the directory with all that is in it. @throws Error of the system */
  remove(): void {
    rmSync(this.directory, {recursive: true, force: true});
  }

  /** The work directory of a job, with the program in it: every box shows that, wherever Tare itself lies. */
  work(name: string): {work: string; program: string} {
    const work = join(this.directory, name);
    mkdirSync(work);
    return {work, program: copyProgram(join(work, 'tare-attacks'))};
  }

  /** Writes a file. @returns its path */
  file(path: string, text: string): string {
    const file = join(this.directory, path);
    writeFileSync(file, text);
    return file;
  }

  /** Makes an image with nothing but directories, accounts and the attacking program. @returns its path */
  image(name: string): string {
    const image = join(this.directory, name);
    for (const path of ['bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'var/tmp']) mkdirSync(join(image, path), {recursive: true});
    copyProgram(join(image, 'bin/attacks'));
    writeFileSync(join(image, 'etc/passwd'), 'root:x:0:0:root:/:/bin/attacks\n');
    writeFileSync(join(image, 'etc/group'), 'root:x:0:\n');
    return image;
  }

  /** Makes such an image with links that lead to a victim's directory, which `made` compares later. */
  evilImage(name: string, kind: Evil, work: string): EvilImage {
    const victim = join(this.directory, `${name}-victim`);
    mkdirSync(join(victim, 'directory'), {recursive: true});
    writeFileSync(join(victim, 'file'), '');
    const image = this.image(name);
    for (const [path, to] of Object.entries(LINKS[kind](work))) link(image, path, join(victim, to));
    return {image, made: changesIn(victim)};
  }

  /** The root of a box of the engine's alone: `/link` leads out of it. */
  evilRoot(name: string): EvilImage {
    const [image, victim] = [join(this.directory, name), join(this.directory, `${name}-victim`)];
    mkdirSync(image);
    mkdirSync(victim);
    link(image, 'link', victim);
    return {image, made: changesIn(victim)};
  }
}

function clearStale(): void {
  for (const name of readdirSync(PARENT).filter((one) => one.startsWith(PREFIX))) {
    const path = join(PARENT, name);
    const status = lstatSync(path, {throwIfNoEntry: false});
    if (status?.isDirectory() === true && status.uid === process.getuid?.() && status.mtimeMs < Date.now() - STALE_MS)
      rmSync(path, {recursive: true, force: true});
  }
}

/** A copy, not a link: a payload that can write to it changes no file of the node. */
function copyProgram(to: string): string {
  copyFileSync(ATTACKS, to);
  chmodSync(to, 0o755);
  return to;
}

function link(image: string, path: string, target: string): void {
  const at = join(image, path);
  mkdirSync(dirname(at), {recursive: true});
  rmSync(at, {recursive: true, force: true});
  // enough `..` for any place of the image
  symlinkSync(`${'../'.repeat(20)}${target.slice(1)}`, at);
}

function changesIn(victim: string): () => string[] {
  const before = contentOf(victim);
  return () => contentOf(victim).filter((line) => !before.includes(line));
}

/** Names, kinds, modes, owners and sizes. */
const contentOf = (directory: string): string[] =>
  readdirSync(directory, {recursive: true, encoding: 'utf8'}).map((name) => {
    const status = lstatSync(join(directory, name));
    const size = status.isFile() ? `, ${String(status.size)} bytes` : '';
    return `${name} (mode ${status.mode.toString(8)}, uid ${String(status.uid)}${size})`;
  });
