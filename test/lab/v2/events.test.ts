/** What the kernel of a machine of pure v2 counts and tells, in the record. */
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {payload, until} from '../../support/tare.js';
import {needPureV2, Slot} from './slot.js';

const MIB = 2 ** 20;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether this machine's kernel keeps a figure of groups; what it does not keep is sampled, and said to be. */
const keeps = (slot: Slot, file: string): boolean => existsSync(join(slot.directory, file));

/** Whether a supervisor knows that the payload of a box runs. */
const hasExecuted = (boxes: string): boolean =>
  readdirSync(boxes)
    .map((id) => join(boxes, id, 'events.jsonl'))
    .some((file) => existsSync(file) && readFileSync(file, 'utf8').includes('"type":"executed"'));

describeSite('what the kernel counts and tells, %s', {timeout: 180_000}, (site) => {
  let slot: Slot;
  before(needPureV2);
  beforeEach(() => {
    slot = new Slot(site);
  });
  afterEach(async () => {
    await slot.remove();
  });

  it('a burst of 150 MiB for 50 ms is in the peak, and not in what is looked at every 5 s', async () => {
    // a slow machine takes seconds to touch as much: the supervisor looks just before and just after, and no sooner than 5 s after the first look
    const script = `until [ -e begin ]; do sleep 0.1; done; ${payload('touch-memory')} 150 --hold 0.05 >&2; touch over; until [ -e go ]; do sleep 0.1; done`;
    const running = slot.start(['--memory', '400MiB', '--', '/bin/sh', '-c', script]);
    const group = await slot.payload();
    const kept = keeps(slot, 'memory.peak');
    const polled: number[] = [];
    const poll = (): void => {
      polled.push(Number(readFileSync(`${group}/memory.current`, 'utf8')));
    };
    const [begin, over, go] = ['begin', 'over', 'go'].map((name) => join(site.work, name)) as [string, string, string];
    poll();
    const next = sleep(5000);
    writeFileSync(begin, '');
    await until('the end of the burst', () => existsSync(over));
    await next;
    poll();
    writeFileSync(go, '');
    const {record} = await slot.end(running);
    const {memPeakBytes, memPeakSource} = record.usage;
    console.log(`      peak ${String(memPeakBytes)}, of looks every 5 s ${String(Math.max(...polled))} bytes`);
    expect(record.outcome.status).to.equal('completed');
    expect(Math.max(...polled)).to.be.below(50 * MIB);
    if (kept) {
      expect(memPeakBytes).to.be.within(150 * MIB, 170 * MIB);
      expect(memPeakSource).to.match(/^cgroup2:memory\.peak/);
      expect(record.flags).to.not.include('sampled-memory');
    } else {
      // before Linux 5.19: a lower bound, named so
      expect(memPeakBytes).to.be.below(170 * MIB);
      expect(memPeakSource).to.match(/^sampled/);
      expect(record.flags).to.include('sampled-memory');
    }
  });

  it('pressure, throttling, input and output, processes, with their sources', async () => {
    const script = `${payload('burn')} 1 --processes 2; dd if=/dev/zero of=out bs=1M count=8 oflag=direct 2>/dev/null; (sleep 0.1 & sleep 0.1 & wait)`;
    const source = (file: string): RegExp => (keeps(slot, file) ? new RegExp(`^cgroup2:${file}$`) : /^sampled/);
    const {record, stderr} = await slot.run(['--cores', '0.5', '--memory', '200MiB', '--', '/bin/sh', '-c', script]);
    const {usage, watch} = record;
    expect(record.outcome.status, stderr).to.equal('completed');
    expect(usage.cpuSource).to.equal('cgroup2:cpu.stat');
    expect(usage.throttledUs).to.be.above(100_000);
    expect(usage.throttledPeriods).to.be.within(1, usage.quotaPeriods ?? 0);
    expect(usage.ioWriteBytes).to.be.at.least(8 * MIB);
    expect(usage.ioWriteOps).to.be.at.least(1);
    expect(usage.ioSource).to.equal('cgroup2:io.stat');
    expect(usage.pidsPeak).to.be.at.least(3);
    expect(usage.pidsPeakSource).to.match(source('pids.peak'));
    expect(usage.swapPeakBytes).to.equal(0);
    expect(usage.swapPeakSource).to.match(source('memory.swap.peak'));
    expect(usage.pressureSource).to.equal('cgroup2:*.pressure');
    expect(usage.pressure?.cpu.someUs).to.be.above(100_000);
    expect(usage.pressure?.memory.someUs).to.be.a('number');
    expect(usage.pressure?.io.fullUs).to.be.a('number');
    expect(usage.oomKills).to.equal(0);
    expect(watch?.events).to.equal('notified');
    // the memory of processes is looked at for the record alone
    expect(watch?.pssReads).to.be.at.least(1);
  });

  it('a refused fork is told at once, and logged', async () => {
    const script = 'i=0; while [ $i -lt 30 ]; do sleep 2 & i=$((i+1)); done; wait';
    const started = Date.now();
    const {record, stderr} = await slot.run(['--verbose', '--processes', '10', '--', '/bin/bash', '-c', script]);
    expect(record.usage.pidsLimitHits, String(Date.now() - started)).to.be.at.least(1);
    expect(stderr).to.match(/the limit on processes refused the payload a fork/);
  });
});

describeSite('suspended for 3 s within a wall time limit of 10 s, %s', {mayLeave: true, timeout: 120_000}, (site) => {
  before(needPureV2);

  const SUSPENDED_US = 3e6;
  /** As HTCondor does: the wrapper too. */
  const run = async (policy: object) => {
    const slot = new Slot(site);
    const running = slot.start(['--wall-time', '10s', '--', '/bin/sleep', '60'], {grace: '1s', ...policy});
    await slot.payload();
    // a supervisor that has not yet heard of its payload does not look whether it stands still
    await until('the supervisor knows', () => hasExecuted(join(site.directory, 'state/boxes')), 60);
    await sleep(1000);
    await slot.freeze();
    await sleep(SUSPENDED_US / 1000);
    slot.thaw();
    const {record} = await slot.end(running);
    await slot.remove();
    console.log(
      `      wall ${String(record.time.wallUs)} µs, suspended ${String(record.time.suspendedUs)} µs (${String(record.time.suspendedSource)})`,
    );
    expect(record.outcome).to.include({status: 'limit', limit: 'wallTime'});
    return record.time;
  };
  it('is in the record, and does not count', async () => {
    const {wallUs, suspendedUs, suspendedCounted} = await run({});
    expect(suspendedUs).to.be.within(SUSPENDED_US - 600_000, SUSPENDED_US + 300_000);
    expect(suspendedCounted).to.equal(false);
    expect(wallUs).to.be.within(12.2e6, 16e6);
  });

  it('counts where the policy says so', async () => {
    const {wallUs, suspendedUs, suspendedCounted} = await run({suspendedTime: 'counted'});
    expect(suspendedUs).to.be.within(SUSPENDED_US - 600_000, SUSPENDED_US + 300_000);
    expect(suspendedCounted).to.equal(true);
    expect(wallUs).to.be.within(10e6, 12e6);
  });
});
