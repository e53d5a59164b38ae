import {expect} from 'chai';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {find, findFinal, journal} from '../../../src/record/journal.js';
import {startedRecord, type UsageRecord} from '../../../src/record/record.js';
import {readRecord, records, recordsOf, writeRecord} from '../../../src/record/spool.js';
import {need} from '../../support/need.js';
import {grid, plan, thrown, USER} from '../plan/build.js';

const UID = process.getuid?.() ?? -1;
const OTHER = UID === 1234 ? 1235 : 1234;

const started: UsageRecord = startedRecord(
  {
    lrms: {type: 'none', host: 'wn001', queue: null, localJobId: null, globalJobId: 'wn001#ab', attempt: 1},
    identity: USER,
    grid: grid(null),
    parent: null,
    name: null,
    host: {node: 'wn001', bootId: null, kernel: null, cpuModel: null, tareVersion: '0.1.0'},
    trust: 'user',
    site: {name: null, infrastructure: null, description: null},
  },
  plan(),
);
const final: UsageRecord = {...started, state: 'final'};

describe('the journal', () => {
  let base: string;
  let first: string;
  let second: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-journal-'));
    first = join(base, 'first');
    second = join(base, 'second');
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  /** A place where nothing can be written, as on a full disk: there a file is in the way. */
  const block = (place: string): void => {
    writeFileSync(place, '');
  };
  const name = `${started.recordId}.json`;

  it('writes to the first place that takes it', () => {
    expect(journal([first, second], started)).to.equal(join(first, name));
    expect(existsSync(second)).to.equal(false);
    rmSync(first, {recursive: true});
    block(first);
    expect(journal([first, second], started)).to.equal(join(second, name));
  });

  it('leaves one record when its states went to different places', () => {
    block(first);
    journal([first, second], started);
    rmSync(first);
    journal([first, second], final);
    expect([readdirSync(first), readdirSync(second)]).to.deep.equal([[name], []]);
  });

  it('finds the closed record rather than a started one that could not be removed', () => {
    writeRecord(first, started);
    writeRecord(second, final);
    expect(find([first, second], started.recordId)).to.deep.equal({record: final, path: join(second, name)});
    expect(findFinal([first], started.recordId)).to.equal(null);
    expect(find([], started.recordId)).to.equal(null);
  });

  it('says what every place said when none takes it', () => {
    block(first);
    block(second);
    const error = thrown(() => journal([first, second], started));
    expect(error.code).to.equal('SPOOL_UNWRITABLE');
    expect(error.message).to.include(join(first, name)).and.include(join(second, name)).and.not.include('\n');
  });

  it('does not trust a place where others can remove what is in it', () => {
    mkdirSync(first);
    chmodSync(first, 0o777);
    expect(thrown(() => journal([first], started)).message).to.include('it has to be sticky, or one’s own');
    chmodSync(first, 0o1777);
    expect(journal([first], started)).to.equal(join(first, name));
  });

  it('a name that another took is not in the way, and what lies there is not ours', function () {
    need(this, UID === 0, 'only root can give files away');
    mkdirSync(first);
    chmodSync(first, 0o1777);
    writeFileSync(join(first, name), JSON.stringify(final));
    chownSync(join(first, name), OTHER, OTHER);
    expect(readRecord(first, started.recordId)).to.equal(null);
    const own = `${started.recordId}.${String(UID)}.json`;
    expect(journal([first], started)).to.equal(join(first, own));
    expect(find([first], started.recordId)?.record.state).to.equal('started');
    expect([...recordsOf(first, UID)]).to.deep.equal([started.recordId]);
    expect([...recordsOf(first, OTHER)]).to.deep.equal([started.recordId]);
    expect(readFileSync(join(first, name), 'utf8')).to.equal(JSON.stringify(final));
    // both names
    chownSync(join(first, own), OTHER, OTHER);
    expect([...records(first)].map(({path}) => path)).to.deep.equal([join(first, name)]);
  });

  it('no other account can close a record, by whatever name', function () {
    need(this, UID === 0, 'only root can give files away');
    journal([first], started);
    mkdirSync(second);
    for (const taken of [name, `${started.recordId}.${String(UID)}.json`]) {
      writeFileSync(join(second, taken), JSON.stringify(final));
      chownSync(join(second, taken), OTHER, OTHER);
    }
    expect(findFinal([first, second], started.recordId)).to.equal(null);
    expect(find([second, first], started.recordId)?.record).to.deep.equal(started);
  });

  it('keeps to the numbered name when the other’s file goes', function () {
    need(this, UID === 0, 'only root can give files away');
    mkdirSync(first);
    chmodSync(first, 0o1777);
    writeFileSync(join(first, name), '');
    chownSync(join(first, name), OTHER, OTHER);
    journal([first], started);
    rmSync(join(first, name));
    expect(find([first], started.recordId)?.record.state).to.equal('started');
    expect([...recordsOf(first, UID)]).to.deep.equal([started.recordId]);
    journal([first], final);
    expect(readdirSync(first)).to.deep.equal([`${started.recordId}.${String(UID)}.json`]);
  });

  it('finds the records of a spool that is written with a slash at its end', () => {
    journal([`${first}/`], started);
    expect([...recordsOf(`${first}/`, UID)]).to.deep.equal([started.recordId]);
  });

  it('follows no link and waits for no pipe', () => {
    mkdirSync(first);
    writeFileSync(join(base, 'elsewhere'), JSON.stringify(final));
    symlinkSync(join(base, 'elsewhere'), join(first, name));
    expect(readRecord(first, started.recordId)).to.equal(null);
    expect([...records(first)]).to.deep.equal([]);
    journal([first], started);
    expect(readFileSync(join(base, 'elsewhere'), 'utf8')).to.equal(JSON.stringify(final));
    expect(readRecord(first, started.recordId)?.state).to.equal('started');
  });
});
