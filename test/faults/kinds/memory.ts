/** A caller whose control group of memory has hardly any left: the kernel kills in it whom it likes (memcg of cgroup v1). */

import {spawn, type ChildProcess} from 'node:child_process';
import {chownSync, mkdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {basename} from 'node:path';
import type {Kind} from '../fault.js';
import {signal, sleep, type Scene} from '../scene.js';

const MIB = 1024 * 1024;
const groupOf = (scene: Scene): string => `/sys/fs/cgroup/memory/faults-${basename(scene.site.directory)}`;

export const pressure: Kind = {
  name: 'memory',
  weight: 3,
  draw(random) {
    const mib = random.scaled(2, 200);
    const eaten = random.next();
    const moment = random.next();
    let eater: ChildProcess | null = null;
    return {
      words: `${String(mib)} MiB for all, of which another process wants ${String(Math.round(eaten * mib))} MiB`,
      needs: ['root', 'memory v1'],
      sweep: true,
      before: (scene) => {
        const group = groupOf(scene);
        mkdirSync(group);
        writeFileSync(`${group}/memory.limit_in_bytes`, String(mib * MIB));
        const {uid} = scene.site.credentials;
        if (uid !== undefined) chownSync(`${group}/cgroup.procs`, uid, -1);
      },
      prefix: (scene) => ['/bin/sh', '-c', 'echo $$ >"$0/cgroup.procs" && shift 0 && exec "$@"', groupOf(scene)],
      during: async (scene) => {
        await scene.until(moment);
        const script = `echo $$ >"$0/cgroup.procs" && exec head -c ${String(Math.round(eaten * mib * MIB))} /dev/zero | tail -c ${String(1024 * MIB)} | sleep 100`;
        eater = spawn('/bin/sh', ['-c', script, groupOf(scene)], {stdio: 'ignore', detached: true});
      },
      after: async (scene) => {
        if (eater?.pid !== undefined) signal(-eater.pid, 'SIGKILL');
        writeFileSync(`${groupOf(scene)}/memory.limit_in_bytes`, '-1');
        for (let tries = 0; tries < 500; tries++) {
          try {
            rmdirSync(groupOf(scene));
            return;
          } catch {
            await sleep(10); // a process of it ends
          }
        }
        scene.said.push(`in its group: ${readFileSync(`${groupOf(scene)}/cgroup.procs`, 'utf8')}`);
      },
    };
  },
};
