/** What is kept of the output of an ended job, and how it is read again: on real files. */
import {execFileSync} from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {cut, keepOfBox, keepOutput, keptPlace, pruneKept, shares, type OutputFiles} from '../../../src/box/kept-output.js';
import {beginIn, openOutputFile, outputFileOf, type OutputFile} from '../../../src/box/output-file.js';
import type {BoxState} from '../../../src/box/state.js';
import {parseMountinfo} from '../../../src/host/mountinfo.js';
import {findKept, openEnded, streamIn} from '../../../src/live/kept.js';
import {copyRange, lastLines} from '../../../src/live/output.js';
import type {LogsRule} from '../../../src/policy/policy.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {policy} from '../plan/build.js';

const UID = process.getuid?.() ?? 0;
const ID = 'ab12cd34';
const RULE: LogsRule = {keep: 'all', maxBytes: 100, totalBytes: 1000, forUs: 3600e6};

describe('the share of each stream', () => {
  it('is half, and what the other does not need', () => {
    expect(shares({stdout: 1000, stderr: 1000}, 100)).to.deep.equal({stdout: 50, stderr: 50});
    expect(shares({stdout: 1000, stderr: 10}, 100)).to.deep.equal({stdout: 90, stderr: 10});
    expect(shares({stdout: 0, stderr: 1000}, 100)).to.deep.equal({stdout: 0, stderr: 100});
    expect(shares({stdout: 5, stderr: 6}, 100)).to.deep.equal({stdout: 5, stderr: 6});
    expect(shares({stdout: 5, stderr: 6}, 0)).to.deep.equal({stdout: 0, stderr: 0});
  });

  it('is the beginning and the end', () => {
    expect(cut(10, 10)).to.deep.equal({head: 10, tail: 0});
    expect(cut(11, 10)).to.deep.equal({head: 5, tail: 5});
    expect(cut(11, 5)).to.deep.equal({head: 2, tail: 3});
    expect(cut(11, 0)).to.deep.equal({head: 0, tail: 0});
  });
});

describe('where output begins in its file', () => {
  it('is where the next write goes', () => {
    expect(beginIn('pos:\t12\nflags:\t0100001\n', 40)).to.equal(12);
    expect(beginIn('pos:\t0\nflags:\t0102001\n', 40), 'O_APPEND').to.equal(40);
    expect(beginIn('', 40)).to.equal(40);
  });
});

