/** Time and process limits, grace, modes and the kill switch. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync, readlinkSync, rmSync, writeFileSync} from 'node:fs';
import {getPriority} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {KEEPS_PEAK} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, payload, processes, until} from '../../support/tare.js';

describeSite('limits, %s', {}, (site) => {
  it('wall time: SIGTERM once, then the grace, then SIGKILL to all', async () => {
    const {record, signal} = await site.run(
      ['--wall-time', '500ms', '--', '/bin/sh', '-c', 'trap "echo TERM >>said" TERM; while :; do sleep 0.1; done'],
      {policy: {grace: '1s'}},
    );
    expect(record.outcome).to.include({status: 'limit', limit: 'wallTime', signal: 'SIGKILL'});
    expect(signal).to.equal('SIGKILL');
    expect(readFileSync(join(site.work, 'said'), 'utf8')).to.equal('TERM\n');
    expect(record.time.wallUs).to.be.within(1_400_000, patience(4_000_000));
  });

  it('a payload that heeds SIGTERM ends by itself, and so does the wrapper', async () => {
    const {record, code} = await site.run(['--wall-time', '500ms', '--', payload('trap-term'), 'heeded', '--take', '0.2']);
    expect([code, record.outcome.status, record.outcome.limit, record.outcome.exitCode]).to.deep.equal([0, 'limit', 'wallTime', 0]);
    expect(readFileSync(join(site.work, 'heeded'), 'utf8')).to.equal('TERM\ndone\n');
  });

  it('CPU time of the whole tree', async () => {
    const {record, signal} = await site.run(['--cpu-time', '1s', '--', payload('burn'), '30', '--processes', '2']);
    expect(record.outcome).to.include({status: 'limit', limit: 'cpuTime'});
    expect(signal).to.equal('SIGTERM');
    const {cpuUserUs, cpuSystemUs} = record.usage;
    expect((cpuUserUs ?? 0) + (cpuSystemUs ?? 0)).to.be.within(900_000, patience(3_000_000));
  });

  it('open files and core size', async () => {
    const {stdout} = await site.run(['--open-files', '77', '--core-size', '0', '--', '/bin/sh', '-c', 'ulimit -n; ulimit -Hn; ulimit -c']);
    expect(stdout).to.equal('77\n77\n0\n');
  });

  describe('nice value', () => {
    /** Of this run: what a caller has is never lowered. */
    const own = getPriority();
    const SAID = 'nice; awk "{print \\$19}" "/proc/$PPID/stat"; renice 0 -p $$ >/dev/null 2>&1; nice';

    it('of the payload and all it starts, not of init; the payload does not lower it again', async () => {
      const {stdout, record} = await site.run(['--nice', '7', '--', '/bin/sh', '-c', SAID]);
      const value = String(Math.max(own, 7));
      expect(stdout).to.equal(`${value}\n${String(own)}\n${value}\n`);
      expect(record.limits?.nice).to.include({value: 7, unit: 'nice', asked: 7, clamped: false, enforcement: 'kernel', by: 'setpriority'});
    });

    it('by the policy: its default, and no more than its maximum', async () => {
      const policy = {defaults: {nice: 3}, maxima: {nice: 5}};
      for (const [flags, value] of [
        [[], 3],
        [['--nice', '9'], 5],
        [['--nice', '0'], 0],
      ] as const) {
        const {stdout, record} = await site.run([...flags, '--', 'nice'], {policy});
        expect(stdout).to.equal(`${String(Math.max(own, value))}\n`);
        expect(record.limits?.nice?.value).to.equal(value === 0 ? null : value);
      }
    });

    it('of a caller that is nicer stays', async () => {
      const nicer = Math.min(19, own + 9);
      const argv = ['-n', '9', bin('tare'), 'run', '--policy', site.policy(), '--nice', '1', '--', 'nice'];
      const {stdout} = await ending(spawn('nice', argv, {...site.credentials, cwd: site.work}));
      expect(stdout).to.equal(`${String(Math.max(nicer, 1))}\n`);
    });

    it('is left alone where the payload is only observed', async () => {
      const {stdout, record} = await site.run(['--nice', '7', '--', 'nice'], {policy: {mode: 'observe'}});
      expect(stdout).to.equal(`${String(own)}\n`);
      expect(record.observed?.limits.nice).to.include({limit: 7, unit: 'nice', peak: null, exceededBy: null});
    });
  });

  it('observe: weighed, but neither limited nor isolated', async () => {
    const {record, code, stdout} = await site.run(
      ['--memory', '50MiB', '--', '/bin/sh', '-c', `${payload('touch-memory')} 100; readlink /proc/self/ns/pid`],
      {policy: {mode: 'observe'}},
    );
    expect(code, stdout).to.equal(0);
    expect(stdout).to.contain(readlinkSync('/proc/self/ns/pid'));
    expect(record.mode).to.equal('observe');
    expect(record.flags).to.include('observe');
    expect(record.limits?.memory).to.include({value: 50 * 1024 * 1024, enforcement: 'none'});
    if (KEEPS_PEAK) expect(record.usage.memPeakBytes === null || record.usage.memPeakBytes > 90 * 1024 * 1024).to.equal(true);
  });

  it('kill switch: a plain exec, with neither box nor record', async () => {
    writeFileSync(join(site.directory, 'off'), '');
    try {
      const child = site.start([
        'run',
        '--policy',
        site.policy(),
        '--memory',
        '1MiB',
        '--',
        '/bin/sh',
        '-c',
        'readlink /proc/self/ns/pid; echo $$; exit 9',
      ]);
      const {pid} = child;
      const {code, stdout} = await ending(child);
      expect([code, stdout]).to.deep.equal([9, `${readlinkSync('/proc/self/ns/pid')}\n${String(pid)}\n`]);
    } finally {
      rmSync(join(site.directory, 'off'));
    }
  });

  it('SIGTERM to the whole process group: the payload’s trap runs once, with its full grace', async () => {
    const child = site.start(['run', '--policy', site.policy(), '--', payload('trap-term'), 'group', '--take', '1'], {detached: true});
    let seen = '';
    child.stdout?.on('data', (text: Buffer) => {
      seen += text.toString();
    });
    await until('the payload', () => seen.includes('ready'));
    process.kill(-(child.pid ?? 0), 'SIGTERM');
    const {code} = await ending(child);
    expect(code).to.equal(0);
    expect(readFileSync(join(site.work, 'group'), 'utf8')).to.equal('TERM\ndone\n');
  });

  it('a wrapper that was told to stop says so in the record', async () => {
    const recordFile = join(site.directory, 'spool', 'stopped.json');
    const child = site.start([
      'run',
      '--policy',
      site.policy(),
      '--record',
      recordFile,
      '--',
      '/bin/sh',
      '-c',
      'echo ready; exec sleep 60',
    ]);
    await once(child.stdout!, 'data');
    child.kill('SIGTERM');
    const {signal} = await ending(child);
    expect(signal).to.equal('SIGTERM');
    const record = JSON.parse(readFileSync(recordFile, 'utf8')) as {outcome: {status: string; signal: string}};
    expect(record.outcome).to.include({status: 'stopped', signal: 'SIGTERM'});
    rmSync(recordFile);
  });

  it('a spool that cannot be written to costs no job: one line says so, and the record waits for a sweep', async () => {
    for (const spool of ['/proc/nospool', '/dev/null/spool']) {
      const directories = {state: join(site.directory, 'state'), scratch: join(site.directory, 'scratch'), spool};
      const {code, stdout, stderr} = await ending(site.start(['run', '--policy', site.policy({directories}), '--', '/bin/echo', 'ran']));
      expect([code, stdout]).to.deep.equal([0, 'ran\n']);
      expect(stderr)
        .to.contain(spool)
        .and.match(/^(tare: .+\n)+$/);
      expect(site.leftovers()).to.have.length(1);
      const swept = await site.command(['records', 'sweep', '--policy', site.policy()]);
      expect(swept.stdout).to.contain('1 written');
      expect(site.leftovers()).to.deep.equal([]);
    }
    const late = site.records().filter(({flags}) => flags.includes('record-delayed'));
    expect(late.map(({state, outcome}) => [state, outcome.status])).to.deep.equal([
      ['final', 'completed'],
      ['final', 'completed'],
    ]);
  });

  it('a saved plan runs as it stands, and is refused when it was tampered with or made under another policy', async () => {
    const policy = site.policy();
    const made = await ending(site.start(['plan', '--policy', policy, '--memory', '100MiB', '--json', '--', '/bin/echo', 'planned']));
    expect(made.code, made.stderr).to.equal(0);
    const file = join(site.directory, 'plan.json');
    writeFileSync(file, made.stdout);
    const run = await ending(site.start(['run', '--policy', policy, '--plan', file]));
    expect([run.stdout, run.code], run.stderr).to.deep.equal(['planned\n', 0]);
    for (const [from, to, says] of [
      ['"path": "{box}/tmp"', '"path": "/etc/tmp"', 'outside the box'],
      ['"source": "{box}/tmp"', '"source": "/etc"', 'makes the node writable'],
    ] as const) {
      expect(made.stdout).to.contain(from);
      writeFileSync(file, made.stdout.replaceAll(from, to));
      const tampered = await ending(site.start(['run', '--policy', policy, '--plan', file]));
      expect(tampered.code).to.equal(125);
      expect(tampered.stderr).to.contain(says);
    }
    writeFileSync(file, made.stdout);
    const other = await ending(site.start(['run', '--policy', site.policy({grace: '3s'}), '--plan', file]));
    expect(other.code).to.equal(125);
    expect(other.stderr).to.contain('another policy');
  });
});

