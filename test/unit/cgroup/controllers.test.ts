import {expect} from 'chai';
import {cpuTimes, cpuTotalUs, throttling} from '../../../src/cgroup/cpu.js';
import {cpusetFill} from '../../../src/cgroup/cpuset.js';
import {freezerFile, isFrozen} from '../../../src/cgroup/freezer.js';
import {ioUsage} from '../../../src/cgroup/io.js';
import {keyed, parseCount, sumKnown, type Read} from '../../../src/cgroup/keyed.js';
import {memoryCounters, memoryUsage} from '../../../src/cgroup/memory.js';
import {pidsUsage} from '../../../src/cgroup/pids.js';
import {pressureUsage} from '../../../src/cgroup/pressure.js';

const files =
  (texts: Record<string, string>): Read =>
  (file) =>
    texts[file] ?? null;
const nothing = files({});

/** Linux 6.12.117, v2: `tail /dev/zero` under memory.max=60M, after 3 MiB of direct writes. */
const V2 = files({
  'memory.stat':
    'anon 0\nfile 53248\nkernel 16384\nkernel_stack 0\nsock 0\nvmalloc 0\nshmem 4096\nfile_mapped 0\nworkingset_refault_file 251\npgmajfault 10\n',
  'memory.events': 'low 0\nhigh 0\nmax 67\noom 1\noom_kill 1\noom_group_kill 0\n',
  'memory.events.local': 'low 0\nhigh 0\nmax 67\noom 1\noom_kill 1\noom_group_kill 0\n',
  'memory.peak': '62914560\n',
  'memory.current': '81920\n',
  'memory.swap.peak': '0\n',
  'memory.swap.current': '0\n',
  'cpu.stat':
    'usage_usec 1065338\nuser_usec 99604\nsystem_usec 965733\nnice_usec 0\nnr_periods 21\nnr_throttled 20\nthrottled_usec 1604210\nnr_bursts 0\nburst_usec 0\n',
  'io.stat': '254:0 rbytes=1114112 wbytes=3145728 rios=28 wios=6 dbytes=0 dios=0\n',
  'pids.peak': '2\n',
  'pids.current': '0\n',
  'pids.events': 'max 0\n',
  'cgroup.events': 'populated 0\nfrozen 0\n',
});

/** Linux 6.18.44, v1. */
const V1 = files({
  'memory.stat':
    'cache 0\nrss 0\nshmem 0\nswap 0\nhierarchical_memory_limit 9223372036854771712\ntotal_cache 8192\ntotal_rss 4096\ntotal_rss_huge 0\ntotal_shmem 4096\ntotal_swap 0\n',
  'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
  'memory.failcnt': '127\n',
  'memory.memsw.failcnt': '0\n',
  'memory.limit_in_bytes': '62914560\n',
  'memory.max_usage_in_bytes': '62914560\n',
  'memory.usage_in_bytes': '20480\n',
  'memory.memsw.limit_in_bytes': '9223372036854771712\n',
  'memory.memsw.max_usage_in_bytes': '63176704\n',
  'cpuacct.stat': 'user 26\nsystem 84\n',
  'cpuacct.usage': '1102011728\n',
  'cpu.stat': 'nr_periods 10\nnr_throttled 9\nthrottled_time 801234567\nnr_bursts 0\nburst_time 0\n',
  'blkio.throttle.io_service_bytes_recursive': 'Total 0\n',
  'freezer.state': 'FREEZING\n',
  'pids.current': '3\n',
  'pids.events': 'max 12\n',
});

