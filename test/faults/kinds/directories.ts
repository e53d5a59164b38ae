/** Directories of the wrapper and of the job that are full, or go. */

import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, renameSync, rmSync, statSync, chmodSync, chownSync, writeFileSync} from 'node:fs';
import {records} from '../checks.js';
import type {Kind} from '../fault.js';
import type {Random} from '../random.js';
import type {Scene} from '../scene.js';

const PLACES = ['spool', 'state', 'scratch', 'work'] as const;

/** -2: before the wrapper is started; -1: when the payload has begun; else in parts of a launch. */
const momentOf = (random: Random, first = -2): number => random.pick([first, -1, random.next() * 1.5]);
const momentText = (moment: number): string =>
  moment === -2 ? 'from before' : moment === -1 ? 'when the payload has begun' : `after ${moment.toFixed(2)} launches`;

export const fullDirectory: Kind = {
  name: 'full',
  weight: 8,
  draw(random) {
    const place = random.pick(PLACES);
    const moment = momentOf(random);
    const kib = random.scaled(16, 512);
    // inodes run out as bytes do
    const inodes = random.chance(0.3) ? random.between(3, 30) : 10_000;
    const freed = random.chance(0.3) ? random.next() : null;
    const fill = (scene: Scene): void => {
      fillUp(scene.inSite(place));
    };
    return {
      words: `${place} has ${String(kib)} KiB and ${String(inodes)} inodes, and is full ${momentText(moment)}${freed === null ? '' : ', for a while'}`,
      needs: ['root'],
      before: (scene) => {
        const at = scene.inSite(place);
        const {uid, gid, mode} = statSync(at);
        const options = `size=${String(kib)}k,nr_inodes=${String(inodes)},uid=${String(uid)},gid=${String(gid)},mode=${(mode & 0o7777).toString(8)}`;
        execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tare-faults', at]);
        if (moment === -2) fill(scene);
      },
      during: async (scene) => {
        if (moment !== -2) {
          await scene.until(moment);
          fill(scene);
        }
        if (freed === null) return;
        await scene.until(freed);
        rmSync(`${scene.inSite(place)}/filler`, {force: true});
      },
      after: (scene) => {
        rmSync(`${scene.inSite(place)}/filler`, {force: true});
        // no limit any more, for the sweep
        execFileSync('mount', ['-o', 'remount,size=100m,nr_inodes=100000', scene.inSite(place)]);
      },
      sweep: place === 'state',
    };
  },
};

function fillUp(directory: string): void {
  try {
    writeFileSync(`${directory}/filler`, Buffer.alloc(1024 * 1024));
  } catch {
    // full
  }
}

export const goneDirectory: Kind = {
  name: 'gone',
  weight: 6,
  draw(random) {
    const place = random.pick(PLACES);
    // the caller is in it
    const moment = momentOf(random, place === 'work' ? 0 : -2);
    const aside = random.chance(0.5);
    return {
      words: `${place} ${aside ? 'is moved away' : 'is removed'} ${momentText(moment)}`,
      sweep: place === 'state',
      before: (scene) => {
        if (moment === -2) takeAway(scene, place, aside);
      },
      during: async (scene) => {
        if (moment === -2) return;
        await scene.until(moment);
        takeAway(scene, place, aside);
      },
      after: (scene) => {
        const at = scene.inSite(place);
        // a sweep finds nothing in a scratch that comes back
        if (place !== 'scratch' && existsSync(`${at}-aside`) && !existsSync(at)) renameSync(`${at}-aside`, at);
        if (existsSync(at)) return;
        mkdirSync(at);
        const {uid, gid} = scene.site.credentials;
        if (uid !== undefined && gid !== undefined) chownSync(at, uid, gid);
        chmodSync(at, 0o755);
      },
    };
  },
};

function takeAway(scene: Scene, place: (typeof PLACES)[number], aside: boolean): void {
  const at = scene.inSite(place);
  const to = `${at}-aside`;
  scene.look();
  try {
    // at once, so that nothing is written meanwhile
    renameSync(at, to);
    // a program that removes a closed record has collected it
    if (place === 'spool' && records(to).all.some(({state}) => state !== 'started')) renameSync(to, at);
    else if (!aside) rmSync(to, {recursive: true, force: true});
  } catch (error) {
    scene.said.push((error as Error).message); // something was made in it meanwhile
  }
}
