/** Payloads that cannot be killed, since they wait in the kernel for a file server that does not answer: the wrapper ends all the same. */

import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, chmodSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {hasPythonFuse} from '../../support/cvmfs.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {isRoot, processes, send, Site, until, type RunOutput, type Role} from '../../support/tare.js';

const SLOW = fileURLToPath(new URL('../../support/slow-fuse.py', import.meta.url));
/** As much as the longest way takes: init, supervisor and shim have a deadline each. */
const MOST_S = 90;

/** A file whose opening takes for ever. Each has a server: one that does not yet work on a request releases a process that is killed. */
class Hung {
  readonly file: string;
  private readonly place = mkdtempSync('/srv/tare-stuck-');
  private readonly server: ChildProcess;

  constructor() {
    const [tree, mountpoint] = ['tree', 'mnt'].map((name) => join(this.place, name)) as [string, string];
    chmodSync(this.place, 0o755);
    for (const directory of [tree, mountpoint]) mkdirSync(directory);
    writeFileSync(join(tree, 'file'), '');
    this.file = join(mountpoint, 'file');
    this.server = spawn('/usr/bin/python3', [SLOW, tree, '3600', mountpoint], {stdio: 'inherit'});
  }

  async mounted(): Promise<this> {
    await until('the file server', () => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.place}/mnt `));
    return this;
  }

  /** Ends the server, so that processes that wait for it go on. */
  letGo(): void {
    if (this.server.pid !== undefined) send(this.server.pid, 'SIGKILL');
  }

  async remove(): Promise<void> {
    this.letGo();
    const {code} = await new Promise<{code: number | null}>((resolve) => {
      spawn('umount', ['--lazy', join(this.place, 'mnt')]).on('close', (code) => {
        resolve({code});
      });
    });
    if (code === 0) rmSync(this.place, {recursive: true, force: true});
  }
}

interface Case {
  role: Role;
  title: string;
  /** With the file for `$0`. */
  script: string;
  flags: string[];
  policy: object;
  outcome: object;
}

const CASES: Case[] = [
  ...(['root', 'user'] as const).map((role) => ({
    role,
    title: 'the payload itself',
    script: 'exec cat "$0"',
    flags: ['--wall-time', '2s'],
    policy: {grace: '1s'},
    outcome: {status: 'limit', limit: 'wallTime', exitCode: null, signal: null},
  })),
  {
    role: 'user',
    title: 'what a payload leaves behind',
    script: 'cat "$0" & sleep 1; exit 3',
    flags: [],
    policy: {},
    outcome: {status: 'failed', exitCode: 3, signal: null},
  },
];

describe('what cannot be killed', function () {
  this.timeout(patience(30_000));
  const begun = new Map<Case, {site: Site; hung: Hung; ended: Promise<RunOutput>; seconds: () => number}>();
  const of = (one: Case) => begun.get(one) ?? expect.fail('not begun');

  // all at once: they wait most of the time
  before(async function () {
    need(this, isRoot, 'only root mounts for all');
    need(this, hasPythonFuse(), 'python3-fuse is not installed');
    for (const one of CASES) {
      const site = new Site(one.role);
      const hung = await new Hung().mounted();
      const start = performance.now();
      let end = 0;
      const ended = site
        .run([...one.flags, '--', '/bin/sh', '-c', one.script, hung.file], {policy: one.policy, stdio: 'ignore'})
        .finally(() => {
          end = performance.now();
        });
      ended.catch(() => undefined); // whoever waits for it is told
      begun.set(one, {site, hung, ended, seconds: () => (end - start) / 1000});
    }
  });
  after(async () => {
    for (const {site, hung} of begun.values()) {
      await hung.remove();
      site.remove();
    }
  });

  for (const one of CASES) {
    it(`${one.title} (${one.role}) is left, said to be left, and swept when it has gone`, async function () {
      this.timeout(patience((MOST_S + 60) * 1000));
      const {site, hung, ended, seconds} = of(one);
      const {code, signal, record} = await ended;
      expect(seconds()).to.be.below(patience(MOST_S));
      expect(record.outcome).to.deep.include(one.outcome);
      expect(record.flags).to.include('left-behind');
      expect([code, signal]).to.deep.equal(one.outcome === CASES[2]?.outcome ? [3, null] : [null, 'SIGKILL']);
      const waiting = () => processes().filter(({argv, state}) => argv[0] === 'cat' && argv[1] === hung.file && state !== 'Z');
      expect(waiting()).to.have.length(1);
      // there is something for a sweep to find, and nothing that it can do yet
      expect(readdirSync(join(site.directory, 'state/boxes'))).to.have.length(1);
      hung.letGo();
      await until('the end of what waited', () => waiting().length === 0, 20);
      const sweep = () => site.command(['records', 'sweep', '--policy', site.policy()]);
      await until('an init that is gone', () => site.leftovers().filter((path) => path.startsWith('process')).length === 0, 20);
      const {stdout, stderr} = await sweep();
      expect(stdout, stderr).to.match(/cleaned/);
      expect(site.leftovers()).to.deep.equal([]);
      expect(site.records().map(({state}) => state)).to.deep.equal(['final']);
    });
  }
});