describe('cgroup: parsers on texts of real kernels', () => {
  it('reads v2', () => {
    expect(memoryUsage(2, V2)).to.deep.equal({
      memPeakBytes: 62914560,
      memPeakSource: 'cgroup2:memory.peak (page cache included)',
      memCurrentBytes: 81920,
      anonBytes: 0,
      fileBytes: 53248,
      shmemBytes: 4096,
      swapBytes: 0,
      memNowSource: 'cgroup2:memory.stat',
      swapPeakBytes: 0,
      swapPeakSource: 'cgroup2:memory.swap.peak',
      memswPeakBytes: null,
      memMajorFaults: 10,
      memRefaults: 251,
    });
    expect(memoryCounters(2, V2)).to.deep.equal({
      oomKills: 1,
      oomLocal: 1,
      oom: 1,
      limitHits: 67,
      oomGroupKills: 0,
      killsWhole: null,
      memswReached: false,
    });
    expect(cpuTimes(2, V2)).to.deep.equal({cpuUserUs: 99604, cpuSystemUs: 965733, cpuSource: 'cgroup2:cpu.stat'});
    expect(cpuTotalUs(2, V2)).to.equal(1065338);
    expect(throttling(2, V2)).to.deep.equal({throttledUs: 1604210, quotaPeriods: 21, throttledPeriods: 20});
    expect(ioUsage(2, V2)).to.deep.equal({
      ioReadBytes: 1114112,
      ioWriteBytes: 3145728,
      ioReadOps: 28,
      ioWriteOps: 6,
      ioSource: 'cgroup2:io.stat',
    });
    expect(pidsUsage(2, V2)).to.deep.equal({pidsNow: 0, pidsPeak: 2, pidsPeakSource: 'cgroup2:pids.peak', pidsLimitHits: 0});
    expect(isFrozen(2, V2)).to.equal(false);
  });

  it('reads v1', () => {
    expect(memoryUsage(1, V1)).to.deep.equal({
      memPeakBytes: 62914560,
      memPeakSource: 'cgroup1:memory.max_usage_in_bytes (page cache included)',
      memCurrentBytes: 20480,
      anonBytes: 4096,
      fileBytes: 8192,
      shmemBytes: 4096,
      swapBytes: 0,
      memNowSource: 'cgroup1:memory.stat',
      swapPeakBytes: null,
      swapPeakSource: null,
      memswPeakBytes: 63176704,
      memMajorFaults: null,
      memRefaults: null,
    });
    expect(memoryCounters(1, V1)).to.deep.equal({
      oomKills: 1,
      oomLocal: null,
      oom: null,
      limitHits: 127,
      oomGroupKills: null,
      killsWhole: null,
      memswReached: false,
    });
    expect(throttling(1, V1)).to.deep.equal({throttledUs: 801235, quotaPeriods: 10, throttledPeriods: 9});
    expect(pidsUsage(1, V1)).to.deep.equal({pidsNow: 3, pidsPeak: null, pidsPeakSource: null, pidsLimitHits: 12});
    expect(isFrozen(1, V1)).to.equal(false);
    expect(isFrozen(1, files({'freezer.state': 'FROZEN\n'}))).to.equal(true);
  });

  it('v1: splits the exact CPU time as the coarse ticks are', () => {
    const {cpuUserUs, cpuSystemUs} = cpuTimes(1, V1);
    expect(cpuUserUs! + cpuSystemUs!).to.equal(1102012);
    expect(cpuSystemUs).to.equal(Math.round((1102012 * 84) / 110));
    expect(cpuTimes(1, files({'cpuacct.usage': '3000000\n', 'cpuacct.stat': 'user 0\nsystem 0\n'}))).to.include({
      cpuUserUs: 3000,
      cpuSystemUs: 0,
    });
    expect(cpuTimes(1, files({'cpuacct.stat': 'user 2\nsystem 1\n'}))).to.include({
      cpuUserUs: 20000,
      cpuSystemUs: 10000,
      cpuSource: 'cgroup1:cpuacct.stat',
    });
  });

  it('v1: a memory-and-swap limit that was reached, whatever its failcnt', () => {
    const at =
      (limit: string): Read =>
      (file) =>
        file === 'memory.memsw.limit_in_bytes' ? limit : V1(file);
    expect(memoryCounters(1, at('63176704\n')).memswReached).to.equal(true);
    expect(memoryCounters(1, at('83176704\n')).memswReached).to.equal(false);
  });

  it('v1: sums devices; nothing counted is unknown, not zero', () => {
    const text =
      '8:16 Read 4096\n8:16 Write 0\n8:16 Sync 4096\n8:16 Total 4096\n8:0 Read 1000\n8:0 Write 20971520\n8:0 Sync 1\n8:0 Async 2\n8:0 Total 3\nTotal 20976616\n';
    expect(ioUsage(1, files({'blkio.throttle.io_service_bytes': text}))).to.deep.equal({
      ioReadBytes: 5096,
      ioWriteBytes: 20971520,
      ioReadOps: null,
      ioWriteOps: null,
      ioSource: 'cgroup1:blkio.throttle.io_service_bytes (no delayed writes)',
    });
    const zeros = '254:0 Read 0\n254:0 Write 0\n254:0 Sync 0\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 0\nTotal 0\n';
    expect(ioUsage(1, files({'blkio.throttle.io_service_bytes_recursive': zeros}))).to.deep.equal({
      ioReadBytes: null,
      ioWriteBytes: null,
      ioReadOps: null,
      ioWriteOps: null,
      ioSource: null,
    });
    expect(ioUsage(1, V1)).to.deep.equal({
      ioReadBytes: null,
      ioWriteBytes: null,
      ioReadOps: null,
      ioWriteOps: null,
      ioSource: null,
    });
  });

  it('v2: a device without traffic has a line without keys', () => {
    expect(
      ioUsage(
        2,
        files({
          'io.stat': '7:0 \n8:0 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n',
        }),
      ),
    ).to.include({ioReadBytes: 11, ioWriteBytes: 22});
    expect(ioUsage(2, files({'io.stat': ''}))).to.include({ioReadBytes: 0, ioWriteBytes: 0});
  });

  for (const version of [1, 2] as const) {
    it(`v${version}: what is missing is null, with no source`, () => {
      const all = {
        ...memoryUsage(version, nothing),
        ...cpuTimes(version, nothing),
        ...ioUsage(version, nothing),
        ...pidsUsage(version, nothing),
        ...pressureUsage(version, nothing),
      };
      expect(
        Object.values(all).every((value) => value === null),
        JSON.stringify(all),
      ).to.equal(true);
      expect([cpuTotalUs(version, nothing), throttling(version, nothing).throttledUs, isFrozen(version, nothing)]).to.deep.equal([
        null,
        null,
        null,
      ]);
    });
  }

  it('v1: fills a cpuset from its parent, and only when empty', () => {
    const parent = files({'cpuset.cpus': '0-1\n', 'cpuset.mems': '0\n'});
    expect(cpusetFill(parent, files({'cpuset.cpus': '\n', 'cpuset.mems': '\n'}))).to.deep.equal([
      {file: 'cpuset.cpus', value: '0-1'},
      {file: 'cpuset.mems', value: '0'},
    ]);
    expect(cpusetFill(parent, files({'cpuset.cpus': '1\n', 'cpuset.mems': '0\n'}))).to.deep.equal([]);
    const above = files({'cpuset.cpus': '\n', 'cpuset.mems': '0\n', 'cpuset.effective_cpus': '0-3\n'});
    expect(cpusetFill(above, files({'cpuset.cpus': '\n', 'cpuset.mems': '0\n'}))).to.deep.equal([{file: 'cpuset.cpus', value: '0-3'}]);
  });

  it("names the freezer's files", () => {
    expect(freezerFile(1)).to.deep.equal({file: 'freezer.state', freeze: 'FROZEN', thaw: 'THAWED'});
    expect(freezerFile(2)).to.deep.equal({file: 'cgroup.freeze', freeze: '1', thaw: '0'});
  });

  it('reads pressure, and what there is of it', () => {
    const memory = 'some avg10=0.00 avg60=1.20 avg300=0.10 total=27430\nfull avg10=0.00 avg60=1.10 avg300=0.09 total=26001\n';
    const cpu = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=12\n';
    expect(pressureUsage(2, files({'memory.pressure': memory, 'cpu.pressure': cpu}))).to.deep.equal({
      pressure: {memory: {someUs: 27430, fullUs: 26001}, cpu: {someUs: 12, fullUs: null}, io: {someUs: null, fullUs: null}},
      pressureSource: 'cgroup2:*.pressure',
    });
    expect(pressureUsage(1, files({'memory.pressure': memory}))).to.deep.equal({pressure: null, pressureSource: null});
  });

  it('parses single values', () => {
    expect(parseCount('max\n')).to.equal(null);
    expect(parseCount('')).to.equal(null);
    expect(parseCount('12\n')).to.equal(12);
    expect(keyed('a 1\nab 2\n', 'ab')).to.equal(2);
    expect(keyed('a -1\n', 'a')).to.equal(null);
    expect(sumKnown(null, null)).to.equal(null);
    expect(sumKnown(null, 0, 2)).to.equal(2);
  });
});
