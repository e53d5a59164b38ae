import {expect} from 'chai';
import {plainJob} from '../../../src/batch/plain.js';
import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {EXIT} from '../../../src/errors.js';
import {pinnedCpus} from '../../../src/box/pinned.js';
import {readState} from '../../../src/box/state-read.js';
import {
  emit,
  ensureOwn,
  makeScratch,
  makeState,
  removeState,
  scratchDirectory,
  stateDirectory,
  type BoxState,
} from '../../../src/box/state.js';
import {teardown} from '../../../src/box/teardown.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {undoOf} from '../../../src/steps/undo.js';
import {startedRecord} from '../../../src/record/record.js';
import {need} from '../../support/need.js';
import {asUser, plan, ROOT, thrown, USER, grid} from '../plan/build.js';

const UID = process.getuid?.() ?? -1;
const mode = (path: string): number => statSync(path).mode & 0o7777;

const removeAll = async (plan: Plan, id: string): Promise<string[]> => [
  ...(await teardown(undoOf(plan, id, scratchDirectory(plan, id)), id)),
  ...removeState(stateDirectory(plan, id)),
];

describe('the wrapper’s folders', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-state-'));
    chmodSync(base, 0o711); // the payload’s account has to get through
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const made = (from: Plan = plan()): Plan => ({
    ...from,
    directories: {...from.directories, state: join(base, 'state'), scratch: join(base, 'scratch')},
  });
  const caller = {uid: UID};
  const state = (saved: Plan, id: string): BoxState => ({
    schema: 'tare/box/v1',
    seq: 0,
    id,
    plan: saved,
    batch: plainJob(),
    settings: {oom: 'hold'},
    connection: null,
    connected: false,
    undo: undoOf(saved, id, scratchDirectory(saved, id)),
    init: null,
    payload: null,
    applications: [],
    noted: [],
    output: null,
    memoryBefore: null,
    shimStartedUs: 5,
    cpus: 2,
    recordCopy: null,
    parts: null,
    startEpochUs: null,
    stop: null,
    stopUs: null,
    weighed: null,
    recorded: false,
    oom: null,
    started: startedRecord(
      {
        lrms: {type: 'none', host: 'wn001', queue: null, localJobId: null, globalJobId: 'a', attempt: 1},
        identity: USER,
        grid: grid(null),
        parent: null,
        name: null,
        trust: 'user',
        host: {node: 'wn001', bootId: null, kernel: null, cpuModel: null, tareVersion: '0'},
        site: {name: null, infrastructure: null, description: null},
      },
      saved,
    ),
  });
  const makeDirectories = (saved: Plan, id: string): void => {
    makeState(state(saved, id), caller);
    makeScratch(saved, id, 'a record');
  };

  it('are made for one box, closed to others', () => {
    const saved = made();
    makeDirectories(saved, 'ab12');
    expect(mode(saved.directories.state)).to.equal(0o711);
    expect(mode(join(saved.directories.state, 'boxes'))).to.equal(0o700);
    expect(mode(stateDirectory(saved, 'ab12'))).to.equal(0o700);
    expect(mode(scratchDirectory(saved, 'ab12'))).to.equal(0o711);
    expect(readdirSync(scratchDirectory(saved, 'ab12')).sort()).to.deep.equal(['features', 'tmp', 'var-tmp']);
    expect(mode(join(scratchDirectory(saved, 'ab12'), 'tmp'))).to.equal(0o700);
  });

  it('are the payload’s account’s, where root makes them', async function () {
    need(this, UID === 0, 'only root can give directories away');
    const saved = made(plan({facts: {caller: ROOT}, call: asUser(USER)}));
    makeDirectories(saved, 'ab12');
    const owner = (path: string): number[] => [statSync(path).uid, statSync(path).gid];
    expect(owner(join(scratchDirectory(saved, 'ab12'), 'tmp'))).to.deep.equal([1001, 100]);
    expect(owner(scratchDirectory(saved, 'ab12'))).to.deep.equal([0, 0]);
    writeFileSync(join(scratchDirectory(saved, 'ab12'), 'tmp', 'file'), '');
    chownSync(join(scratchDirectory(saved, 'ab12'), 'tmp', 'file'), 1001, 100);
    expect(await removeAll(saved, 'ab12')).to.deep.equal([]);
    expect(readdirSync(saved.directories.scratch)).to.deep.equal([]);
  });

  it('are not made twice for one id', () => {
    makeDirectories(made(), 'ab12');
    expect(thrown(() => makeDirectories(made(), 'ab12'))).to.include({code: 'STATE_DIRECTORY'});
  });

  it('are removed with all that a payload put there, and nothing beside them', async () => {
    const saved = made();
    makeDirectories(saved, 'ab12');
    makeDirectories(saved, 'cd34');
    const outside = join(base, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'stays');
    const tmp = join(scratchDirectory(saved, 'ab12'), 'tmp');
    mkdirSync(join(tmp, 'deep', 'er'), {recursive: true});
    writeFileSync(join(tmp, 'deep', 'er', '-f'), '');
    writeFileSync(join(tmp, 'new\nline'), '');
    symlinkSync(outside, join(tmp, 'link'));
    chmodSync(join(tmp, 'deep'), 0);
    chmodSync(tmp, 0);
    expect(await removeAll(saved, 'ab12')).to.deep.equal([]);
    expect(existsSync(stateDirectory(saved, 'ab12'))).to.equal(false);
    expect(readdirSync(saved.directories.scratch)).to.deep.equal(['tare-cd34']);
    expect(readdirSync(outside)).to.deep.equal(['file']);
    expect(await removeAll(saved, 'ab12'), 'again').to.deep.equal([]);
  });

  const fine: [title: string, make: (path: string) => void][] = [
    ['missing', () => undefined],
    ['ours', (path) => mkdirSync(path, {mode: 0o755})],
    [
      'sticky, as /tmp is',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o1777);
      },
    ],
  ];
  for (const [title, make] of fine) {
    it(`may be ${title}`, () => {
      const path = join(base, 'x');
      make(path);
      ensureOwn(path, 0o700, UID);
      expect(statSync(path).isDirectory()).to.equal(true);
    });
  }

  const unsafe: [title: string, make: (path: string) => void, found: string][] = [
    [
      'a link, also one to a good directory',
      (path) => {
        mkdirSync(`${path}-real`);
        symlinkSync(`${path}-real`, path);
      },
      'not a directory',
    ],
    [
      'writable by all',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o777);
      },
      `owner ${UID}, mode 777`,
    ],
    [
      'writable by the group',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o770);
      },
      `owner ${UID}, mode 770`,
    ],
  ];
  for (const [title, make, found] of unsafe) {
    it(`may not be ${title}`, () => {
      const path = join(base, 'x');
      make(path);
      const error = thrown(() => ensureOwn(path, 0o700, UID));
      expect([error.code, error.exit, error.details.found]).to.deep.equal(['STATE_DIRECTORY', EXIT.failure, found]);
      expect(error.message).to.include(path);
    });
  }

  it('may not belong to another account', function () {
    need(this, UID === 0, 'only root can give directories away');
    const path = join(base, 'x');
    mkdirSync(path);
    chownSync(path, 1001, 100);
    expect(thrown(() => ensureOwn(path, 0o700, 0)).details.found).to.equal('owner 1001, mode 755');
    expect(thrown(() => ensureOwn(path, 0o700, 1002)).code).to.equal('STATE_DIRECTORY');
    ensureOwn(path, 0o700, 1001);
    chownSync(path, 0, 0);
    ensureOwn(path, 0o700, 1002); // root's is as good as one's own
  });

  it('may not be a file, nor lie below one', () => {
    writeFileSync(join(base, 'x'), '');
    for (const path of [join(base, 'x'), join(base, 'x', 'y')]) {
      const error = thrown(() => ensureOwn(path, 0o700, UID));
      expect(error.code).to.equal('STATE_DIRECTORY');
      expect(error.details.found).to.match(/^(EEXIST|ENOTDIR|not a directory)$/);
    }
  });

  it('of a link to nowhere are not made through it', () => {
    symlinkSync(join(base, 'nowhere'), join(base, 'x'));
    expect(thrown(() => ensureOwn(join(base, 'x'), 0o700, UID)).code).to.equal('STATE_DIRECTORY');
    expect(existsSync(join(base, 'nowhere'))).to.equal(false);
  });

  describe('hold the state of a live box', () => {
    it('which the next supervisor reads unchanged, and no other account can read', () => {
      const saved = made();
      makeDirectories(saved, 'ab12');
      expect(readState(stateDirectory(saved, 'ab12'))).to.deep.equal(state(saved, 'ab12'));
      expect(mode(join(stateDirectory(saved, 'ab12'), 'box.json'))).to.equal(0o600);
    });

    it('and say so when it is missing or broken', () => {
      expect(thrown(() => readState(join(base, 'no'))).code).to.equal('STATE_DIRECTORY');
      writeFileSync(join(base, 'box.json'), '{"id":');
      expect(thrown(() => readState(base)).code).to.equal('STATE_DIRECTORY');
    });

    it('and name the directory and a remedy where the disk is full', function () {
      need(this, UID === 0, 'only root can make devices');
      const saved = made();
      makeDirectories(saved, 'ab12');
      const directory = stateDirectory(saved, 'ab12');
      execFileSync('mknod', [join(directory, 'events.jsonl'), 'c', '1', '7']); // /dev/full: null(4)
      const {code, details} = thrown(() => {
        emit(state(saved, 'ab12'), {type: 'clients-ended', looked: []});
      });
      expect([code, details.where, details.found]).to.deep.equal(['STATE_DIRECTORY', directory, 'ENOSPC']);
      expect(details.remedy).to.match(/^make room there .*directories in the policy$/);
    });

    it('from which the pinned CPUs are known; a box that is just made or removed has none', () => {
      const saved = made(plan({job: {limits: {cores: 2, pinCores: true}}}));
      expect(pinnedCpus(saved.directories.state)).to.deep.equal([]);
      for (const id of ['ab12', 'cd34', 'ef56']) makeDirectories(saved, id);
      writeFileSync(join(stateDirectory(saved, 'ef56'), 'box.json'), '');
      renameSync(stateDirectory(saved, 'cd34'), `${stateDirectory(saved, 'cd34')}.sweep-1-1`);
      makeDirectories({...saved, directories: {...saved.directories, scratch: join(base, 'other')}}, 'cd34');
      expect(pinnedCpus(saved.directories.state)).to.deep.equal([2, 3, 2, 3]);
    });
  });
});
