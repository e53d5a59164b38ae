/** 100 boxes at once of a user without privileges in one delegated group: no failure, nothing left; time and memory are reported. */

import {copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {bin, ending, processes, until} from '../../support/tare.js';
import {below, delegate, Ground, handOn, requirePureV2, start, words} from './node.js';

const BOXES = Number(process.env.TARE_BOXES ?? 100);
/** The node's own: the only one that tare-wrap takes. */
const POLICY = '/etc/tare/policy.yaml';
/** The program of tare-wrap's second process, in a checkout and in the folder for worker nodes. */
const SUPERVISOR = /\/wrap\.js$|\/libexec\/tare$/;
const MIB = 2 ** 20;
const CONTROLLERS = ['memory', 'pids', 'cpu', 'io'];

const TITLE = `${String(BOXES)} boxes at once in one delegated group`;

describeSite(TITLE, {roles: ['user'], each: true, mayLeave: true, timeout: 1_800_000}, (site) => {
  before(() => {
    requirePureV2();
    if (existsSync(POLICY)) throw new Error(`${POLICY} is there: this node is not a guest that was made for these tests`);
  });

  for (const [name, inner] of [
    ['HTCondor 24.8: the callers are in a scope of root', true],
    ['HTCondor 23: the callers are in the group itself, and each wrapper evacuates it', false],
  ] as const) {
    it(name, async () => {
      const ground = new Ground('many');
      try {
        const slot = ground.make('slot.slice', CONTROLLERS);
        if (inner) handOn(slot, CONTROLLERS);
        const callers = inner ? ground.make('slot.slice/slot.scope', CONTROLLERS) : slot;
        delegate(slot);
        mkdirSync('/etc/tare', {recursive: true});
        copyFileSync(site.policy({defaults: {memory: '64MiB', processes: 50, cores: 1}}), POLICY);
        const memory = (): number => Number(readFileSync(join(slot, 'memory.current'), 'utf8'));
        const boxes = (): string[] => below(slot).filter((group) => /\/tare-[0-9a-f]{16}$/.test(group));
        const before = memory();
        // half of the callers outlive the wrapper: a shell that goes on, as a pilot does; all payloads end together
        const wait = `until [ -e ${site.work}/go ]; do sleep 1; done`;
        const script = `
          i=0
          while [ $i -lt ${String(BOXES)} ]; do i=$((i+1))
            if [ $((i % 2)) = 0 ]; then (${bin('tare-wrap')} /bin/sh -c '${wait}' || echo failed $?; true) &
            else ${bin('tare-wrap')} /bin/sh -c '${wait}' & fi
          done; wait; cat /proc/self/cgroup`;
        const began = performance.now();
        const done = ending(start(callers, ['/bin/sh', '-c', script], {cwd: site.work}));
        const running = (): number => boxes().filter((box) => populated(join(box, 'payload/job'))).length;
        // seldom: looking costs the guest as much as some of the boxes
        for (let look = 0; look < 600 && running() < BOXES; look++) await sleep(2000);
        expect(running()).to.equal(BOXES);
        const started = performance.now();
        const weight = memory() - before;
        const each = weight / BOXES / MIB;
        const wrappers = processes().filter(({argv}) => argv.some((argument) => SUPERVISOR.test(argument))).length;
        writeFileSync(join(site.work, 'go'), '');
        const {stdout, stderr} = await done;
        const ended = performance.now();
        expect(stderr).to.equal('');
        expect(stdout).to.match(/^0::[^\n]*\n$/);
        const records = site.records();
        expect(records).to.have.length(BOXES);
        const odd = records.filter(
          ({outcome, limits}) =>
            outcome.status !== 'completed' || limits?.memory.by !== 'cgroup2:memory.max' || limits.processes.by !== 'cgroup2:pids.max',
        );
        expect(odd.map(({outcome, limits}) => [outcome, limits?.memory])).to.deep.equal([]);
        expect(boxes()).to.deep.equal([]);
        expect(site.leftovers()).to.deep.equal([]);
        if (!inner) {
          expect(existsSync(join(slot, 'tare-caller'))).to.equal(false);
          expect(words(join(slot, 'cgroup.subtree_control'))).to.deep.equal([]);
        }
        const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
        process.stdout.write(
          `${String(BOXES)} boxes at once, ${inner ? 'scope in a slice' : 'one group'}: all run after ${seconds(began, started)} s, ended ${seconds(started, ended)} s after the word; ${each.toFixed(1)} MiB of memory each (memory.current, page cache and ${String(wrappers)} supervisors included)\n`,
        );
      } finally {
        rmSync(POLICY, {force: true});
        await until('the groups to be removed', () => removed(ground), 30);
      }
    });
  }
});

function populated(group: string): boolean {
  try {
    return words(join(group, 'cgroup.events')).join(' ').includes('populated 1');
  } catch {
    return false;
  }
}

function removed(ground: Ground): boolean {
  try {
    ground.remove();
    return true;
  } catch {
    return false;
  }
}
