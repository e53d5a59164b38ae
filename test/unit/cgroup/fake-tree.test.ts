import {expect} from 'chai';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import fs from 'node:fs';
import {syncBuiltinESMExports} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {TareError} from '../../../src/errors.js';
import {cgroupFailed} from '../../../src/cgroup/explain.js';
import {deepestFirst} from '../../../src/cgroup/files.js';
import {createGroups, noGroups, openGroups, type Groups} from '../../../src/cgroup/manager.js';
import {removeGroups} from '../../../src/cgroup/remove.js';
import {teardown} from '../../../src/box/teardown.js';
import {removeGroupsOf} from '../../support/undo.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {plan, SLOT} from '../plan/build.js';

type Steps = Plan['steps'];
const because = 'test';

/** A tree of ordinary directories. The kernel would fill a new group with files; here `fill` does. */
const joinsOf = (groups: Groups): object => ({engine: groups.joins('engine'), payload: groups.joins('payload')});

describe('cgroup: manager on a fake tree', () => {
  let root: string;
  const fill = (directory: string): boolean => {
    for (const file of ['memory.limit_in_bytes', 'cgroup.procs']) writeFileSync(join(directory, file), '');
    if (directory.includes('/cpuset/')) for (const file of ['cpuset.cpus', 'cpuset.mems']) writeFileSync(join(directory, file), '');
    return true;
  };
  const tree = (name: string, version: 1 | 2, controllers: string[]): Steps =>
    (['box', 'engine', 'payload'] as const).map((group) => ({
      op: 'cgroup.create',
      group,
      version,
      controllers,
      because,
      directory: `${root}/${name}/tare-{id}${group === 'box' ? '' : `/${group}`}`,
    }));
  const write = (directory: string, file: string, value: string): Steps[number] => ({
    op: 'cgroup.write',
    group: 'payload',
    controller: 'memory',
    directory: `${root}/${directory}`,
    file,
    value,
    because,
  });

  it('a group that could not be read for a moment is removed, and one that can never be read is reported as left', async () => {
    const box = join(root, 'memory/tare-ab12');
    mkdirSync(join(box, 'payload'), {recursive: true});
    const {readdirSync: read} = fs;
    let failures = 2;
    fs.readdirSync = ((...args: Parameters<typeof read>) => {
      if (failures-- > 0) throw Object.assign(new Error('EMFILE: too many open files'), {code: 'EMFILE'});
      return read(...args);
    }) as typeof read;
    syncBuiltinESMExports();
    try {
      expect(await removeGroups(box)).to.deep.equal([]);
      expect(existsSync(box)).to.equal(false);
      mkdirSync(join(box, 'payload'), {recursive: true});
      failures = Infinity;
      expect(await removeGroups(box, 50)).to.deep.equal([`${box} (ENOTEMPTY)`]);
    } finally {
      fs.readdirSync = read;
      syncBuiltinESMExports();
    }
  });

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tare-fake-cgroup-'));
    for (const name of ['memory', 'cpuset', 'cpu,cpuacct']) mkdirSync(join(root, name));
  });
  afterEach(() => rmSync(root, {recursive: true}));

  it('makes, fills, writes and opens', () => {
    for (const [file, value] of [
      ['cpus', '0-1\n'],
      ['mems', '0\n'],
    ])
      writeFileSync(join(root, 'cpuset', `cpuset.${file}`), value!);
    const steps = [
      ...tree('memory', 1, ['memory']),
      ...tree('cpuset', 1, ['cpuset']),
      write('memory/tare-{id}/payload', 'memory.limit_in_bytes', '1000'),
    ];
    const groups = createGroups(steps, 'ab-1', {isCgroup: fill});
    expect(joinsOf(groups)).to.deep.equal({
      engine: [`${root}/memory/tare-ab-1/engine/cgroup.procs`, `${root}/cpuset/tare-ab-1/engine/cgroup.procs`],
      payload: [`${root}/memory/tare-ab-1/payload/cgroup.procs`, `${root}/cpuset/tare-ab-1/payload/cgroup.procs`],
    });
    expect(readFileSync(`${root}/memory/tare-ab-1/payload/memory.limit_in_bytes`, 'utf8')).to.equal('1000');
    for (const group of ['', '/engine', '/payload'])
      expect(readFileSync(`${root}/cpuset/tare-ab-1${group}/cpuset.cpus`, 'utf8')).to.equal('0-1');
    expect(groups.populated()).to.equal(false);
    expect(groups.usage('payload').memPeakBytes).to.equal(null);
    rmSync(`${root}/cpuset/tare-ab-1`, {recursive: true});
    rmSync(`${root}/memory/tare-ab-1/engine`, {recursive: true});
    expect(joinsOf(openGroups(steps, 'ab-1', {isCgroup: existsSync}))).to.deep.equal({
      engine: [],
      payload: [`${root}/memory/tare-ab-1/payload/cgroup.procs`],
    });
    expect(openGroups(steps, 'ab-2', {isCgroup: existsSync})).to.equal(noGroups);
  });

  it('processes of the payload join the group below its own, where the plan has one', () => {
    const job = (name: string, version: 1 | 2, controllers: string[]): Steps[number] => ({
      op: 'cgroup.create',
      group: 'job',
      version,
      controllers,
      because,
      directory: `${root}/${name}/tare-{id}/payload/job`,
    });
    const steps = [
      ...tree('memory', 1, ['memory']),
      job('memory', 1, ['memory']),
      ...tree('cpu,cpuacct', 1, ['cpu', 'cpuacct']),
      write('memory/tare-{id}/payload', 'memory.limit_in_bytes', '1000'),
    ];
    const joins = {
      engine: [`${root}/memory/tare-ab/engine/cgroup.procs`, `${root}/cpu,cpuacct/tare-ab/engine/cgroup.procs`],
      payload: [`${root}/memory/tare-ab/payload/job/cgroup.procs`, `${root}/cpu,cpuacct/tare-ab/payload/cgroup.procs`],
    };
    expect(joinsOf(createGroups(steps, 'ab', {isCgroup: fill}))).to.deep.equal(joins);
    // the limits are not its own
    expect(readFileSync(`${root}/memory/tare-ab/payload/memory.limit_in_bytes`, 'utf8')).to.equal('1000');
    expect(readFileSync(`${root}/memory/tare-ab/payload/job/memory.limit_in_bytes`, 'utf8')).to.equal('');
    expect(joinsOf(openGroups(steps, 'ab', {isCgroup: existsSync}))).to.deep.equal(joins);
  });

  it('refuses a group of the payload’s processes that is not right below the payload’s', () => {
    const places = [
      '',
      '/job',
      '/payload',
      '/engine/job',
      '/payload/job/job',
      '/payload/jobs',
      '/payload/x/job',
      '/payload/../job',
      '/payload/job/',
    ];
    for (const place of places) {
      const step: Steps[number] = {
        op: 'cgroup.create',
        group: 'job',
        version: 1,
        controllers: ['memory'],
        because,
        directory: `${root}/memory/tare-{id}${place}`,
      };
      expect(() => createGroups([...tree('memory', 1, ['memory']), step], 'ab', {isCgroup: fill}), place).to.throw(
        TareError,
        /cgroup\.create names a place outside the box/,
      );
      expect(readdirSync(join(root, 'memory')), place).to.deep.equal([]);
    }
    for (const group of ['payload', 'engine', 'box'] as const) {
      const step: Steps[number] = {
        op: 'cgroup.create',
        group,
        version: 1,
        controllers: ['memory'],
        because,
        directory: `${root}/memory/tare-{id}/payload/job`,
      };
      expect(() => createGroups([step], 'ab', {isCgroup: fill}), group).to.throw(TareError, /outside the box/);
    }
  });

  it('makes the groups of a plan as it was made', () => {
    mkdirSync(join(root, 'slot'));
    const at = (text: string): string => text.replace(SLOT, join(root, 'slot'));
    const made = plan({job: {limits: {memory: '1GiB'}}}).steps.flatMap((step): Steps =>
      step.op === 'cgroup.create' ? [{...step, directory: at(step.directory)}] : [],
    );
    expect(joinsOf(createGroups(made, 'ab', {isCgroup: () => true}))).to.deep.equal({
      engine: [`${root}/slot/tare-ab/engine/cgroup.procs`],
      payload: [`${root}/slot/tare-ab/payload/job/cgroup.procs`],
    });
  });

  it('evacuates only to the leaf of the very group', () => {
    const step = (directory: string, into: string): Steps => [
      {op: 'cgroup.evacuate', directory: `${root}/${directory}`, into: `${root}/${into}`, because},
      ...tree('memory', 2, ['memory']),
    ];
    for (const [directory, into] of [
      ['memory', 'memory/elsewhere'],
      ['memory', 'tare-caller'],
      ['memory', 'memory/tare-caller/deeper'],
      ['memory/..', 'memory/../tare-caller'],
      ['memory/tare-{id}', 'memory/tare-{id}/tare-caller'],
    ] as const) {
      expect(() => createGroups(step(directory, into), 'ab', {isCgroup: fill}), into).to.throw(TareError, /cgroup\.evacuate names a place/);
      expect(readdirSync(join(root, 'memory')), into).to.deep.equal([]);
    }
  });

  it('a group without processes is left as it is when the box is gone', async () => {
    for (const file of ['cgroup.procs', 'cgroup.subtree_control']) writeFileSync(join(root, 'memory', file), '');
    const aside = {op: 'cgroup.evacuate', directory: `${root}/memory`, into: `${root}/memory/tare-caller`, because} as const;
    const steps = [aside, ...tree('memory', 2, ['memory'])];
    createGroups(steps, 'ab', {isCgroup: () => true});
    expect(readdirSync(join(root, 'memory')).sort()).to.deep.equal(['cgroup.procs', 'cgroup.subtree_control', 'tare-ab', 'tare-caller']);
    expect(await removeGroupsOf(steps, 'ab')).to.deep.equal([]);
    expect(readdirSync(join(root, 'memory')).sort()).to.deep.equal(['cgroup.procs', 'cgroup.subtree_control']);
    // a supervisor that follows finds no box, and restores all the same
    mkdirSync(join(root, 'memory/tare-caller'));
    expect(await removeGroupsOf(steps, 'ab')).to.deep.equal([]);
    expect(readdirSync(join(root, 'memory')).sort()).to.deep.equal(['cgroup.procs', 'cgroup.subtree_control']);
  });

  it('a process of one thread enters by tasks of v1 and cgroup.procs of v2', () => {
    mkdirSync(join(root, 'v2'));
    const groups = createGroups([...tree('memory', 1, ['memory']), ...tree('v2', 2, ['pids'])], 'a', {isCgroup: () => true});
    const [v1, v2] = [join(root, 'memory/tare-a/engine'), join(root, 'v2/tare-a/engine')];
    expect(groups.joins('engine')).to.have.members([`${v1}/cgroup.procs`, `${v2}/cgroup.procs`]);
    expect(groups.entries('engine')).to.have.members([`${v1}/tasks`, `${v2}/cgroup.procs`]);
  });

  it('one directory serves co-mounted controllers, by two names too', () => {
    symlinkSync('cpu,cpuacct', join(root, 'cpu'));
    const steps = [...tree('cpu,cpuacct', 1, ['cpu']), ...tree('cpu,cpuacct', 1, ['cpuacct'])];
    expect(createGroups(steps, 'a', {isCgroup: fill}).joins('payload')).to.have.length(1);
    createGroups([...tree('cpu', 1, ['cpu']), ...tree('cpu,cpuacct', 1, ['cpuacct'])], 'b', {isCgroup: fill});
  });

  it('takes back what was made when a step fails', () => {
    const steps = [
      ...tree('cpu,cpuacct', 1, ['cpu']),
      ...tree('memory', 1, ['memory']),
      write('memory/tare-{id}/payload', 'memory.max', '1000'),
    ];
    expect(() => createGroups(steps, 'ab', {isCgroup: () => true})).to.throw(
      TareError,
      /cannot write '1000' to \S+\/tare-ab\/payload\/memory.max; found: ENOENT.*controller memory is not available under/,
    );
    expect(readdirSync(join(root, 'memory'))).to.deep.equal([]);
    expect(readdirSync(join(root, 'cpu,cpuacct'))).to.deep.equal([]);
  });

  it('does not touch a group that was there', () => {
    mkdirSync(join(root, 'memory/tare-ab/payload'), {recursive: true});
    expect(() => createGroups(tree('memory', 1, ['memory']), 'ab', {isCgroup: () => true})).to.throw(/EEXIST.*not ours/);
    expect(existsSync(join(root, 'memory/tare-ab/payload'))).to.equal(true);
  });

  it('refuses a directory that is not on a cgroup file system', () => {
    expect(() => createGroups(tree('memory', 1, ['memory']), 'ab')).to.throw(/does not lie on a cgroup file system/);
    expect(readdirSync(join(root, 'memory'))).to.deep.equal([]);
    mkdirSync(join(root, 'memory/tare-ab'));
    expect(openGroups(tree('memory', 1, ['memory']), 'ab')).to.equal(noGroups);
  });

  it("refuses ids and places that are not a box's", () => {
    for (const id of ['', '-a', '../a', 'A', 'a/b', 'a\n'])
      expect(() => createGroups(tree('memory', 1, []), id), id).to.throw(/cannot be named after/);
    const bad = [
      'memory/other/payload',
      'memory/tare-{id}/../x',
      'memory/tare-{id}/a/payload',
      'memory/tare-{id}/engine',
      'memory/tare-{id}',
    ];
    for (const directory of bad)
      expect(() => createGroups([write(directory, 'memory.max', '1')], 'ab'), directory).to.throw(/outside the box/);
    for (const file of ['../memory.max', 'tasks', 'a/b.c'])
      expect(() => createGroups([write('memory/tare-{id}/payload', file, '1')], 'ab'), file).to.throw(/outside the box/);
  });

  it('a plan without cgroup steps has no groups', async () => {
    const groups = createGroups([{op: 'oom.adjust', value: 1, because}], 'ab');
    expect(groups).to.equal(noGroups);
    expect(groups.usage('payload').cpuUserUs).to.equal(null);
    expect([
      groups.cpuUs(),
      groups.verdict(groups.memoryEvents(), groups.memoryEvents()),
      groups.populated(),
      await groups.waitEmpty(0),
    ]).to.deep.equal([null, null, false, true]);
    groups.kill();
    groups.freeze(true);
  });

  it('follows no symbolic link, and removes nothing of another name', async () => {
    mkdirSync(join(root, 'memory/tare-ab/payload/inner'), {recursive: true});
    mkdirSync(join(root, 'outside/deep'), {recursive: true});
    symlinkSync(join(root, 'outside'), join(root, 'memory/tare-ab/payload/link'));
    expect(deepestFirst(join(root, 'memory/tare-ab'))).to.deep.equal(
      ['payload/inner', 'payload', ''].map((name) => join(root, 'memory/tare-ab', name)),
    );
    expect((await removeGroups(join(root, 'memory/tare-ab'), 0)).map((one) => one.replace(/ \(.*/, ''))).to.include(
      join(root, 'memory/tare-ab/payload'),
    );
    const other = {op: 'group.remove', version: 2, directory: join(root, 'outside')} as const;
    expect(await teardown([other], 'ab')).to.have.length(1);
    expect(existsSync(join(root, 'outside/deep'))).to.equal(true);
  });
});

