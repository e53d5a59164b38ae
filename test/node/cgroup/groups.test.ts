import {expect} from 'chai';
import {execFileSync, spawn} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, closeSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {readKernelLog} from '../../../src/cgroup/kernel-log.js';
import {createGroups, openGroups, noGroups, type Groups, type GroupUsage} from '../../../src/cgroup/manager.js';
import {statFields} from '../../../src/process/process.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {removeGroupsOf} from '../../support/undo.js';
import {ended, hierarchies, Slot, start, steps} from './machine.js';

const MiB = 2 ** 20;
const HOG = ['tail', '/dev/zero'];
const BOMB = ['perl', '-e', 'while (1) { fork }'];
const SLEEPER = ['sleep', '1000'];
/** Prints each state of a freezer that is not the one before. */
const WATCH = '$| = 1; open F, "<", shift; while (1) { sysseek F, 0, 0; sysread F, $s, 99; print $s if $s ne $last; $last = $s }';

/** CPU time of a process, in whole nanoseconds there (the kernel's scheduler/sched-stats, /proc/PID/schedstat). */
const ranUs = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000;

const NOTHING = (): Promise<string[]> => Promise.resolve([]);

describe('groups on this kernel', function () {
  this.timeout(patience(60_000));
  const all = hierarchies();
  const version = all.find(({controllers}) => controllers.includes('memory'))?.version;
  let slot: Slot;
  let groups: Groups = noGroups;
  let remove = NOTHING;
  let number = 0;
  let scratch: string | undefined;

  before(function () {
    need(this, version !== undefined, 'no memory controller of which we can make groups (root, or a delegated v2 group, is needed)');
    scratch = mkdtempSync(join(process.env.TARE_TEST_SCRATCH ?? '/var/tmp', 'tare-cgroup-'));
  });
  beforeEach(() => {
    slot = new Slot(`test-slot-${process.pid}`, all);
  });
  afterEach(async () => {
    groups.kill();
    await groups.waitEmpty(patience(10_000));
    expect(await remove(), 'left over').to.deep.equal([]);
    groups = noGroups;
    remove = NOTHING;
    slot.remove();
  });
  after(() => {
    if (scratch !== undefined) rmSync(scratch, {recursive: true});
  });

  const id = (): string => `${process.pid.toString(16)}-${(number++).toString(16)}`;
  const memoryLimit = (bytes: number): [string, string, string][] =>
    version === 2
      ? [
          ['memory', 'memory.max', String(bytes)],
          ['memory', 'memory.oom.group', '1'],
        ]
      : [['memory', 'memory.limit_in_bytes', String(bytes)]];
  const limitSlot = (bytes: number): void => {
    const {directory} = slot.holder('memory');
    writeFileSync(`${directory}/${version === 2 ? 'memory.max' : 'memory.limit_in_bytes'}`, String(bytes));
  };
  const make = (writes: [string, string, string][] = [], only?: string[]): Groups => {
    const plan = steps(slot, writes, only);
    const own = id();
    groups = createGroups(plan, own);
    remove = () => removeGroupsOf(plan, own);
    return groups;
  };
  const sleepers = (leaf: 'engine' | 'payload', count: number): void => {
    for (let i = 0; i < count; i++) start(groups, leaf, SLEEPER);
  };
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 2000 && !condition(); i++) await sleep(10);
    expect(condition(), String(condition)).to.equal(true);
  };

  it('counts CPU time within 2 % of a known burn, user and system', async () => {
    make();
    // The process waits before and after its burn while it and its group are read: its start and its end belong to the group
    // alone, and what its shell used before it joined to the process alone. times() has 1/100 s, and tells user from system.
    const burn =
      '$| = 1; sub report { print join(" ", (times)[0, 1]), "\\n"; <STDIN> } report; ($u, $s) = times; do { $i++ for 1..1e4; stat "/" for 1..2e3; ($v, $t) = times } while $v + $t - $u - $s < 2; report';
    const child = start(groups, 'payload', ['perl', '-e', burn]);
    const look = async (): Promise<{userUs: number; systemUs: number; ranUs: number; usage: GroupUsage}> => {
      const line = await new Promise<string>((resolve) => child.stdout?.once('data', (data: Buffer) => resolve(data.toString())));
      await until(() => statFields(child.pid!)?.[0] === 'S');
      const usage = groups.usage('payload');
      const [userUs, systemUs] = line.split(' ').map((seconds) => Number(seconds) * 1e6) as [number, number];
      return {userUs, systemUs, ranUs: ranUs(child.pid!), usage};
    };
    const from = await look();
    child.stdin?.write('go\n');
    const to = await look();
    child.stdin?.end();
    await ended(child);
    const burntUserUs = to.userUs - from.userUs;
    const burntUs = burntUserUs + to.systemUs - from.systemUs;
    const ran = to.ranUs - from.ranUs;
    expect(ran).to.be.at.least(1_900_000);
    const userUs = to.usage.cpuUserUs! - from.usage.cpuUserUs!;
    const systemUs = to.usage.cpuSystemUs! - from.usage.cpuSystemUs!;
    expect((userUs + systemUs) / ran).to.be.within(0.98, 1.02);
    expect(userUs / ran).to.be.closeTo(burntUserUs / burntUs, 0.05);
    expect(systemUs).to.be.greaterThan(100_000);
    expect(to.usage.cpuSource).to.match(version === 2 ? /^cgroup2:cpu.stat/ : /^cgroup1:cpuacct.usage/);
    const usage = groups.usage('payload');
    expect(groups.cpuUs()).to.be.closeTo(usage.cpuUserUs! + usage.cpuSystemUs!, 1);
    expect(groups.usage('engine').cpuUserUs).to.equal(0);
  });

  it('measures memory, processes and throttling', async function () {
    // less than its share of a CPU that many others want
    make([...memoryLimit(200 * MiB), version === 2 ? ['cpu', 'cpu.max', '10000 100000'] : ['cpu', 'cpu.cfs_quota_us', '10000']]);
    const hold = `const b = Buffer.alloc(${40 * MiB}, 1); process.stdout.write('held'); for (;;) b[0]++;`;
    const child = start(groups, 'payload', [process.execPath, '-e', hold]);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    await until(() => (groups.usage('payload').throttledUs ?? 0) > 100_000);
    const usage = groups.usage('payload');
    expect(usage.anonBytes).to.be.within(40 * MiB, 150 * MiB);
    expect(usage.memCurrentBytes).to.be.within(40 * MiB, 200 * MiB);
    if (usage.memPeakBytes !== null) expect(usage.memPeakBytes).to.be.within(usage.memCurrentBytes! - MiB, 200 * MiB);
    expect(usage.throttledUs).to.be.greaterThan(100_000);
    expect(usage.pidsNow).to.be.greaterThan(3);
    if (usage.pidsPeak !== null) expect(usage.pidsPeak).to.be.at.least(usage.pidsNow!);
    expect(groups.verdict(groups.memoryEvents(), groups.memoryEvents())).to.equal(null);
  });

  it("finds the payload's limit", async () => {
    make(memoryLimit(60 * MiB));
    const before = groups.memoryEvents();
    expect((await ended(start(groups, 'payload', HOG))).signal).to.equal('SIGKILL');
    const after = groups.memoryEvents();
    expect(after.oomKills).to.be.at.least(1);
    const verdict = groups.verdict(before, after);
    expect(verdict?.whose, verdict?.evidence).to.equal('payload');
    expect(groups.verdict(after, groups.memoryEvents())).to.equal(null);
  });

  it("finds the slot's limit", async () => {
    limitSlot(60 * MiB);
    make(memoryLimit(400 * MiB));
    const before = groups.memoryEvents();
    expect((await ended(start(groups, 'payload', HOG))).signal).to.equal('SIGKILL');
    const verdict = groups.verdict(before, groups.memoryEvents());
    expect(verdict?.whose, verdict?.evidence).to.equal('slot');
  });

  it("finds the payload's limit in a slot full of another's page cache", async function () {
    need(this, version === 2 || readKernelLog() !== null, "v1 counters cannot tell, and the kernel's log cannot be read");
    limitSlot(100 * MiB);
    make(memoryLimit(60 * MiB));
    const file = join(scratch!, 'cache');
    const before = groups.memoryEvents();
    // written through: pages that wait for a slow disk cannot be dropped, and then the slot itself is out of memory
    await ended(start(groups, 'engine', ['dd', 'if=/dev/zero', `of=${file}`, 'bs=8M', 'count=25', 'oflag=sync']));
    expect((await ended(start(groups, 'payload', HOG))).signal).to.equal('SIGKILL');
    const verdict = groups.verdict(before, groups.memoryEvents());
    expect(verdict?.whose, verdict?.evidence).to.equal('payload');
    rmSync(file);
  });

  if (version === 1)
    it('v1: finds a memory-and-swap limit that the kernel does not count', async function () {
      need(this, existsSync(`${slot.holder('memory').directory}/memory.memsw.limit_in_bytes`), 'no swap accounting');
      make([...memoryLimit(60 * MiB), ['memory', 'memory.memsw.limit_in_bytes', String(60 * MiB)]]);
      const before = groups.memoryEvents();
      expect((await ended(start(groups, 'payload', HOG))).signal).to.equal('SIGKILL');
      const verdict = groups.verdict(before, groups.memoryEvents());
      expect(verdict?.whose, verdict?.evidence).to.equal('payload');
    });

  it('page cache alone is no verdict, though the peak is at the limit', async () => {
    make(memoryLimit(40 * MiB));
    const file = join(scratch!, 'cache');
    // Read, not written: pages that wait for a slow disk can not be had back at once, and the kernel may kill for them.
    execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', 'count=160', 'oflag=direct'], {stdio: 'ignore'});
    const before = groups.memoryEvents();
    expect((await ended(start(groups, 'payload', ['dd', `if=${file}`, 'of=/dev/null', 'bs=1M']))).code).to.equal(0);
    const after = groups.memoryEvents();
    const usage = groups.usage('payload');
    if (usage.memPeakBytes !== null) expect(usage.memPeakBytes).to.be.within(36 * MiB, 40 * MiB);
    expect(after.groups[0]!.limitHits).to.be.greaterThan(0);
    expect(groups.verdict(before, after)).to.equal(null);
    rmSync(file);
  });

  it('counts a kill in a group that the payload made below its leaf', async () => {
    make(memoryLimit(60 * MiB));
    for (const file of groups.joins('payload')) mkdirSync(file.replace('cgroup.procs', 'inner'));
    const files = groups.joins('payload').map((file) => file.replace('cgroup.procs', 'inner/cgroup.procs'));
    const inner = {entries: () => files};
    for (const file of files) {
      const directory = file.replace('/cgroup.procs', '');
      if (existsSync(`${directory}/cpuset.mems`) && version === 1) {
        for (const name of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(`${directory}/${name}`, '0');
      }
    }
    const before = groups.memoryEvents();
    expect((await ended(start(inner, 'payload', HOG))).signal).to.equal('SIGKILL');
    const verdict = groups.verdict(before, groups.memoryEvents());
    expect(verdict?.whose, verdict?.evidence).to.equal('payload');
  });

  for (const cap of [60, 500]) {
    it(`kill beats a fork bomb of ${cap}`, async () => {
      make([['pids', 'pids.max', String(cap)]]);
      start(groups, 'payload', BOMB);
      await until(() => (groups.usage('payload').pidsNow ?? 0) > cap * 0.9);
      groups.kill('payload');
      expect(await groups.waitEmpty(patience(20_000))).to.equal(true);
    });
  }

  it('kill beats a fork bomb that is still growing', async () => {
    make([['pids', 'pids.max', '500']]);
    start(groups, 'payload', BOMB);
    await until(() => (groups.usage('payload').pidsNow ?? 0) > 20);
    groups.kill('payload');
    expect(await groups.waitEmpty(patience(20_000))).to.equal(true);
  });

  if (version === 1)
    it('v1: kill beats a fork bomb without a freezer', async function () {
      make([['pids', 'pids.max', '500']], ['pids', 'memory']);
      start(groups, 'payload', BOMB);
      await until(() => (groups.usage('payload').pidsNow ?? 0) > 100);
      groups.kill('payload');
      expect(await groups.waitEmpty(patience(20_000))).to.equal(true);
    });

  if (version === 1)
    it('v1: what does not fork is killed unfrozen: a killer that is killed leaves nothing that no signal reaches', async function () {
      const freezer = all.find(({controllers}) => controllers.includes('freezer'));
      need(this, freezer !== undefined, 'no freezer');
      make();
      sleepers('payload', 50);
      await until(() => groups.processes('payload').length === 50);
      const join = groups.joins('payload').find((file) => file.includes('/freezer/'));
      expect(join).to.be.a('string');
      const watcher = spawn('perl', ['-e', WATCH, join!.replace('cgroup.procs', 'freezer.state')], {stdio: ['ignore', 'pipe', 'inherit']});
      const end = ended(watcher);
      let seen = '';
      watcher.stdout.on('data', (data: Buffer) => (seen += data.toString()));
      await until(() => seen === 'THAWED\n');
      groups.kill('payload');
      expect(await groups.waitEmpty(patience(10_000))).to.equal(true);
      watcher.kill();
      await end;
      expect(seen).to.equal('THAWED\n');
    });

  it("kill('payload') leaves the engine alone; groups that the payload made are killed and removed", async () => {
    make();
    sleepers('engine', 1);
    sleepers('payload', 2);
    await until(() => groups.processes('payload').length === 2 && groups.processes('engine').length === 1);
    const inner = groups.joins('payload').map((file) => file.replace('cgroup.procs', 'inner'));
    for (const directory of inner) {
      mkdirSync(`${directory}/deeper`, {recursive: true});
      if (version === 1 && existsSync(`${directory}/cpuset.mems`)) continue;
      writeFileSync(`${directory}/deeper/cgroup.procs`, String(groups.processes('payload')[0]));
    }
    expect(groups.processes('payload')).to.have.length(2);
    expect(groups.populated()).to.equal(true);
    expect(await groups.waitEmpty(50)).to.equal(false);
    groups.kill('payload');
    expect(await groups.waitEmpty(patience(10_000), 'payload')).to.equal(true);
    expect(groups.processes('engine')).to.have.length(1);
    groups.kill();
    expect(await groups.waitEmpty(patience(10_000))).to.equal(true);
    expect(await remove()).to.deep.equal([]);
    for (const {directory} of slot.directories) expect(readdirSync(directory).filter((name) => name.startsWith('tare-'))).to.deep.equal([]);
    expect(await remove(), 'again').to.deep.equal([]);
  });

  it('freezes the payload, and kills what is frozen', async () => {
    make();
    start(groups, 'payload', ['perl', '-e', 'while (1) {}']);
    await until(() => (groups.cpuUs() ?? 0) > 50_000);
    groups.freeze(true);
    await sleep(100);
    const frozen = groups.cpuUs()!;
    await sleep(500);
    expect(groups.cpuUs()! - frozen).to.be.lessThan(10_000);
    groups.freeze(false);
    await until(() => groups.cpuUs()! > frozen + 20_000);
    groups.freeze(true);
    await sleep(50);
    groups.kill('payload');
    expect(await groups.waitEmpty(patience(10_000))).to.equal(true);
  });

  it('a populated group is not removed, and said to be left', async () => {
    make();
    sleepers('payload', 1);
    // in every hierarchy: a group that is removed before the process joins it ends the process
    await until(() => groups.joins('payload').every((file) => readFileSync(file, 'utf8') !== ''));
    const left = await remove();
    expect(left.some((one) => one.endsWith('/payload (EBUSY)'))).to.equal(true);
  });

  it('a second supervisor opens the same groups, and what is left of them', async () => {
    const plan = steps(slot, memoryLimit(100 * MiB));
    const same = id();
    groups = createGroups(plan, same);
    sleepers('payload', 1);
    await until(() => groups.processes('payload').length === 1);
    const again = openGroups(plan, same);
    for (const part of ['engine', 'payload'] as const) expect(again.joins(part)).to.deep.equal(groups.joins(part));
    expect(again.processes('payload')).to.deep.equal(groups.processes('payload'));
    expect(() => createGroups(plan, same)).to.throw(/is there already and is not ours/);
    again.kill();
    expect(await again.waitEmpty(patience(10_000))).to.equal(true);
    expect(await removeGroupsOf(plan, same)).to.deep.equal([]);
    expect(openGroups(plan, same)).to.equal(noGroups);
  });

  it('a refused value names the file, and nothing is left', () => {
    const plan = steps(slot, [['memory', version === 2 ? 'memory.max' : 'memory.limit_in_bytes', 'much']]);
    expect(() => createGroups(plan, 'ab')).to.throw(
      /cannot write 'much' to .*payload\/memory\..*EINVAL, invalid argument.*the kernel does not take this value/,
    );
    for (const {directory} of slot.directories) expect(existsSync(`${directory}/tare-ab`)).to.equal(false);
  });

  if (version === 2)
    it('v2: a controller that is not there is named', function () {
      const {directory} = slot.holder('memory');
      const plan = steps(slot).map((step) =>
        step.op === 'cgroup.enable' && step.directory === directory ? {...step, controllers: [...step.controllers, 'misc']} : step,
      );
      expect(() => createGroups(plan, 'ab')).to.throw(/controller misc is not (available under|known to this kernel)/);
    });

  it('counts I/O, or says that it is not known', async function () {
    need(
      this,
      slot.directories.some(({controllers}) => controllers.includes('io') || controllers.includes('blkio')),
      'no io controller',
    );
    make();
    const file = join(scratch!, 'direct');
    closeSync(openSync(file, 'w'));
    expect((await ended(start(groups, 'payload', ['dd', 'if=/dev/zero', `of=${file}`, 'bs=1M', 'count=8', 'oflag=direct']))).code).to.equal(
      0,
    );
    const {ioWriteBytes, ioSource} = groups.usage('payload');
    if (ioWriteBytes === null) expect(ioSource).to.equal(null);
    else expect(ioWriteBytes).to.be.within(8 * MiB, 9 * MiB);
  });
});
