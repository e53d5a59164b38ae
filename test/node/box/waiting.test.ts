/** A record that no spool takes waits in its box's folder, and a sweep writes it when there is room: as the final record that it is. */
import {expect} from 'chai';
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, ending, isRoot, program, until} from '../../support/tare.js';

/** Some CPU time, and an end by 7 when the test says so. */
const PAYLOAD = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; : > ran; while ! test -e go; do sleep 0.05; done; exit 7';

describeSite('a record that waits, %s', {each: true, mayLeave: true, timeout: patience(40_000)}, (site) => {
  let small: string;
  beforeEach(function () {
    need(this, isRoot, 'only root can mount a small file system');
    small = join(site.directory, 'small');
    mkdirSync(small);
  });
  afterEach(() => {
    if (existsSync(small)) execFileSync('umount', [small]);
  });
  const mount = (size: string): void => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tare-test', small]);
    site.give(small);
  };
  const fill = (): void => {
    // the last bytes too
    for (const [index, bytes] of [1 << 20, 4096, 1].entries()) {
      try {
        for (;;) writeFileSync(join(small, `filler-${String(index)}`), Buffer.alloc(bytes), {flag: 'a'});
      } catch {
        // that was the aim
      }
    }
  };
  const empty = (): void => {
    for (const name of readdirSync(small)) if (name.startsWith('filler')) rmSync(join(small, name));
  };
  const policy = (extra: object = {}, directories: object = {}): string =>
    site.policy({
      directories: {state: join(site.directory, 'state'), scratch: join(site.directory, 'scratch'), spool: small, ...directories},
      ...extra,
    });
  const recordsIn = (place: string): UsageRecord[] =>
    readdirSync(place)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(place, name), 'utf8')) as UsageRecord);
  const sweep = (file: string) => site.command(['records', 'sweep', '--json', '--policy', file]);
  const isWaiting = (): string[] => readdirSync(join(site.directory, 'state/boxes'));

  /** Runs the payload, does something while it runs, and lets it end. */
  const during = async (file: string, meanwhile: (pid: number) => Promise<void> | void): ReturnType<typeof ending> => {
    const child = site.start(['run', '--policy', file, '--', '/bin/sh', '-c', PAYLOAD]);
    const end = ending(child);
    await until('the payload', () => existsSync(join(site.work, 'ran')));
    await meanwhile(child.pid ?? 0);
    writeFileSync(join(site.work, 'go'), '');
    return end;
  };
  const expectWhole = (records: readonly UsageRecord[]): void => {
    expect(records).to.have.length(1);
    const [record] = records as [UsageRecord];
    expect([record.state, record.outcome.status, record.outcome.exitCode]).to.deep.equal(['final', 'failed', 7]);
    expect((record.usage.cpuUserUs ?? 0) + (record.usage.cpuSystemUs ?? 0)).to.be.above(10_000);
    expect(record.time.wallUs).to.be.above(0);
    expect(record.flags).to.include('record-delayed');
    expect(site.leftovers()).to.deep.equal([]);
  };

  it('full while the job ran: it waits, and is written under its id when there is room', async () => {
    mount('64k');
    const file = policy();
    let started: UsageRecord[] = [];
    const {code, stderr} = await during(file, () => {
      started = recordsIn(small);
      fill();
    });
    expect(code).to.equal(7);
    const [id] = isWaiting();
    expect(stderr)
      .to.include(`${String(id)}/record.json`)
      .and.to.include('sweep');
    expect(stderr).not.to.match(/logger|is lost/);
    // still no room: it stays, and the sweep says so
    const early = await sweep(file);
    expect(early.code).to.equal(1);
    expect(early.stdout)
      .to.match(/"result":"left"/)
      .and.to.include('waits');
    empty();
    const late = await sweep(file);
    expect(late.code, late.stdout).to.equal(0);
    expectWhole(recordsIn(small));
    expect(recordsIn(small)[0]?.recordId).to.equal(started[0]?.recordId);
    // a second one finds nothing
    expect((await sweep(file)).stdout.trim()).to.equal('[]');
  });

  it('full before the start: the next job of the account writes it', async () => {
    mount('64k');
    fill();
    const file = policy();
    const {code} = await during(file, () => undefined);
    expect(code).to.equal(7);
    empty();
    expect((await site.command(['run', '--policy', file, '--', '/bin/true'])).code).to.equal(0);
    const records = recordsIn(small);
    expectWhole(records.filter(({outcome}) => outcome.exitCode === 7));
    expect(records).to.have.length(2);
  });

  it('the disk of state and scratch is full too: it is in the room that was kept for it', async () => {
    mount('2m');
    const places = {state: join(small, 'state'), scratch: join(small, 'scratch'), spool: join(small, 'spool')};
    const file = policy({debug: {pauseAt: ['supervisor-removed']}}, places);
    let shim = 0;
    const end = during(file, (pid) => {
      shim = pid;
    });
    // nothing else of the box becomes free after that; another supervisor then writes the record
    const isThere = (): number | undefined => below(shim).find(({comm}) => comm === '@supervisor-rem')?.pid;
    const supervisor = await until('the end', isThere);
    fill();
    process.kill(supervisor, 'SIGKILL');
    const {code, stderr} = await end;
    expect(code).to.equal(7);
    const [id = ''] = readdirSync(join(places.state, 'boxes'));
    expect(stderr).to.include(`waits in ${join(places.state, 'boxes', id, 'room')}`);
    empty();
    expect((await sweep(file)).code).to.equal(0);
    expectWhole(recordsIn(places.spool));
    expect(readdirSync(join(places.state, 'boxes'))).to.deep.equal([]);
  });

  it('read-only meanwhile: it waits', async () => {
    mount('64k');
    const file = policy();
    const {code} = await during(file, () => {
      execFileSync('mount', ['-o', 'remount,ro', small]);
    });
    expect(code).to.equal(7);
    execFileSync('mount', ['-o', 'remount,rw', small]);
    expect((await sweep(file)).code).to.equal(0);
    expectWhole(recordsIn(small));
  });

  it('of a job that was not run: it waits as well', async () => {
    mount('64k');
    fill();
    const refusing = policy({rules: [{match: {}, refuse: 'not here'}]});
    const {code} = await site.command(['run', '--policy', refusing, '--', '/bin/true']);
    expect(code).to.equal(126);
    empty();
    expect((await sweep(refusing)).code).to.equal(0);
    const records = recordsIn(small);
    expect(records.map(({state, outcome}) => [state, outcome.status])).to.deep.equal([['final', 'refused']]);
    expect(records[0]?.flags).to.include('record-delayed');
    expect(site.leftovers()).to.deep.equal([]);
  });

  for (const call of ['fsync', 'rename']) {
    for (const error of ['EIO', 'ENOSPC', 'EROFS']) {
      it(`${call} fails with ${error} at the end: it waits`, async function () {
        const strace = program('strace');
        need(this, strace !== null, 'strace makes a call fail');
        mount('1m');
        const file = policy();
        let tracer: ChildProcess | undefined;
        const {code} = await during(file, async (shim) => {
          tracer = spawn(strace ?? '', [
            ...['-f', '-qq', '-o', join(site.directory, 'trace'), '-e', `inject=/^${call}:error=${error}`],
            ...['-p', String(supervisorOf(shim))],
          ]);
          await until('strace', () => /TracerPid:\s+[1-9]/.test(readFileSync(`/proc/${String(supervisorOf(shim))}/status`, 'utf8')));
        });
        tracer?.kill();
        expect(code).to.equal(7);
        expect(readFileSync(join(site.directory, 'trace'), 'utf8')).to.include('(INJECTED)');
        expect(isWaiting()).to.have.length(1);
        expect((await sweep(file)).code).to.equal(0);
        expectWhole(recordsIn(small));
      });
    }
  }
});

/** The child of a shim that executes neither the shim's own program nor the engine. */
function supervisorOf(shim: number): number {
  const executable = (pid: number): string => readlinkSync(`/proc/${String(pid)}/exe`);
  const supervisor = below(shim).find(
    ({pid, parent}) => parent === shim && executable(pid) !== executable(shim) && !executable(pid).endsWith('/bwrap'),
  );
  if (supervisor === undefined) throw new Error('no supervisor');
  return supervisor.pid;
}
