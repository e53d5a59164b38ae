/** A file system by FUSE, at a place that the wrapper or the job uses, that answers nothing any more; and the batch system that asks for the end. */

import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {mkdirSync, readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {until} from '../../support/tare.js';
import type {Kind} from '../fault.js';
import {signal, sleep} from '../scene.js';

const FUSE = fileURLToPath(new URL('../../support/slow-fuse.py', import.meta.url));
const PLACES = ['spool', 'state', 'scratch', 'log', 'killSwitch', 'work'] as const;

/** Those that stand still: nothing that waits for one ends before it does. */
const servers = new Set<ChildProcess>();
process.once('exit', () => {
  for (const server of servers) server.kill('SIGKILL');
});

export const hungFile: Kind = {
  name: 'hung',
  weight: 1,
  draw(random) {
    const place = random.pick(PLACES);
    const ms = random.between(200, 2000);
    const asked = random.pick(['SIGTERM', 'SIGINT', 'SIGHUP'] as const);
    let server: ChildProcess | null = null;
    return {
      words: `${place} never answers, ${asked} after ${String(ms)} ms`,
      needs: ['root', 'fuse'],
      sweep: true,
      before: async (scene) => {
        const [hung, tree] = [scene.inSite('hung'), scene.inSite('tree')];
        for (const directory of [hung, tree, `${tree}/place`]) mkdirSync(directory, {mode: 0o777});
        server = spawn('/usr/bin/python3', [FUSE, tree, '0', hung], {stdio: 'ignore'});
        await until('the file system', () => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${hung} `), 30);
        server.kill('SIGSTOP');
        servers.add(server);
        const at = `${hung}/place`;
        const own = Object.fromEntries(['state', 'spool', 'scratch'].map((name) => [name, scene.inSite(name)]));
        if (place === 'killSwitch') scene.policyExtra = {killSwitch: `${at}/off`};
        else if (place === 'work') scene.workDirectory = at;
        else scene.policyExtra = {directories: {...own, [place]: place === 'log' ? `${at}/log` : at}};
      },
      during: async (scene) => {
        await sleep(ms);
        signal(scene.shim, asked);
      },
      after: async (scene) => {
        if (server !== null) servers.delete(server);
        server?.kill('SIGKILL'); // the kernel ends all that waits for it
        await until('the end of what waits there', () => scene.site.leftovers().every((what) => !what.startsWith('process')), 20);
        execFileSync('umount', ['-l', scene.inSite('hung')]);
      },
    };
  },
};