describe('kept output', () => {
  let base: string;
  let state: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-kept-'));
    state = join(base, 'state');
    mkdirSync(state, {mode: 0o711});
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  /** A file that a payload wrote, as it was noted when the payload began. */
  const output = (name: string, before: string, written: string): OutputFile => {
    const path = join(base, name);
    writeFileSync(path, before);
    const descriptor = openSync(path, 'a');
    const file = outputFileOf(process.pid, descriptor);
    writeSync(descriptor, written);
    closeSync(descriptor);
    if (file === null) throw new Error('it is a plain file');
    return file;
  };
  const keep = (files: Partial<OutputFiles>, rule = RULE, boxId = ID): string[] =>
    keepOutput({state, boxId, recordId: 'r', files: {stdout: null, stderr: null, ...files}, rule});
  const place = (): string => join(keptPlace(state), ID);
  const rules = (): ReturnType<typeof policy> => policy({directories: {state, scratch: join(base, 'scratch')}});
  const read = (stream: 'stdout' | 'stderr' = 'stdout'): {from: string; text: string; missing: number} => {
    const kept = findKept(rules(), UID, ID);
    if (kept === null) throw new Error('nothing is kept');
    const {descriptor, from, begin, end, gap} = openEnded(kept, stream, 'the output');
    let text = '';
    copyRange(descriptor, begin, end, (bytes) => {
      text += bytes.toString();
      return true;
    });
    closeSync(descriptor);
    return {from, text, missing: gap?.bytes ?? 0};
  };
  const code = (action: () => unknown): string => {
    try {
      action();
      return 'none';
    } catch (error) {
      return (error as {code: string}).code;
    }
  };

  it('is what the job wrote, without what was there before: from the file, and when that is gone as it was kept', () => {
    const stdout = output('out', 'of another job\n', 'one\ntwo\n');
    expect(stdout).to.include({path: join(base, 'out'), begin: 15});
    const stderr = output('err', '', 'three\n');
    expect(keep({stdout, stderr})).to.deep.equal([]);
    expect(statSync(keptPlace(state)).mode & 0o777).to.equal(0o700);
    for (const name of readdirSync(place())) expect(statSync(join(place(), name)).mode & 0o777, name).to.equal(0o600);
    // what another job appends is not of this one
    appendFileSync(stdout.path, 'of a later job\n');
    expect(read()).to.deep.equal({from: 'file', text: 'one\ntwo\n', missing: 0});
    rmSync(stdout.path);
    expect(read()).to.deep.equal({from: 'kept', text: 'one\ntwo\n', missing: 0});
    expect(read('stderr')).to.deep.equal({from: 'file', text: 'three\n', missing: 0});
  });

  it('of what is longer the beginning and the end', () => {
    const stdout = output('out', '', `begin${'x'.repeat(1000)}end`);
    keep({stdout}, {...RULE, maxBytes: 10});
    rmSync(stdout.path);
    expect(read()).to.deep.equal({from: 'kept', text: 'beginxxend', missing: 998});
    expect(keep({stdout: output('out', '', 'abc')}, {...RULE, maxBytes: 0})).to.deep.equal([]);
    expect(read().from).to.equal('file');
    rmSync(stdout.path);
    expect(code(read)).to.equal('OUTPUT_NOT_KEPT');
  });

  it('of both streams in one file once', () => {
    const stdout = output('out', '', 'both\n');
    keep({stdout, stderr: stdout});
    expect(readdirSync(place()).sort()).to.deep.equal(['note.json', 'stdout']);
    rmSync(stdout.path);
    expect(read('stderr').text).to.equal('both\n');
  });

  it('nothing of what went to no file', () => {
    keep({stdout: output('out', '', 'x')});
    expect(code(() => read('stderr'))).to.equal('OUTPUT_ELSEWHERE');
    expect(outputFileOf(process.pid, 999_999)).to.equal(null);
    const [nowhere, folder] = [openSync('/dev/null', 'w'), openSync(base, 'r')];
    for (const descriptor of [nowhere, folder]) expect(outputFileOf(process.pid, descriptor)).to.equal(null);
    for (const descriptor of [nowhere, folder]) closeSync(descriptor);
  });

  it('nothing of a file that has another’s name by now: a link, a pipe, a folder, a file that was made anew', () => {
    const others: Record<string, (path: string) => void> = {
      link: (path) => {
        symlinkSync('/etc/passwd', path);
      },
      'a link to itself, moved': (path) => {
        symlinkSync(`${path}.moved`, path);
      },
      pipe: (path) => void execFileSync('mkfifo', [path]),
      folder: (path) => {
        mkdirSync(path);
      },
      nothing: () => undefined,
      // ext4 and tmpfs give the number of the inode again
      'a new file': (path) => {
        writeFileSync(path, 'of somebody else');
      },
    };
    for (const [what, replace] of Object.entries(others)) {
      const stdout = output('out', '', 'secret');
      if (what.includes('moved')) renameSync(stdout.path, `${stdout.path}.moved`);
      else rmSync(stdout.path);
      replace(stdout.path);
      expect(openOutputFile(stdout), what).to.equal(null);
      expect(keep({stdout}), what).to.deep.equal([`${stdout.path}: another file has its name, or none`]);
      expect(code(read), what).to.equal('OUTPUT_ELSEWHERE');
      rmSync(stdout.path, {recursive: true, force: true});
    }
  });

  it('nothing of what was there before, when the file was cut off', () => {
    const stdout = output('out', 'of another job\n', 'one\n');
    truncateSync(stdout.path, 5);
    keep({stdout});
    expect(read()).to.deep.equal({from: 'file', text: '', missing: 0});
    // cut off after its end, it no longer has all
    const later = output('out', '', 'one\ntwo\n');
    keep({stdout: later});
    truncateSync(later.path, 4);
    expect(read()).to.deep.equal({from: 'kept', text: 'one\ntwo\n', missing: 0});
  });

  it('is made again by a supervisor that follows, and leaves nothing half made', () => {
    const stdout = output('out', '', 'one');
    keep({stdout});
    keep({stdout});
    expect(readdirSync(keptPlace(state))).to.deep.equal([ID]);
    mkdirSync(join(keptPlace(state), `${ID}.1.tmp`));
    writeFileSync(join(keptPlace(state), `${ID}.${process.pid}.tmp`), '');
    expect(() => keep({stdout})).to.throw(/EEXIST/);
    expect(readdirSync(keptPlace(state)).sort()).to.deep.equal([ID, `${ID}.1.tmp`]);
  });

  it('is not put where others could read or change it', () => {
    const stdout = output('out', '', 'one');
    mkdirSync(keptPlace(state));
    chmodSync(keptPlace(state), 0o777);
    expect(() => keep({stdout})).to.throw(/no directory of this account that nobody else can write to$/);
    expect(findKept(rules(), UID, ID)).to.equal(null);
    rmSync(keptPlace(state), {recursive: true});
    mkdirSync(join(base, 'elsewhere'));
    symlinkSync(join(base, 'elsewhere'), keptPlace(state));
    expect(() => keep({stdout})).to.throw(/no directory of this account/);
    for (const id of ['', '..', '../x', 'AB', null]) expect(findKept(rules(), UID, id)).to.equal(null);
  });

  it('is bounded: by time, by size, by what is half made', () => {
    const hours = (name: string, ago: number): void => {
      const at = Date.now() / 1000 - ago * 3600;
      utimesSync(join(keptPlace(state), name), at, at);
    };
    for (const [index, id] of ['a0', 'a1', 'a2', 'a3'].entries()) {
      keep({stdout: output('out', '', 'x'.repeat(100))}, {...RULE, totalBytes: 1e6, forUs: 1e15}, id);
      hours(id, index);
    }
    mkdirSync(join(keptPlace(state), 'b0.7.tmp'));
    hours('b0.7.tmp', 2);
    mkdirSync(join(keptPlace(state), 'b1.7.tmp'));
    writeFileSync(join(keptPlace(state), 'notes of mine'), '');
    symlinkSync('/etc', join(keptPlace(state), 'c0'));
    const left = (): string[] => readdirSync(keptPlace(state)).filter((name) => name.startsWith('a') || name.startsWith('b'));
    pruneKept(state, {totalBytes: 1e6, forUs: 2.5 * 3600e6});
    expect(left().sort()).to.deep.equal(['a0', 'a1', 'a2', 'b1.7.tmp']);
    pruneKept(state, {totalBytes: 200, forUs: 1e15});
    expect(left().sort()).to.deep.equal(['a0', 'a1', 'b1.7.tmp']);
    pruneKept(state, {totalBytes: 0, forUs: 1e15});
    expect(left()).to.deep.equal(['b1.7.tmp']);
    expect(existsSync('/etc/passwd')).to.equal(true);
    pruneKept(join(base, 'none'), RULE);
  });

  it('is that of jobs as the policy has it, and never ends in an error', () => {
    const files = {stdout: output('out', '', 'one'), stderr: null};
    const box = (logs: LogsRule | null): BoxState => ({id: ID, plan: {directories: {state}}, output: files, logs}) as unknown as BoxState;
    const record = (status: string, of = 'final'): UsageRecord => ({recordId: 'r', state: of, outcome: {status}}) as unknown as UsageRecord;
    const kept = (logs: LogsRule | null, of: UsageRecord): boolean => {
      rmSync(keptPlace(state), {recursive: true, force: true});
      expect(keepOfBox(box(logs), of)).to.deep.equal([]);
      return existsSync(place());
    };
    expect(kept(null, record('failed'))).to.equal(false);
    expect(kept(RULE, record('completed'))).to.equal(true);
    expect(kept({...RULE, keep: 'failed'}, record('completed'))).to.equal(false);
    expect(kept({...RULE, keep: 'failed'}, record('limit'))).to.equal(true);
    expect(kept({...RULE, keep: 'failed'}, record('lost', 'lost'))).to.equal(true);
    expect(kept({...RULE, keep: 'failed'}, record('running', 'started')), 'another phase follows').to.equal(false);
    rmSync(state, {recursive: true});
    writeFileSync(state, '');
    expect(keepOfBox(box(RULE), record('failed'))[0]).to.match(/^the output of the box ab12cd34: E/);
  });

  it('is not read where the file system can hang, links followed', () => {
    const file = output('out', '', 'one');
    const mounts = (point: string, type: string): ReturnType<typeof parseMountinfo> =>
      parseMountinfo(`1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:50 / ${point} rw - ${type} home rw\n`);
    const troubles = (path: string, at: ReturnType<typeof parseMountinfo>): string[] => {
      const streams = {stdout: {...file, path}, stderr: {...file, path}};
      return keepOutput({state, boxId: ID, recordId: 'r', files: streams, rule: RULE, mounts: at});
    };
    for (const type of ['nfs4', 'fuse.sshfs', 'fuse', 'lustre'])
      expect(troubles(file.path, mounts(base, type)), type).to.deep.equal([
        `${file.path} lies on a network file system: its output is not kept`,
      ]);
    expect(existsSync(join(place(), 'stdout'))).to.equal(false);
    // a directory on the way has become a link to a mount that is not there, and is not looked for
    symlinkSync('/home-of-others', join(base, 'way'));
    expect(troubles(join(base, 'way', 'out'), mounts('/home-of-others', 'nfs'))[0]).to.match(/ lies on a network file system/);
    expect(troubles(file.path, mounts('/home-of-others', 'nfs'))).to.deep.equal([]);
    expect(readFileSync(join(place(), 'stdout'), 'utf8')).to.equal('one');
  });

  it('a note that somebody has written is checked', () => {
    const good = {path: '/a', device: 1, inode: 2, born: '3', begin: 4, end: 10, head: 3, tail: 3};
    const note = (stdout: unknown, stderr: unknown = null): object => ({schema: 'tare/output/v1', streams: {stdout, stderr}});
    expect(streamIn(note(good), 'stdout')).to.deep.equal(good);
    expect(streamIn(note(good, 'stdout'), 'stderr')).to.deep.equal(good);
    expect(streamIn(note(good), 'stderr')).to.equal('none');
    for (const change of [
      {path: 'a'},
      {path: 7},
      {path: `/${'a'.repeat(5000)}`},
      {begin: 11},
      {head: 4},
      {head: -1},
      {tail: 1.5},
      {end: 1e300},
      {inode: '2'},
    ])
      expect(streamIn(note({...good, ...change}), 'stdout'), JSON.stringify(change)).to.equal(null);
    for (const wrong of [null, 7, 'x', [], {}, {...note(good), schema: 'x'}, note('stdout'), note([])])
      expect(streamIn(wrong, 'stdout'), JSON.stringify(wrong)).to.equal(null);
  });

  it('folders that somebody has filled with other things are not there', () => {
    keep({stdout: output('out', '', 'one')});
    rmSync(join(base, 'out'));
    const note = readFileSync(join(place(), 'note.json'), 'utf8');
    const hostile: (() => void)[] = [
      () => {
        rmSync(join(place(), 'stdout'));
        execFileSync('mkfifo', [join(place(), 'stdout')]);
      },
      () => {
        rmSync(join(place(), 'stdout'));
        symlinkSync('/etc/passwd', join(place(), 'stdout'));
      },
      () => {
        writeFileSync(join(place(), 'note.json'), note.slice(0, 20));
      },
      () => {
        rmSync(join(place(), 'note.json'));
        execFileSync('mkfifo', [join(place(), 'note.json')]);
      },
    ];
    for (const [index, make] of hostile.entries()) {
      make();
      expect(code(read), String(index)).to.equal('OUTPUT_NOT_KEPT');
    }
  });
});

describe('the last lines of a file', () => {
  it('begin after so many line ends, however long the lines are', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'tare-lines-')), 'f');
    const long = 'y'.repeat(100_000);
    const text = `a\n${long}\nb\n\nc`;
    writeFileSync(path, text);
    const descriptor = openSync(path, 'r');
    const last = (lines: number, begin = 0, end = text.length): string => text.slice(lastLines(descriptor, begin, end, lines), end);
    expect(last(0)).to.equal('');
    expect(last(1)).to.equal('c');
    expect(last(2)).to.equal('\nc');
    expect(last(3)).to.equal('b\n\nc');
    expect(last(4)).to.equal(`${long}\nb\n\nc`);
    expect(last(5)).to.equal(text);
    expect(last(99)).to.equal(text);
    expect(last(1, 0, 2)).to.equal('a\n');
    expect(last(2, text.length - 5, text.length - 1)).to.equal('b\n\n');
    expect(last(9, text.length - 1)).to.equal('c');
    closeSync(descriptor);
    rmSync(join(path, '..'), {recursive: true});
  });
});