// in a mount namespace of its own
describeSite('a node where the engine does not work', {roles: isRoot ? ['root'] : [], each: true}, (site) => {
  /** `tare run`, where a program that fails lies over bubblewrap. */
  async function runWithBrokenEngine(
    policy: object,
    engine = '/bin/false',
  ): Promise<{code: number | null; stdout: string; stderr: string}> {
    const argv = ['run', '--policy', site.policy(policy), '--', '/bin/sh', '-c', 'echo ran; readlink /proc/self/ns/pid'];
    const script = 'mount --make-rprivate / && mount --bind "$0" /usr/bin/bwrap && exec "$@"';
    return ending(
      spawn('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', script, engine, bin('tare'), ...argv], {
        cwd: site.work,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  it('runs the payload unboxed and flagged', async () => {
    const {code, stdout, stderr} = await runWithBrokenEngine({});
    expect([code, stdout], stderr).to.deep.equal([0, `ran\n${readlinkSync('/proc/self/ns/pid')}\n`]);
    const [record] = site.records();
    expect(record?.mode).to.equal('limits-only');
    expect(record?.flags).to.include('unboxed');
  });

  it('nor waits for what it forked before it failed', async () => {
    const engine = join(site.directory, 'engine');
    writeFileSync(engine, '#!/bin/sh\ncase "$*" in *tare-init*) sleep 600.25 & esac\nexit 1\n', {mode: 0o755});
    const {code, stdout, stderr} = await runWithBrokenEngine({}, engine);
    expect([code, stdout], stderr).to.deep.equal([0, `ran\n${readlinkSync('/proc/self/ns/pid')}\n`]);
    expect(processes().filter(({argv}) => argv.includes('600.25'))).to.deep.equal([]);
  });

  it('or not at all, where the policy requires the box', async () => {
    const {code, stdout, stderr} = await runWithBrokenEngine({box: 'required'});
    expect([code, stdout]).to.deep.equal([125, '']);
    expect(stderr).to.match(/^tare: .+\n$/);
    const [record] = site.records();
    expect(record?.outcome).to.include({status: 'wrapper-failure', exitCode: null});
    expect(record?.time.startEpochUs).to.equal(null);
  });
});
