/** Where a wrapper finds itself on v2 nodes, which group it uses there, why not a nearer one, and what is enforced then. */

import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Controller, Facts} from '../../../src/host/facts.js';
import type {UsageRecord} from '../../../src/record/record.js';
import type {Diagnosis} from '../../../src/report/doctor.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {describeSite} from '../../support/describe-site.js';
import {kernelSince} from '../../support/groups.js';
import {bin, ending, payload, processes, Site, until} from '../../support/tare.js';
import {below, delegate, Ground, handOn, NOBODY, requirePureV2, start, words} from './node.js';

const MIB = 2 ** 20;
const SLOT = 'condor_var_lib_condor_execute_slot1_1@lab';
const UNIT = `tare-test-${String(process.pid)}`;

/** A wrapper's place: how to start a command there, and what is expected of it. */
interface Layout {
  name: string;
  /** Makes it; returns how to start a command in it. */
  build: (ground: Ground, site: Site) => {start: (argv: readonly string[]) => ChildProcess; slot: string | null};
  root?: boolean;
  layout: Facts['cgroup']['layout'];
  /** Where the box's groups are, below the slot's group; null: nowhere. */
  parent: string | null;
  /** Nearest first. */
  refused: RegExp[];
  aside: boolean;
  enforced: Partial<Record<'memory' | 'swap' | 'cores' | 'processes' | 'pinCores', string | null>>;
  remedy: RegExp | null;
}

const KERNEL = {memory: 'cgroup2:memory.max', swap: 'cgroup2:memory.swap.max', cores: 'cgroup2:cpu.max', processes: 'cgroup2:pids.max'};
const AFFINITY = {...KERNEL, pinCores: 'sched_setaffinity'};
const CPUSET = {...KERNEL, pinCores: 'cgroup2:cpuset.cpus'};
/** Linux 5.14 counts RLIMIT_NPROC per user namespace; before, it would count all that the user has on the node. */
const PER_NAMESPACE = kernelSince(5, 14);
const WATCHED = {
  memory: 'watch.memory',
  cores: null,
  processes: PER_NAMESPACE ? 'RLIMIT_NPROC' : 'watch.processes',
  pinCores: 'sched_setaffinity',
};
const CONDOR: readonly Controller[] = ['memory', 'pids', 'cpu', 'io'];

/** The job's group of HTCondor before 24.8: the delegated group itself. */
function condor23(ground: Ground, site: Site, slot = `htcondor/${SLOT}`): ReturnType<Layout['build']> {
  const directory = ground.make(slot, CONDOR);
  writeFileSync(join(directory, 'memory.oom.group'), '1');
  delegate(directory);
  return {slot: directory, start: (argv) => start(directory, argv, {cwd: site.work})};
}

/** Since 24.8: a slice that is the user's, which hands on already, and a scope in it that is root's, with the job. */
function condor24(ground: Ground, site: Site): ReturnType<Layout['build']> {
  const slice = ground.make(`htcondor/${SLOT}.slice`, CONDOR);
  handOn(slice, CONDOR);
  writeFileSync(join(slice, 'memory.oom.group'), '1');
  const scope = ground.make(`htcondor/${SLOT}.slice/${SLOT}.scope`, CONDOR);
  delegate(slice);
  return {slot: slice, start: (argv) => start(scope, argv, {cwd: site.work})};
}

function systemdRun(site: Site, ...properties: string[]): ReturnType<Layout['build']> {
  const options = [
    '--quiet',
    '--collect',
    '--wait',
    '--pipe',
    `--unit=${UNIT}`,
    `--uid=${String(NOBODY)}`,
    `--working-directory=${site.work}`,
  ];
  return {
    slot: `/sys/fs/cgroup/system.slice/${UNIT}.service`,
    start: (argv) => spawn('systemd-run', [...options, ...properties.flatMap((each) => ['-p', each]), '--', ...argv]),
  };
}

