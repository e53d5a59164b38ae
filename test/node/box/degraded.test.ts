/** Less than was asked for is seen: a line, a flag, a count; and refused where the policy says so, as the node's fault. */
import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {type ending, isRoot} from '../../support/tare.js';

describeSite('less than asked, %s', {each: true, mayLeave: true, timeout: patience(30_000)}, (site) => {
  const places = (): Record<string, string> => ({
    ...Object.fromEntries(['state', 'spool', 'scratch'].map((name) => [name, join(site.directory, name)])),
    node: join(site.directory, 'node'),
  });
  const policy = (extra: object = {}, directories: object = {}): string =>
    site.policy({directories: {...places(), ...directories}, ...extra});
  /** As a batch system calls it. */
  const wrap = (file: string, argv: readonly string[]): ReturnType<typeof ending> =>
    site.wrap(argv, {policy: JSON.parse(readFileSync(file, 'utf8')) as object, env: {SLURM_JOB_ID: '5'}});
  const counted = (): string[] =>
    [join(site.directory, 'node/reports'), join(site.directory, 'state/node/reports')]
      .filter(existsSync)
      .flatMap((folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')))
      .flatMap((text) => text.trim().split('\n'))
      .flatMap((line) => (line.split(' ')[1] === 'degraded' ? [line.split(' ')[2] ?? ''] : []));

  it('a log that is a directory: flagged, counted by the batch system’s wrapper, refused by validate and where the policy refuses', async function () {
    need(this, isRoot, 'only root can give a wrapper a policy of the node’s');
    const log = join(site.directory, 'log');
    mkdirSync(log);
    const file = policy({}, {log});
    const {code, stdout} = await site.command(['run', '--policy', file, '--', '/bin/echo', 'ran']);
    expect([code, stdout]).to.deep.equal([0, 'ran\n']);
    expect(site.records()[0]?.flags).to.include('log-unwritable');
    // a user could call the command line without end
    expect(counted()).to.deep.equal([]);
    expect((await wrap(file, ['/bin/true'])).code).to.equal(0);
    expect(counted()).to.deep.equal(['log-unwritable']);
    const valid = await site.command(['validate', file]);
    expect(valid.code).to.equal(1);
    expect(valid.stderr).to.include('#/directories/log: the log is a directory').and.to.include(log);
    const refused = await site.command(['run', '--policy', policy({degraded: 'refuse'}, {log}), '--', '/bin/echo', 'ran']);
    expect([refused.code, refused.stdout]).to.deep.equal([125, '']);
    expect(refused.stderr).to.match(/#\/degraded: this node can run the job only with less .*log-unwritable \(cannot write .*EISDIR/);
    const observed = await site.command(['run', '--policy', policy({degraded: 'refuse', mode: 'observe'}, {log}), '--', '/bin/true']);
    expect(observed.code).to.equal(0);
  });

  it('a spool that takes nothing: the job does not start where the policy refuses, and its record waits', async function () {
    need(this, isRoot, 'only root can mount a small file system');
    const small = join(site.directory, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,ro', 'tare-test', small]);
    try {
      const argv = ['--', '/bin/sh', '-c', ': > ran'];
      const file = policy({degraded: 'refuse'}, {spool: small});
      const refused = await site.command(['run', '--policy', file, ...argv]);
      expect(refused.code).to.equal(125);
      expect(refused.stderr).to.include('record-unspooled');
      expect(existsSync(join(site.work, 'ran'))).to.equal(false);
      const alarm = await wrap(policy({}, {spool: small}), ['/bin/true']);
      expect(alarm.code).to.equal(0);
      expect(counted()).to.deep.equal(['record-unspooled']);
      expect(readdirSync(join(site.directory, 'state/boxes'))).to.have.length(2);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('a spool that is a file takes no box from any job: only its records wait', async () => {
    const file = join(site.directory, 'a-file');
    writeFileSync(file, '');
    for (const engine of ['bubblewrap', 'crun']) {
      const extra = {engines: [engine], box: 'required'};
      const {code, stdout, stderr} = await site.command(['run', '--policy', policy(extra, {spool: file}), '--', '/bin/echo', 'ran']);
      expect([code, stdout], stderr).to.deep.equal([0, 'ran\n']);
      expect(stderr).to.match(/cannot write \S+a-file\/.*; the record waits in /);
    }
  });

  it('a scratch directory on a read-only file system: said with its place, and nothing of the box stays', async function () {
    need(this, isRoot, 'only root can mount a file system');
    const small = join(site.directory, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,ro', 'tare-test', small]);
    try {
      const {code, stderr} = await site.command(['run', '--policy', policy({}, {scratch: small}), '--', '/bin/true']);
      expect(code).to.equal(125);
      expect(stderr).to.match(/EROFS.*\S+small.*; mount its file system writable, or set directories in the policy/);
      expect(readdirSync(join(site.directory, 'state/boxes'), {recursive: true}), stderr).to.deep.equal([]);
      expect(site.records()[0]?.flags).not.to.include('left-behind');
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('a disk below the reserve: no job starts, whatever degraded says, but one that is only observed', async () => {
    for (const reserve of [{disk: '1000TiB'}, {inodes: 2 ** 50}]) {
      const {code, stdout, stderr} = await site.command(['run', '--policy', policy({reserve}), '--', '/bin/echo', 'ran']);
      expect([code, stdout]).to.deep.equal([125, '']);
      expect(stderr).to.match(/#\/reserve\/(disk|inodes): too little room for another job; found: .* free for /);
    }
    expect(site.records().map(({outcome}) => outcome.code)).to.deep.equal(['RESERVE_LOW', 'RESERVE_LOW']);
    const file = policy({reserve: {disk: '1000TiB'}, mode: 'observe'});
    expect((await site.command(['run', '--policy', file, '--', '/bin/true'])).code).to.equal(0);
    const doctor = await site.command(['doctor', '--policy', policy({reserve: {disk: '1000TiB'}})]);
    expect(doctor.code).to.equal(1);
    expect(doctor.stdout).to.match(/missing\s+reserve/);
  });

  it('a repository that only a job names, and that is not there, takes no box from the account’s other jobs', async function () {
    need(this, isRoot, 'only root can give a wrapper a policy of the node’s');
    const file = policy({batch: {blackHole: {failures: 1, within: '1h', then: 'unboxed'}}});
    const descriptor = join(site.work, '.tare.yaml');
    writeFileSync(descriptor, 'schema: tare/job/v1\ncvmfs: [no.such.repository]\n');
    for (const code of [125, 125]) expect((await wrap(file, ['/bin/true'])).code).to.equal(code);
    rmSync(descriptor);
    expect((await wrap(file, ['/bin/true'])).code).to.equal(0);
    const found = site.records().map(({outcome, mode}) => [outcome.code, mode]);
    expect(found.filter(([code]) => code === 'CVMFS_UNUSABLE')).to.have.length(2);
    expect(found.filter(([code]) => code === null)).to.deep.equal([[null, 'box']]);
  });

  it('doctor says whether the clock is synchronised', async () => {
    const {stdout} = await site.command(['doctor', '--json', '--policy', policy()]);
    const {checks} = JSON.parse(stdout) as {checks: {name: string; state: string; found: string}[]};
    const clock = checks.find(({name}) => name === 'clock');
    expect(clock?.found).to.match(/^(not )?synchronised \(adjtimex: /);
    expect(clock?.state).to.equal(clock?.found.startsWith('not') === true ? 'limited' : 'ok');
  });
});
