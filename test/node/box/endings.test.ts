/** How the payload ends is how the wrapper ends: every exit code, every signal that can end a process. */
import {spawn} from 'node:child_process';
import {chmodSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {MOMENTS} from '../../../src/process/trace.js';
import {describeSite} from '../../support/describe-site.js';
import {LONG} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, payload, type Site} from '../../support/tare.js';

const AT_ONCE = 4;
/** Signals whose default action ends a process (signal(7)), the first and last real-time ones among them. */
const DEADLY = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 34, 50, 64];

/** Codes that mean something somewhere, and those beside them: in a long run, 20 s more, a user has them all, as root always has. */
const SOME = new Set([0, 1, 2, 63, 64, 65, 78, 99, 125, 126, 127, 128, 129, 130, 137, 143, 159, 160, 192, 254, 255]);

/** The raw wait status of `tare run -- die-by END`: JavaScript has no name for real-time signals, a caller in C tells the number. */
async function statusOf(site: Site, policy: string, ...end: string[]): Promise<number> {
  const file = join(site.directory, `status-${end.join('-')}`);
  const child = spawn(
    payload('caller'),
    ['--status', file, '--', bin('tare'), 'run', '--policy', policy, '--', payload('die-by'), ...end],
    {cwd: site.work, stdio: 'ignore', ...site.credentials},
  );
  await ending(child);
  return Number(readFileSync(file, 'utf8'));
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({length: AT_ONCE}, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}

describeSite('endings, %s', {mayLeave: true, timeout: patience(300_000)}, (site, role) => {
  let policy: string;
  before(() => {
    policy = site.policy();
    // root's copies of records lie where root alone writes
    if (role === 'user') chmodSync(site.directory, 0o777);
  });
  after(() => {
    expect(site.leftovers()).to.deep.equal([]);
  });

  it(`${role === 'root' || LONG ? 'every exit code' : 'exit codes'} from 0 to 255`, async () => {
    const wrong: string[] = [];
    await inParallel(
      Array.from({length: 256}, (_, code) => code).filter((code) => role === 'root' || LONG || SOME.has(code)),
      async (code) => {
        const status = await statusOf(site, policy, 'exit', String(code));
        if (status !== code << 8) wrong.push(`exit ${String(code)} became status ${String(status)}`);
      },
    );
    expect(wrong).to.deep.equal([]);
  });

  it('every deadly signal', async () => {
    const wrong: string[] = [];
    await inParallel(DEADLY, async (signal) => {
      const status = await statusOf(site, policy, String(signal));
      if (status !== signal) wrong.push(`signal ${String(signal)} became status ${String(status)}`);
    });
    expect(wrong).to.deep.equal([]);
  });

  it('exit 137 and death by SIGKILL differ, in the record and in how the wrapper ends', async () => {
    const exited = await site.run(['--', payload('die-by'), 'exit', '137']);
    expect([
      exited.code,
      exited.signal,
      exited.record.outcome.status,
      exited.record.outcome.exitCode,
      exited.record.outcome.signal,
    ]).to.deep.equal([137, null, 'failed', 137, null]);
    const killed = await site.run(['--', payload('die-by'), 'KILL']);
    expect([
      killed.code,
      killed.signal,
      killed.record.outcome.status,
      killed.record.outcome.exitCode,
      killed.record.outcome.signal,
    ]).to.deep.equal([null, 'SIGKILL', 'signalled', null, 'SIGKILL']);
  });

  it('a payload that finds its record in the spool and calls it final is weighed all the same', async () => {
    const forge = `sed -i 's/"state":"started"/"state":"final"/' "$1"/*-*.json; exit 5`;
    const {code, record} = await site.run(['--', 'sh', '-c', forge, 'sh', join(site.directory, 'spool')], {policy: {mode: 'observe'}});
    expect([code, record.state, record.outcome.exitCode]).to.deep.equal([5, 'final', 5]);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('a payload that cannot be executed: 127, one line, and a record', async () => {
    const {code, stderr, record} = await site.run(['--', '/no/such/program']);
    expect(code).to.equal(127);
    expect(stderr).to.match(/^tare: the payload could not be executed: .*No such file.*\n$/);
    expect(record.outcome).to.include({status: 'failed', exitCode: 127, code: 'PAYLOAD_NOT_EXECUTABLE'});
  });

  it('a program below a directory that is private in the box: the line says so', async () => {
    const {code, stderr} = await site.run(['--', join(site.directory, 'program')]);
    expect(code).to.equal(127);
    expect(stderr).to.match(/^tare: the payload could not be executed: .*No such file.*; \/tmp is private in the box: put it elsewhere/);
  });

  it('with --trace, where the time went: every moment once, in their order, and in the log of a wrapper', async () => {
    const {code, stderr, record} = await site.run(['--trace', '--', '/bin/sh', '-c', 'sleep 0.2; exit 3']);
    expect(code).to.equal(3);
    const [head, ...rows] = stderr.trimEnd().split('\n');
    expect(head).to.match(/^ +at, ms +took$/);
    const named = rows.map((row) => /^ *([\d.]+) +(?:([\d.]+) {2}|)(\S.*)$/.exec(row)?.slice(1) ?? [row]);
    const all = named.map(([, , what]) => what);
    // init says when it executed the payload, by its own clock: that of the supervisor is ahead of it by the time until the shim had read its own
    expect(all.filter((what) => what === MOMENTS.executed)).to.have.length(1);
    const others = (what: string | undefined): boolean => what !== MOMENTS.executed;
    expect(all.filter(others)).to.deep.equal(['the wrapper started', ...Object.values(MOMENTS)].filter(others));
    const at = (what: string): number => Number(named.find(([, , name]) => name === what)?.[0]);
    expect(at(MOMENTS.ended) - at(MOMENTS.executed)).to.be.closeTo((record.time.wallUs ?? 0) / 1000, 1);
    expect(at(MOMENTS.executed)).to.be.closeTo((record.tare.launchUs ?? 0) / 1000, 0.02);

    const log = join(site.directory, 'trace.log');
    writeFileSync(log, '');
    site.give(log);
    const [state, spool, scratch] = ['state', 'spool', 'scratch'].map((name) => join(site.directory, name));
    await site.run(['--', '/bin/true'], {policy: {log: {level: 'debug', format: 'json'}, directories: {state, spool, scratch, log}}});
    const line = readFileSync(log, 'utf8')
      .split('\n')
      .find((one) => one.includes('where the time went'));
    expect(Object.keys(JSON.parse(line ?? '{}') as object)).to.include.members(Object.keys(MOMENTS));
  });
});