const LAYOUTS: Layout[] = [
  {
    name: 'HTCondor 24.8: a delegated slice around a scope of root',
    build: condor24,
    layout: 'htcondor-scope',
    parent: '',
    refused: [/^no permission to make a directory here$/],
    aside: false,
    enforced: AFFINITY,
    remedy: null,
  },
  {
    name: 'HTCondor 23: the delegated group holds the job',
    build: condor23,
    layout: 'htcondor',
    parent: '',
    refused: [],
    aside: true,
    enforced: AFFINITY,
    remedy: null,
  },
  {
    name: 'HTCondor 23, with a limit of the slot: it cannot be left',
    build: (ground, site) => {
      const built = condor23(ground, site);
      writeFileSync(join(built.slot ?? '', 'memory.max'), String(800 * MIB));
      return built;
    },
    layout: 'htcondor',
    parent: '',
    refused: [],
    aside: true,
    enforced: AFFINITY,
    remedy: null,
  },
  {
    name: 'HTCondor not as root: nothing is delegated',
    build: (ground, site) => {
      const scope = ground.make(`htcondor/${SLOT}.slice/${SLOT}.scope`, CONDOR);
      return {slot: null, start: (argv) => start(scope, argv, {cwd: site.work})};
    },
    layout: 'htcondor-scope',
    parent: null,
    refused: Array.from({length: 5}, () => /^no permission to make a directory here$/),
    aside: false,
    enforced: WATCHED,
    remedy: /start condor_master as root/,
  },
  {
    name: 'systemd-run --uid -p Delegate=yes',
    build: (_, site) => systemdRun(site, 'Delegate=yes'),
    layout: 'service',
    parent: '',
    refused: [],
    aside: true,
    enforced: CPUSET,
    remedy: null,
  },
  {
    name: 'systemd-run --uid without Delegate',
    build: (_, site) => ({...systemdRun(site), slot: null}),
    layout: 'service',
    parent: null,
    refused: Array.from({length: 3}, () => /^no permission to make a directory here$/),
    aside: false,
    enforced: WATCHED,
    remedy: /Delegate=yes beside its User=/,
  },
  {
    name: 'a directory that a script gave to the user, with the job in it',
    build: (ground, site) => {
      const directory = ground.make('pool/job1');
      delegate(directory);
      return {slot: directory, start: (argv) => start(directory, argv, {cwd: site.work})};
    },
    layout: 'other',
    parent: '',
    refused: [],
    aside: true,
    enforced: CPUSET,
    remedy: null,
  },
  {
    name: 'a directory that a script gave to the user, with the job in a group below',
    build: (ground, site) => {
      const directory = ground.make('pool/job1');
      const inner = ground.make('pool/job1/caller');
      handOn(directory, ['memory', 'cpu', 'pids', 'io', 'cpuset']);
      delegate(directory);
      return {slot: directory, start: (argv) => start(inner, argv, {cwd: site.work})};
    },
    layout: 'other',
    parent: '',
    refused: [/^no permission to make a directory here$/],
    aside: false,
    enforced: CPUSET,
    remedy: null,
  },
  {
    name: 'a delegated group with a process of another user in it',
    build: (ground, site) => {
      const built = condor23(ground, site);
      const other = start(built.slot ?? '', ['sleep', '600'], {uid: 1, cwd: '/'});
      return {slot: null, start: (argv) => built.start(argv).once('close', () => other.kill('SIGKILL'))};
    },
    layout: 'htcondor',
    parent: null,
    refused: [/^processes are in it, .*; process \d+ in it is not the caller’s$/, ...Array.from({length: 3}, () => /^no permission/)],
    aside: false,
    enforced: WATCHED,
    remedy: /others than the job are in it/,
  },
  {
    name: 'a cgroup namespace: the root of a container',
    root: true,
    build: (ground, site) => {
      const directory = ground.make('docker-1');
      const enter = `echo 0 >${directory}/cgroup.procs && exec unshare --cgroup --mount sh -c 'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"`;
      return {
        slot: directory,
        start: (argv) =>
          spawn('unshare', ['--pid', '--fork', '--mount-proc', 'sh', '-c', enter, 'sh', ...argv], {
            cwd: site.work,
            stdio: ['ignore', 'pipe', 'pipe'],
          }),
      };
    },
    layout: 'namespace',
    parent: '',
    refused: [],
    aside: true,
    enforced: CPUSET,
    remedy: null,
  },
];

interface Found {
  facts: Facts;
  diagnosis: Diagnosis;
  record: UsageRecord;
  /** The caller's own group before and after. */
  own: string[];
}

