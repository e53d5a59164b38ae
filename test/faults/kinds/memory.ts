/** A caller whose control group of memory has hardly any left: the kernel kills any process in it. */

import {spawn, type ChildProcess} from 'node:child_process';
import {appendFileSync, mkdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {basename} from 'node:path';
import {HIERARCHY} from '../../support/groups.js';
import type {Kind} from '../fault.js';
import {signal, sleep, type Scene} from '../scene.js';

const MIB = 1024 * 1024;
const ROOT = '/sys/fs/cgroup';
const {place, limit, none} =
  HIERARCHY === 'cgroup2'
    ? {place: ROOT, limit: 'memory.max', none: 'max'}
    : {place: `${ROOT}/memory`, limit: 'memory.limit_in_bytes', none: '-1'};
const groupOf = (scene: Scene): string => `${place}/faults-${basename(scene.site.directory)}`;
/** It becomes the job as soon as it is in the group, into which it is put: on version 2 a user may not go there alone. Builtins only: nothing else is to
 * be killed there. */
const ONCE_INSIDE =
  'while :; do exec 9</proc/self/cgroup; while read -r line <&9; do case $line in *faults-*) exec "$@" 9<&-;; esac; done; done';

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
      needs: ['root', 'groups of memory'],
      sweep: true,
      before: (scene) => {
        const group = groupOf(scene);
        if (HIERARCHY === 'cgroup2') appendFileSync(`${place}/cgroup.subtree_control`, '+memory');
        mkdirSync(group);
        writeFileSync(`${group}/${limit}`, String(mib * MIB));
      },
      prefix: () => ['/bin/sh', '-c', ONCE_INSIDE, 'sh'],
      during: async (scene) => {
        writeFileSync(`${groupOf(scene)}/cgroup.procs`, String(scene.shim));
        await scene.until(moment);
        const script = `echo $$ >"$0/cgroup.procs" && exec head -c ${String(Math.round(eaten * mib * MIB))} /dev/zero | tail -c ${String(1024 * MIB)} | sleep 100`;
        eater = spawn('/bin/sh', ['-c', script, groupOf(scene)], {stdio: 'ignore', detached: true});
      },
      after: async (scene) => {
        if (eater?.pid !== undefined) signal(-eater.pid, 'SIGKILL');
        writeFileSync(`${groupOf(scene)}/${limit}`, none);
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
