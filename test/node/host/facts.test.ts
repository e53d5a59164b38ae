import {expect} from 'chai';
import {spawnSync} from 'node:child_process';
import {chownSync, existsSync, mkdirSync, readdirSync, rmdirSync} from 'node:fs';
import {cpus, hostname, totalmem} from 'node:os';
import type {Facts} from '../../../src/host/facts.js';
import {readFacts} from '../../../src/host/index.js';
import {spawnBriefly} from '../../../src/host/spawn.js';
import {ENGINES} from '../../../src/plugins.js';
import {patience} from '../../support/pace.js';
import {installed} from '../../support/tare.js';
import {tryParents} from './try-parents.js';

const NOBODY = 65534;
const ROOT = installed();
const CHILD = `${ROOT}/test/node/host/facts-of-child.ts`;
const UID = process.getuid!();

/** Skipped where it cannot be, failed where it must be (TARE_MUST_WORK=1). */
function cannot(context: Mocha.Context, reason: string): never {
  if (process.env.TARE_MUST_WORK === '1') throw new Error(`TARE_MUST_WORK=1, but ${reason}`);
  context.test!.title += ` [skipped: ${reason}]`;
  return context.skip();
}

/** The facts of a child as another user, started in a group of its own where `groups` are given. */
function asNobody(groups: readonly string[] = []): {facts: Facts; made: string[]} {
  const join = groups.map((group) => `echo $$ > ${group}/cgroup.procs`);
  const script = [...join, `exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "$@"`].join('\n');
  const {status, stdout, stderr} = spawnSync('sh', ['-ec', script, 'sh', process.execPath, '--import=tsx', CHILD], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {PATH: process.env.PATH, TSX_DISABLE_CACHE: '1'},
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as {facts: Facts; made: string[]};
}

function namesWithParent({cgroup}: Facts): string[] {
  return Object.entries(cgroup.controllers)
    .filter(([, {parent}]) => parent !== null)
    .map(([name]) => name);
}

describe('facts of this machine', function () {
  this.timeout(patience(60_000));
  const caller = {uid: UID, gid: process.getgid!(), groups: process.getgroups!()};
  const read = (): Facts => readFacts({engines: ENGINES, caller, scratchDirectory: '/var/tmp', pinned: [], spawn: spawnBriefly});

  it('agree with what Node says', () => {
    const facts = read();
    expect(facts.node.hostname).to.equal(hostname());
    expect(facts.node.bootId).to.match(/^[0-9a-f-]{36}$/);
    expect(facts.memory.totalBytes).to.equal(totalmem());
    expect(facts.cpu.online).to.have.length(cpus().length);
    expect(facts.root.directories).to.include('/proc');
    expect(facts.scratch.freeBytes).to.be.greaterThan(0);
  });

  it('name parents in which groups can be made', () => {
    const facts = read();
    expect(tryParents(facts)).to.deep.equal(namesWithParent(facts));
  });

  it('name a bubblewrap that runs, where namespaces are said to be available', function () {
    const {engines, namespaces, newProc} = read();
    const bubblewrap = engines.find(({name}) => name === 'bubblewrap');
    if (bubblewrap?.path == null || !namespaces.user.available || !newProc.available)
      cannot(this, 'no bubblewrap, user namespace or new /proc here');
    const args = [
      '--unshare-user',
      '--unshare-pid',
      '--unshare-ipc',
      '--unshare-uts',
      '--ro-bind',
      '/',
      '/',
      '--proc',
      '/proc',
      '/bin/true',
    ];
    const {status, stderr} = spawnSync(bubblewrap.path, args, {encoding: 'utf8'});
    expect(status, stderr).to.equal(0);
    expect(bubblewrap.version).to.match(/^\d+\.\d+/);
  });

  it('are read in a few milliseconds', () => {
    const times = Array.from({length: 30}, () => {
      const began = performance.now();
      readFacts({engines: ENGINES, caller, scratchDirectory: '/var/tmp', pinned: []});
      return performance.now() - began;
    }).sort((a, b) => a - b);
    // 1 ms on the development machine; a program started or a tree walked would make every one of them long, and a busy machine does not.
    expect(times[0]).to.be.lessThan(patience(10));
  });

  if (UID === 0)
    it('of another user name only what that user can do', () => {
      const {facts, made} = asNobody();
      expect(facts.caller).to.include({uid: NOBODY, gid: NOBODY});
      expect(made).to.deep.equal(namesWithParent(facts));
      expect(facts.scratch.writable).to.equal(true);
    });

  // test/lab has these of version 2
  if (UID === 0 && existsSync('/sys/fs/cgroup/pids'))
    it('of another user name a v1 group that was handed over', function () {
      const parents = (['pids', 'cpu'] as const).flatMap((name) => {
        const fact = read().cgroup.controllers[name];
        return fact?.version === 1 && fact.parent !== null ? [fact.parent] : [];
      });
      if (parents.length === 0) cannot(this, 'no v1 hierarchy here in which root can make groups');
      const groups = [...new Set(parents)].map((parent) => `${parent}/tare-test-handed-${String(process.pid)}`);
      try {
        for (const group of groups) {
          mkdirSync(group);
          chownSync(group, NOBODY, NOBODY);
        }
        const {facts, made} = asNobody(groups);
        expect(facts.cgroup.controllers.pids?.parent).to.equal(groups[0]);
        expect(made).to.include('pids');
        expect(facts.cgroup.controllers.pids?.files).to.include('pids.max');
      } finally {
        for (const group of groups.filter((each) => existsSync(each))) removeSoon(group);
      }
    });

  /** The child that was in it has ended, but the kernel may not have noticed yet. */
  function removeSoon(group: string): void {
    for (let attempt = 0; attempt < 50; attempt++) {
      try {
        rmdirSync(group);
        return;
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
    }
    throw new Error(`${group} cannot be removed; in it: ${readdirSync(group).join(' ')}`);
  }
});