describe('cgroup: errors say what to do', () => {
  const failed = (code: string, errno: number, doing: 'make' | 'write' | 'enable'): string =>
    cgroupFailed({
      doing,
      directory: '/c/x',
      file: 'cgroup.subtree_control',
      value: '+io',
      controllers: ['io'],
      error: Object.assign(new Error(code), {code, errno}),
    }).message;
  const table: [string, number, 'make' | 'write' | 'enable', RegExp][] = [
    [
      'ENOENT',
      -2,
      'enable',
      /'\+io' to \/c\/x\/cgroup.subtree_control; found: ENOENT, no such file or directory; controller io is not available under \/c\/x/,
    ],
    ['ENOENT', -2, 'make', /cannot make the control group \/c\/x; .*controller io is not available under \/c$/],
    ['EACCES', -13, 'make', /delegate it \(systemd: Delegate=yes\)/],
    ['EROFS', -30, 'make', /read-only/],
    ['EBUSY', -16, 'enable', /holds processes itself.*move them to a leaf/],
    ['EBUSY', -16, 'write', /more is in use already/],
    ['ENOSPC', -28, 'write', /cpuset.cpus and cpuset.mems must be filled/],
    ['EAGAIN', -11, 'make', /cgroup.max.descendants/],
    ['EINVAL', -22, 'write', /does not take this value/],
    ['EINVAL', -22, 'enable', /controller io is not known to this kernel/],
  ];
  for (const [code, errno, doing, text] of table) it(`${code} on ${doing}`, () => expect(failed(code, errno, doing)).to.match(text));
});
