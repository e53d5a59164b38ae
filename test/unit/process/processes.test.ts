import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import {monotonicUs, setClock} from '../../../src/process/clock.js';
import {Sampler} from '../../../src/supervise/sampler.js';
import {readParent, readProcess, readSmapsRollup, readTree} from '../../../src/process/tree.js';
import {need} from '../../support/need.js';
import {fakeFiles, fakeProc, type FakeProcess} from './proc.js';

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('processes of /proc', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    // whole groups: a grandchild that is left would hold the pipe open
    for (const {pid} of children.splice(0)) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  });
  /** A node or shell child that has said that it is ready. */
  const start = (program: string, argv: string[]): Promise<number> =>
    new Promise((resolve, reject) => {
      const child = spawn(program, argv, {stdio: ['ignore', 'pipe', 'ignore'], detached: true});
      children.push(child);
      child.on('error', reject);
      child.stdout.once('data', () => resolve(child.pid ?? 0));
    });
  const node = (code: string): Promise<number> => start(process.execPath, ['-e', code]);

  it('with names that look like fields', async () => {
    const titles = ['a) b (c', ')', ') S 1 1 1 1', 'x\ny'];
    const pids = await Promise.all(
      titles.map((title) => node(`process.title = ${JSON.stringify(title)}; console.log('ready'); setInterval(() => {}, 1000)`)),
    );
    for (const [index, pid] of pids.entries()) {
      const title = titles[index];
      const sample = readProcess(pid);
      expect(sample, title).to.include({pid, waitedUs: 0});
      expect(sample?.threads).to.be.within(2, 40);
      expect(sample?.rssBytes).to.be.within(10e6, 500e6);
      expect(sample?.cpuUs).to.be.within(0, 2e6);
      expect(readParent(pid)).to.equal(process.pid);
    }
  });

  it('that are gone, or never were, are nothing', () => {
    expect(readProcess(2 ** 30)).to.equal(null);
    expect(readParent(2 ** 30)).to.equal(null);
    expect(readSmapsRollup(2 ** 30)).to.equal(null);
    expect(readTree(2 ** 30)).to.deep.equal([]);
  });

  it('have private and proportional memory', () => {
    const memory = readSmapsRollup('self');
    expect(memory?.pssBytes).to.be.within(10e6, 2e9);
    expect(memory?.privateBytes).to.be.within(memory?.privateDirtyBytes ?? Infinity, memory?.pssBytes ?? 0);
    expect(memory?.privateDirtyBytes).to.be.above(1e6);
  });

  it('make a tree, without its root', async function () {
    need(this, readTree(process.ppid).length > 0, 'the kernel has no /proc/PID/task/TID/children');
    const pid = await start('/bin/sh', ['-c', 'sleep 100 & (sleep 100; :) & echo ready; wait']);
    await wait(30);
    const tree = readTree(pid).map((sample) => sample.pid);
    expect(tree).to.have.length(3).and.not.include(pid);
    expect(readTree(process.pid).map((sample) => sample.pid)).to.include.members([pid, ...tree]);
  });

  it('of the account nobody that use CPU are counted, also after their end', async () => {
    const root = await start('/bin/sh', [
      '-c',
      `${process.execPath} -e 'console.log("ready"); const end = Date.now() + 350; while (Date.now() < end);'; sleep 100`,
    ]);
    const sampler = new Sampler(root, false);
    for (let look = 0; look < 12; look++) {
      sampler.sample();
      await wait(50);
    }
    const {cpuUs, samples, pidsPeak, largestProcessBytes, rssPeakBytes, longestGapUs} = sampler.report();
    expect(samples).to.equal(12);
    expect(cpuUs).to.be.within(30_000, 900_000);
    expect(sampler.readCpuUs()).to.be.within(cpuUs ?? Infinity, 1_500_000);
    expect(pidsPeak).to.be.above(1);
    expect(largestProcessBytes).to.be.above(10e6);
    expect(rssPeakBytes).to.be.at.least(largestProcessBytes ?? Infinity);
    expect(longestGapUs).to.be.within(40_000, 1_000_000);
  }).timeout(5000);
});

