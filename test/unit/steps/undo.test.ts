import {expect} from 'chai';
import {mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {teardown} from '../../../src/box/teardown.js';
import isUndoList from '../../../src/schema/generated/undo-1.validator.js';
import type {Undo} from '../../../src/steps/def.js';
import {undoOf} from '../../../src/steps/undo.js';
import {asUser, plan, ROOT, USER, v1, v2} from '../plan/build.js';

const opsOf = (undo: readonly Undo[]): string[] => undo.map(({op}) => op);

describe('undo: what takes a box away, from its plan', () => {
  const limited = {limits: {memory: '1GiB' as const, cores: 1}};

  it('is data of the schema, and begins with the folder that all else lies in', () => {
    for (const cgroup of [
      v1({memory: 'memory', cpu: 'cpu'}),
      v2(['memory', 'cpu'], {toEmpty: {directory: '/g', into: '/g/leaf', because: ''}}),
    ]) {
      const undo = undoOf(plan({job: limited, facts: {cgroup}}), 'ab12', '/scratch/tare-ab12');
      expect(isUndoList(undo), JSON.stringify(isUndoList.errors)).to.equal(true);
      expect(undo[0]).to.deep.equal({op: 'own.remove', path: '/scratch/tare-ab12'});
      expect(opsOf(undo)).to.include.members(['group.remove', 'tree.remove']);
    }
  });

  it('names the box’s groups alone, since those below go with them', () => {
    const undo = undoOf(plan({job: limited, facts: {cgroup: v1({memory: 'memory', cpu: 'cpu'})}}), 'ab12', '/s/tare-ab12');
    const groups = undo.filter((one) => one.op === 'group.remove').map(({directory}) => directory);
    expect(groups).to.have.length(2);
    for (const directory of groups) expect(directory).to.match(/\/tare-ab12$/);
  });

  it('removes a job’s directories as its account, and never walks the box’s folder as root then', () => {
    const undo = undoOf(plan({facts: {caller: ROOT}, call: asUser(USER)}), 'ab12', '/s/tare-ab12');
    expect(undo[0]).to.deep.equal({op: 'directory.remove', path: '/s/tare-ab12'});
    const trees = undo.filter((one) => one.op === 'tree.remove').map(({as}) => as);
    expect(trees).to.deep.include({uid: 1001, gid: 100});
  });
});

describe('teardown: instructions are obeyed', () => {
  let base: string;
  const own = (...names: string[]): string => join(base, 'tare-ab12', ...names);
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-undo-'));
    mkdirSync(own('tmp', 'deep'), {recursive: true});
    writeFileSync(own('tmp', 'deep', 'file'), '');
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  it('the last first, and twice without harm', async () => {
    const undo: Undo[] = [
      {op: 'directory.remove', path: own()},
      {op: 'tree.remove', path: own('tmp'), as: null, ids: null},
    ];
    expect(await teardown(undo, 'ab12')).to.deep.equal([]);
    expect(readdirSync(base)).to.deep.equal([]);
    expect(await teardown(undo, 'ab12')).to.deep.equal([]);
  });

  it('and what is left is said with its reason', async () => {
    expect(await teardown([{op: 'directory.remove', path: own()}], 'ab12')).to.deep.equal([`${own()} (ENOTEMPTY)`]);
  });

  const strange: readonly [string, (base: string) => unknown][] = [
    ['of another version', () => ({op: 'moon.dim', phase: 3})],
    ['about another box', (at) => ({op: 'own.remove', path: join(at, 'tare-cd34')})],
    ['about what is no box’s', (at) => ({op: 'own.remove', path: at})],
    ['that leads out of the box', (at) => ({op: 'own.remove', path: `${at}/tare-ab12/../other`})],
    ['about a group of the node', () => ({op: 'group.remove', version: 2, directory: '/sys/fs/cgroup/system.slice'})],
    ['that moves processes elsewhere', () => ({op: 'group.restore', directory: '/sys/fs/cgroup/a', into: '/sys/fs/cgroup/b'})],
  ];
  for (const [title, undo] of strange) {
    it(`but not one ${title}, which is left and said`, async () => {
      const one = undo(base);
      const left = await teardown([one as Undo], 'ab12');
      expect(left).to.deep.equal([`${JSON.stringify(one)} (this version does not do that for the box ab12)`]);
      expect(readdirSync(own('tmp', 'deep'))).to.deep.equal(['file']);
    });
  }
});