/** What a wrapper finds there, and leaves in its record when its payload goes over its memory. */
async function tryOut({start: startThere}: ReturnType<Layout['build']>, site: Site, limits: readonly string[]): Promise<Found> {
  const policy = site.policy();
  const script = `
    cat /proc/self/cgroup
    ${bin('tare')} doctor --policy ${policy} --json >doctor.json
    ${bin('tare')} run --policy ${policy} --record ${join(site.directory, 'spool/copy.json')} ${limits.join(' ')} -- ${payload('touch-memory')} 180 --hold 1 >&2
    cat /proc/self/cgroup`;
  const {stdout, stderr} = await ending(startThere(['/bin/sh', '-c', script]));
  const read = (path: string): unknown => {
    if (!existsSync(path)) throw new Error(`no ${path}\n${stdout}\n${stderr}`);
    return JSON.parse(readFileSync(path, 'utf8'));
  };
  const diagnosis = read(join(site.work, 'doctor.json')) as Diagnosis & {facts: Facts};
  const record = read(join(site.directory, 'spool/copy.json')) as UsageRecord;
  rmSync(join(site.directory, 'spool/copy.json'));
  const own = [...stdout.matchAll(/^0::(.*)$/gm)].map(([, group = '']) => group);
  return {facts: diagnosis.facts, diagnosis, record, own};
}

const LIMITS = ['--memory', '100MiB', '--cores', '1', '--pin-cores', '--processes', '50'];