describe('the sampler, on a made /proc', () => {
  let restore = (): void => undefined;
  afterEach(() => restore());
  const show = (...processes: FakeProcess[]): void => {
    restore();
    restore = fakeFiles(fakeProc(processes), '/proc');
  };
  const INIT: FakeProcess = {pid: 10, children: [11]};
  const MS10 = 10_000;

  it('goes on from what a supervisor before saw', () => {
    const first = new Sampler(10, false);
    show(INIT, {pid: 11, ticks: 5, pages: 8, children: [12]}, {pid: 12, ticks: 7, pages: 8});
    first.sample();
    show(INIT, {pid: 11, ticks: 6, pages: 2});
    const kept = JSON.parse(JSON.stringify(first.kept())) as ReturnType<Sampler['kept']>;
    const next = new Sampler(10, false, undefined, kept);
    next.sample();
    const {cpuUs, rssPeakBytes, samples} = next.report();
    expect([cpuUs, samples]).to.deep.equal([13 * MS10, 2]);
    expect(rssPeakBytes).to.equal(first.report().rssPeakBytes);
    expect(next.report().rssAverageBytes).to.be.a('number');
  });

  it('adds up what lives and what is gone', () => {
    const sampler = new Sampler(10, false);
    show(INIT, {pid: 11, ticks: 5, children: [12, 13]}, {pid: 12, ticks: 7}, {pid: 13, ticks: 1});
    sampler.sample();
    expect(sampler.report().cpuUs).to.equal(13 * MS10);
    show(INIT, {pid: 11, ticks: 6, children: [13]}, {pid: 13, ticks: 2});
    sampler.sample();
    expect(sampler.report().cpuUs).to.equal((6 + 7 + 2) * MS10);
  });

  it('takes a process with an old number for another', () => {
    const sampler = new Sampler(10, false);
    show(INIT, {pid: 11, ticks: 5, start: 100});
    sampler.sample();
    show(INIT, {pid: 11, ticks: 3, start: 200});
    sampler.sample();
    expect(sampler.report().cpuUs).to.equal(8 * MS10);
  });

  it('keeps peaks of memory, processes and threads', () => {
    const sampler = new Sampler(10, false);
    expect(sampler.report()).to.include({
      rssPeakBytes: null,
      pidsPeak: null,
      largestProcessBytes: null,
      vmemAverageBytes: null,
      samples: 0,
    });
    show({...INIT, threads: 9}, {pid: 11, pages: 10, threads: 3, children: [12]}, {pid: 12, pages: 20});
    sampler.sample();
    expect(sampler.threads).to.equal(4);
    const page = sampler.rssBytes / 30;
    expect(page % 4096).to.equal(0);
    show(INIT, {pid: 11, pages: 1});
    sampler.sample();
    expect([sampler.threads, sampler.rssBytes]).to.deep.equal([1, page]);
    expect(sampler.report()).to.include({rssPeakBytes: 30 * page, largestProcessBytes: 20 * page, pidsPeak: 4, samples: 2});
  });

  it('averages over time: a look stands for the time before it', () => {
    const start = monotonicUs();
    setClock(start, start);
    const sampler = new Sampler(10, false);
    const look = (pages: number, afterUs: number): void => {
      setClock(start + afterUs, monotonicUs());
      show(INIT, {pid: 11, pages, vmem: pages * 8192});
      sampler.sample();
    };
    look(100, 1_000_000);
    look(400, 4_000_000);
    const {rssAverageBytes, vmemAverageBytes, vmemPeakBytes} = sampler.report();
    const page = sampler.rssBytes / 400;
    expect((rssAverageBytes ?? 0) / page).to.be.closeTo(325, 1);
    expect((vmemAverageBytes ?? 0) / 8192).to.be.closeTo(325, 1);
    expect(vmemPeakBytes).to.equal(400 * 8192);
  });

  it('reads proportional sizes anew for the record when the payload has grown, and at the beginning not at all', () => {
    const sampler = new Sampler(10, false);
    const pages = (count: number): void => {
      restore();
      restore = fakeFiles({...fakeProc([INIT, {pid: 11, pages: count}]), '/proc/11/smaps_rollup': 'Pss: 40 kB\n'}, '/proc');
      sampler.sample();
    };
    pages(100);
    expect(sampler.isPssPeakDue).to.equal(false);
    sampler.readPssBytes();
    setClock(monotonicUs() + 60e6, monotonicUs());
    pages(109);
    expect(sampler.isPssPeakDue).to.equal(false);
    pages(111);
    expect(sampler.isPssPeakDue).to.equal(true);
    sampler.readPssBytes();
    expect(sampler.isPssPeakDue).to.equal(false);
  });

  it('knows no proportional size of processes that are not to be read', () => {
    const sampler = new Sampler(10, false);
    show(INIT, {pid: 11, pages: 100});
    sampler.sample();
    sampler.readPssBytes();
    expect(sampler.report()).to.include({pssPeakBytes: null, swapPeakBytes: null, pssAverageBytes: null, swapAverageBytes: null});
  });

  it('counts what init and others waited for, or what it saw, whichever is more', () => {
    const sampler = new Sampler(10, false);
    show({...INIT, waitedTicks: 100}, {pid: 11, ticks: 5, waitedTicks: 20});
    sampler.sample();
    expect(sampler.readCpuUs()).to.equal(125 * MS10);
    expect(sampler.report().cpuUs).to.equal(5 * MS10);
    show({...INIT, waitedTicks: 1, children: []});
    sampler.sample();
    expect(sampler.readCpuUs()).to.equal(5 * MS10);
    show();
    expect(sampler.readCpuUs()).to.equal(5 * MS10);
  });

  it('adds proportional sizes, and the box’s shared memory once', () => {
    const sampler = new Sampler(10, false);
    restore();
    restore = fakeFiles(
      {
        ...fakeProc([INIT, {pid: 11, children: [12]}, {pid: 12}]),
        '/proc/11/smaps_rollup':
          'Rss: 90 kB\nPss:  40 kB\nPss_Dirty: 1 kB\nPss_Shmem: 3 kB\nPrivate_Clean: 4 kB\nPrivate_Dirty: 5 kB\nSwap: 7 kB\nSwapPss: 6 kB\n',
      },
      '/proc',
    );
    sampler.sample();
    expect(sampler.readPssBytes()).to.equal(40 * 1024);
    expect(sampler.report()).to.include({pssPeakBytes: 40 * 1024, swapPeakBytes: 7 * 1024, pssAverageBytes: 40 * 1024});
    expect(readSmapsRollup(11)).to.deep.equal({
      pssBytes: 40960,
      pssShmemBytes: 3072,
      privateBytes: 9216,
      privateDirtyBytes: 5120,
      swapBytes: 7168,
    });
  });

  it('says what looking took, and reads proportional sizes as seldom as that takes long', () => {
    const pass = (us: number): void => {
      setClock(monotonicUs() + us, monotonicUs());
    };
    const pages = (count: number): void => {
      restore();
      const files = fakeProc([INIT, {pid: 11, pages: count}]);
      // reading it takes half a second, by the clock
      Object.defineProperty(files, '/proc/11/smaps_rollup', {
        get: () => {
          pass(500_000);
          return 'Pss:  400 kB\n';
        },
      });
      restore = fakeFiles(files, '/proc');
    };
    const limitBytes = 600 * 1024;
    const sampler = new Sampler(10, false);
    pages(1000);
    sampler.sample();
    expect(sampler.isPssDue(limitBytes)).to.equal(true);
    sampler.readPssBytes();
    const {pssReads, pssUs, pssLongestUs, lookUs} = sampler.report();
    expect(pssReads).to.equal(1);
    expect(pssUs).to.be.within(500_000, 700_000);
    expect(pssLongestUs).to.be.within(500_000, pssUs);
    expect(lookUs).to.be.at.least(pssUs);
    pass(9_000_000);
    expect(sampler.isPssDue(limitBytes)).to.equal(false);
    // 200 KiB were left; the resident sum rises by 100
    pages(1024);
    sampler.sample();
    expect(sampler.isPssDue(limitBytes)).to.equal(false);
    pages(1025);
    sampler.sample();
    expect(sampler.isPssDue(limitBytes)).to.equal(true);
    pages(1000);
    sampler.sample();
    pass(5_000_000);
    expect(sampler.isPssDue(limitBytes)).to.equal(true);
  });

  it('counts the threads’ children, and no process twice', () => {
    restore = fakeFiles(
      {
        ...fakeProc([{pid: 10}, {pid: 11}, {pid: 12, children: [10, 11]}]),
        '/proc/10/task': ['10', '20'],
        '/proc/10/task/20/children': '11 12 ',
      },
      '/proc',
    );
    expect(
      readTree(10)
        .map(({pid}) => pid)
        .sort(),
    ).to.deep.equal([11, 12]);
  });
});
