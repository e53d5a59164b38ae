/**
 * What a process of the payload does to those of its wrapper that have its own uid: init, keepers, and processes that join. The kernel lets it lower their
 * limits, signal them and take away their priority; none of that changes how a job ends, keeps a box alive, or costs time outside its limits.
 */
import {spawn} from 'node:child_process';
import {readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {LONG, need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, bin, ending, program, send, until, type RunOutput} from '../../support/tare.js';

const ATTACKS = readFileSync(fileURLToPath(new URL('../../support/own-uid.py', import.meta.url)), 'utf8');
const attack = (...words: string[]): string[] => ['/usr/bin/python3', '-c', ATTACKS, ...words];
/** The filter on system calls would deny some of it; what is shown here holds without one, as a site may want it. */
const UNFILTERED = {seccomp: 'unconfined'};
/** Sleeps so long that only a kill ends it; the number makes it ours. */
const MARK = '1618.03';

describeSite('against its own uid, %s', {each: true, mayLeave: true, timeout: patience(60_000)}, (site) => {
  before(function () {
    need(this, program('python3') === '/usr/bin/python3', 'there is no /usr/bin/python3');
  });
  afterEach(async () => {
    await until('nothing to be left', () => site.leftovers().length === 0);
  });

  const run = (...words: string[]): Promise<RunOutput> =>
    site.run(['--memory', '256MiB', '--processes', '100', '--', ...attack(...words)], {policy: UNFILTERED});
  /** Of two, of which the first attacks; the other ends when it is told. */
  const runTwo = (...words: string[]): Promise<RunOutput> =>
    site.run(
      [
        site.job({
          applications: [
            // what it does to a process that has not executed yet it does to the other application, whose uid is its own
            {name: 'attacker', command: attack(...words), needs: ['other']},
            {
              name: 'other',
              command: ['/bin/sh', '-c', 'touch up; until [ -e go ]; do sleep 0.05; done; exit 3'],
              ready: {file: 'up'},
            },
          ],
          onFailure: 'continue',
        }),
      ],
      {policy: UNFILTERED},
    );
  /** Once its payload has said the word. */
  const begin = async (word: string, ...words: string[]) => {
    const child = site.start(['run', '--policy', site.policy(UNFILTERED), '--', ...attack(...words)]);
    let said = '';
    child.stdout?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    const over = ending(child);
    await until(`"${word}"`, () => said.includes(word));
    const init = below(child.pid ?? 0).find(({comm}) => comm === 'tare-init')?.pid ?? 0;
    expect(init, 'no init').to.be.above(0);
    return {child, over, init};
  };

  it('its limits at their lowest: the end is the payload’s, and what it leaves is killed', async () => {
    for (const lowest of LONG ? ['0', '1'] : ['0']) {
      const {code, stdout, stderr, record} = await run(`deaf=${lowest}`, `daemon=${MARK}`, 'exit=7');
      expect(stdout, stderr).to.match(/^targets 1 allowed [1-9]/);
      expect([code, record.outcome.status], stderr).to.deep.equal([7, 'failed']);
      expect(record.outcome.killedProcesses).to.be.at.least(1);
    }
  });

  it('its limits at their lowest: SIGTERM to the shim reaches the payload; SIGKILL takes the box with it', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const {child, over, init} = await begin('deaf now', 'deaf', `daemon=${MARK}`, 'say=deaf now', `sleep=${MARK}`);
      child.kill(signal);
      expect((await over).signal).to.equal(signal);
      await until('the box to be gone', () => below(init).length === 0);
    }
    const final = () => site.records().filter(({state}) => state === 'final');
    const records = await until('both records', () => final().length === 2 && final());
    const ends = records.map(({outcome}) => [outcome.status, outcome.signal]);
    expect(ends).to.have.deep.members([
      ['stopped', 'SIGTERM'],
      ['wrapper-failure', null],
    ]);
  });

  it('every signal, as fast as two processes send it: init hardly wakes', async () => {
    const seconds = LONG ? 30 : 1;
    const {over, init} = await begin('begin', 'say=begin', 'flood=enough', 'exit=7');
    const woken = (): number =>
      Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(readFileSync(`/proc/${String(init)}/status`, 'utf8'))?.[1]);
    const usedNs = (): number => Number(readFileSync(`/proc/${String(init)}/schedstat`, 'latin1').split(' ')[0]);
    const [wakes, ns, began] = [woken(), usedNs(), performance.now()];
    await new Promise((resolve) => {
      setTimeout(resolve, seconds * 1000);
    });
    const minutes = (performance.now() - began) / 60_000;
    expect((woken() - wakes) / minutes, 'wakes a minute').to.be.below(2400);
    // what two seconds cost depends on the machine
    if (LONG) expect((usedNs() - ns) / 1e9 / minutes, 'CPU seconds a minute').to.be.below(0.1);
    writeFileSync(join(site.work, 'enough'), '');
    expect((await over).code).to.equal(7);
  });

  it('least priority, one CPU; nothing of it can be traced, taken or written to', async () => {
    const {code, stdout, stderr} = await run('weigh-down', 'look-into', 'exit=7');
    expect([code, stdout], stderr).to.deep.equal([7, '']);
  });

  it('its CPU time limited: as long as it lives nothing changes', async () => {
    const {code, record, stderr} = await run('spend=0.3', 'exit=7');
    expect([code, record.outcome.status], stderr).to.deep.equal([7, 'failed']);
  });

  it('its CPU time limited, and then killed, as the kernel does it: the payload was', async () => {
    const {over, init} = await begin('spent', 'spend=0', 'say=spent', `sleep=${MARK}`);
    send(init, 'SIGKILL');
    expect((await over).signal).to.equal('SIGKILL');
    const [record] = site.records();
    expect(record?.outcome).to.include({status: 'signalled', signal: 'SIGKILL'});
    expect(record?.outcome.reason).to.match(/lowered the limit of CPU time of init/);
  });

  it('of several, one makes init and both keepers deaf, or stops the keepers: each ends as itself', async () => {
    for (const words of [['deaf', 'weigh-down', 'look-into'], ['stop'], ...(LONG ? [['flood=3'], ['spend=3']] : [])]) {
      for (const name of ['up', 'go']) rmSync(join(site.work, name), {force: true});
      const {code, stdout, stderr, record} = await runTwo(...words, `daemon=${MARK}`, 'say=done', 'touch=go', 'exit=7');
      expect(stdout, stderr).to.include('done').and.not.include('THROUGH');
      const ends = Object.fromEntries(record.applications.map(({name, outcome}) => [name, [outcome.status, outcome.exitCode]]));
      expect(ends, `${words.join(' ')}: ${stderr}`).to.deep.equal({attacker: ['failed', 7], other: ['failed', 3]});
      expect(code).to.be.oneOf([3, 7]);
    }
  });

  it('a process that joins the box (tare exec) cannot be traced or read, from its first moment', async function () {
    const strace = program('strace');
    need(this, strace !== null, 'strace makes the moments between two calls longer');
    const {child, over} = await begin('ready', `joiners=${MARK}`);
    const file = site.policy(UNFILTERED);
    const [{id} = {id: ''}] = JSON.parse((await site.command(['ps', '--json', '--policy', file])).stdout) as {id: string}[];
    const slowly = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=execve,prctl', '-e', 'inject=execve,prctl:delay_exit=100000'];
    const joining = spawn(strace ?? '', [...slowly, bin('tare'), 'exec', id, '--policy', file, '--', '/bin/true'], {
      cwd: site.work,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...site.credentials,
    });
    const {code, stderr} = await ending(joining);
    expect(code, stderr).to.equal(0);
    child.kill('SIGTERM');
    expect((await over).stdout).to.equal('ready\n');
  });
});