describe('layouts of cgroup v2', function () {
  this.timeout(600_000);
  before(requirePureV2);

  for (const layout of LAYOUTS) {
    it(layout.name, async () => {
      const ground = new Ground('layout');
      const site = new Site(layout.root === true ? 'root' : 'user');
      try {
        const built = layout.build(ground, site);
        const {facts, diagnosis, record, own} = await tryOut(built, site, LIMITS);
        const {memory} = facts.cgroup.controllers;
        expect(facts.cgroup.mode).to.equal('v2');
        expect(facts.cgroup.layout).to.equal(layout.layout);
        const seen = layout.layout === 'namespace' ? '/sys/fs/cgroup' : built.slot;
        expect(memory?.parent).to.equal(layout.parent === null ? null : seen);
        expect(memory?.refused, JSON.stringify(memory?.refused)).to.have.length(layout.refused.length);
        for (const [index, pattern] of layout.refused.entries()) expect(memory?.refused[index]?.because).to.match(pattern);
        expect(facts.cgroup.toEmpty?.into).to.equal(layout.aside ? `${String(seen)}/tare-caller` : undefined);
        const by = Object.fromEntries(Object.keys(layout.enforced).map((name) => [name, record.limits?.[name as 'memory']?.by]));
        expect(by).to.deep.equal(layout.enforced);
        expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
        const check = diagnosis.checks.find(({name}) => name === 'cgroups');
        if (layout.remedy === null) expect(check?.remedy).to.equal(null);
        else expect(check?.remedy).to.match(layout.remedy);
        // as it was: the caller is back, no group is left, nothing is switched on
        expect(own[1]).to.equal(own[0]);
        expect(below(ground.directory).filter((group) => group.includes('/tare-'))).to.deep.equal([]);
        if (layout.aside && existsSync(built.slot ?? '')) expect(words(join(built.slot ?? '', 'cgroup.subtree_control'))).to.deep.equal([]);
        expect(site.leftovers()).to.deep.equal([]);
      } finally {
        site.remove();
        await until('the groups to be removed', () => removed(ground));
      }
    });
  }

  it('a scope of a user’s own systemd, with Delegate=yes', async () => {
    const uid = 1000;
    execFileSync('systemctl', ['start', `user@${String(uid)}.service`]);
    const site = new Site('user');
    try {
      execFileSync('chown', ['-R', String(uid), site.directory]);
      const become = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', 'env', `XDG_RUNTIME_DIR=/run/user/${String(uid)}`];
      const scope = ['systemd-run', '--user', '--scope', '--quiet', `--unit=${UNIT}`, '-p', 'Delegate=yes'];
      const startThere = (argv: readonly string[]): ChildProcess =>
        spawn('setpriv', [...become, ...scope, '--', ...argv], {cwd: site.work, stdio: ['ignore', 'pipe', 'pipe']});
      const {facts, record, own} = await tryOut({start: startThere, slot: null}, site, LIMITS);
      expect(facts.cgroup.layout).to.equal('user-service');
      expect(own[0]).to.match(new RegExp(`/user@${String(uid)}\\.service/app\\.slice/${UNIT}\\.scope$`));
      expect(facts.cgroup.controllers.memory?.parent).to.equal(`/sys/fs/cgroup${own[0] ?? ''}`);
      expect(facts.cgroup.toEmpty?.directory).to.equal(facts.cgroup.controllers.memory?.parent);
      // user@.service hands on memory and pids, and cpu since systemd 250
      const given = words(`/sys/fs/cgroup/user.slice/user-${String(uid)}.slice/user@${String(uid)}.service/cgroup.controllers`);
      expect(given).to.include.members(['memory', 'pids']);
      expect(record.limits?.memory.by).to.equal('cgroup2:memory.max');
      expect(record.limits?.cores.by).to.equal(given.includes('cpu') ? 'cgroup2:cpu.max' : null);
      expect(record.limits?.pinCores.by).to.equal('sched_setaffinity');
      expect(record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
      expect(own[1]).to.equal(own[0]);
    } finally {
      site.remove();
      execFileSync('systemctl', ['stop', `user@${String(uid)}.service`]);
    }
  });
});

/** false while something is dying in them. */
function removed(ground: Ground): boolean {
  try {
    ground.remove();
    return true;
  } catch {
    return false;
  }
}

describeSite('a slot of cgroup v2', {roles: ['user'], each: true, mayLeave: true, timeout: 600_000}, (site) => {
  let ground: Ground;
  before(requirePureV2);
  beforeEach(() => {
    ground = new Ground('slot');
  });
  afterEach(async () => {
    await until('the groups to be removed', () => removed(ground));
  });

  async function planned(startThere: (argv: readonly string[]) => ChildProcess, ...flags: string[]): Promise<Plan> {
    const {stdout, stderr} = await ending(
      startThere([bin('tare'), 'plan', '--policy', site.policy(), '--json', ...flags, '--', '/bin/true']),
    );
    expect(stderr).to.equal('');
    return JSON.parse(stdout) as Plan;
  }

  it('leaves the payload what the smallest limit at or above it has, less the reserve', async () => {
    const built = condor24(ground, site);
    const slice = built.slot ?? '';
    const above = join(ground.directory, 'htcondor');
    for (const [directory, file, mib, reserve] of [
      [slice, 'memory.max', 500, 40],
      [slice, 'memory.high', 400, 32],
      [above, 'memory.max', 300, 24],
    ] as const) {
      writeFileSync(join(directory, file), String(mib * MIB));
      for (const flags of [[], ['--memory', '2GiB']]) {
        const {limits, slot} = await planned(built.start, ...flags);
        expect(limits.memory.value, file).to.equal((mib - reserve) * MIB);
        expect(limits.memory.provenance.source).to.equal('slot');
        expect(slot.memoryDirectory).to.equal(directory);
      }
    }
  });

  it('is not left by root for a place above it', async () => {
    const slot = ground.make('batch/slot1');
    const inner = ground.make('batch/slot1/step');
    handOn(slot, ['memory', 'pids']);
    for (const file of ['memory.max', 'memory.high']) {
      writeFileSync(join(inner, file), String(300 * MIB));
      const {steps, limits} = await planned((argv) => start(inner, argv, {uid: 0, cwd: site.work}));
      const box = steps.find((step) => step.op === 'cgroup.create');
      expect(box?.op === 'cgroup.create' && box.directory, file).to.equal(`${inner}/tare-{id}`);
      expect(limits.memory.value, file).to.equal((300 - 24) * MIB);
      writeFileSync(join(inner, file), 'max');
    }
  });

  it('memory.high and cpu.weight are written, and a payload above it is slowed down and not killed', async () => {
    const built = condor23(ground, site);
    const policy = site.policy();
    const record = join(site.directory, 'spool/copy.json');
    const flags = ['--memory', '300MiB', '--memory-high', '60MiB', '--cores', '2', '--record', record];
    const child = built.start([bin('tare'), 'run', '--policy', policy, ...flags, '--', payload('touch-memory'), '100', '--hold', '60']);
    const box = await until('the box', () => below(built.slot ?? '').find((group) => /\/tare-[0-9a-f]{16}$/.test(group)), 240);
    const high = await until(
      'pages over memory.high',
      // its groups are made after it
      () =>
        existsSync(join(box, 'payload/memory.events')) &&
        Number(/^high (\d+)$/m.exec(readFileSync(join(box, 'payload/memory.events'), 'utf8'))?.[1]),
      240,
    );
    expect(high).to.be.above(0);
    expect(words(join(box, 'payload/memory.high'))).to.deep.equal([String(60 * MIB)]);
    expect(words(join(box, 'cpu.weight'))).to.deep.equal(['200']);
    child.kill('SIGTERM');
    await ending(child);
    const {limits, outcome} = JSON.parse(readFileSync(record, 'utf8')) as UsageRecord;
    rmSync(record);
    expect(limits?.memoryHigh).to.include({value: 60 * MIB, enforcement: 'kernel', by: 'cgroup2:memory.high'});
    expect(outcome.limit).to.equal(null);
  });

  it('its owner, the payload, cannot lift the limits of its box', async () => {
    const built = condor24(ground, site);
    const record = join(site.directory, 'spool/copy.json');
    const lift = `mkdir -p /tmp/m; mount -t cgroup2 none /tmp/m && echo mounted; cat /proc/self/cgroup
      for f in $(find /tmp/m /sys/fs/cgroup -name memory.max); do echo max >$f; done 2>/dev/null
      for f in $(find /tmp/m /sys/fs/cgroup -name cgroup.procs); do echo 0 >$f && echo moved to $f; done 2>/dev/null`;
    const flags = ['--memory', '100MiB', '--record', record];
    const script = `unshare -UrmC sh -c '${lift}'; exec ${payload('touch-memory')} 180 --hold 1`;
    const {stdout, stderr} = await ending(
      built.start([bin('tare'), 'run', '--policy', site.policy({seccomp: 'pilot'}), ...flags, '--', '/bin/sh', '-c', script]),
    );
    const {outcome} = JSON.parse(readFileSync(record, 'utf8')) as UsageRecord;
    rmSync(record);
    expect(stdout, stderr).to.match(/^0::\/$/m); // it was in a namespace of its own, and tried
    expect(stdout).to.not.match(/moved to \/sys/);
    expect(outcome, stdout).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
  });

  it('that a killed wrapper has left can be used by the next', async () => {
    const built = condor23(ground, site);
    const policy = site.policy();
    const copy = join(site.directory, 'spool/copy.json');
    const script = `
      ${bin('tare')} run --policy ${policy} -- /bin/sleep 1000 &
      echo started
      while [ ! -e killed ]; do sleep 0.1; done
      ${bin('tare')} run --policy ${policy} --record ${copy} --memory 100MiB -- /bin/cat /proc/self/cgroup`;
    const shell = built.start(['/bin/sh', '-c', script]);
    const done = ending(shell);
    const box = await until('the box', () => below(built.slot ?? '').find((group) => /\/tare-[0-9a-f]{16}$/.test(group)), 240);
    // it is made after the box
    const inside = join(box, 'payload/job/cgroup.procs');
    await until('the payload', () => existsSync(inside) && words(inside).length > 0, 240);
    const aside = words(join(built.slot ?? '', 'tare-caller/cgroup.procs')).map(Number);
    const wrappers = processes().filter(
      ({pid, argv}) => aside.includes(pid) && pid !== shell.pid && argv.some((each) => each.includes('tare')) && !argv.includes('-c'),
    );
    expect(wrappers).to.have.length(2);
    for (const {pid} of wrappers) process.kill(pid, 'SIGKILL');
    await until('the box to be empty', () => words(join(box, 'cgroup.events')).join(' ').includes('populated 0'), 240);
    writeFileSync(join(site.work, 'killed'), '');
    const {stdout, stderr, code} = await done;
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/\/tare-[0-9a-f]{16}\/payload\/job/);
    const {limits} = JSON.parse(readFileSync(copy, 'utf8')) as UsageRecord;
    expect(limits?.memory.by).to.equal('cgroup2:memory.max');
  });
});
