import {chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {applicationsOf, endedJobs, findEnded, findRecords, severalRecords} from '../../../src/live/ended.js';
import {requireApplication} from '../../../src/live/live.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {changed, pilot, put} from '../../support/records.js';
import {policy} from '../plan/build.js';

const UID = process.getuid?.() ?? 0;

describe('ended jobs', () => {
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-ended-'));
    chmodSync(base, 0o755);
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const spool = (): string => join(base, 'spool');
  const rules = (): ReturnType<typeof policy> =>
    policy({directories: {state: join(base, 'state'), spool: spool(), sealed: join(base, 'sealed')}});
  /** A record of this node, so many hours old. */
  const job = (number: number, change: object, folder?: string): UsageRecord => {
    const record = changed(pilot(number), {host: {node: hostname()}, ...change});
    const at = Date.now() / 1000 - number * 3600;
    utimesSync(put(spool(), record, folder), at, at);
    return record;
  };
  const found = (word: string): (string | null)[] => findRecords([spool()], word).map(({record: {payload}}) => payload.name);
  const code = (action: () => unknown): string => {
    try {
      action();
      return 'none';
    } catch (error) {
      return (error as {code: string}).code;
    }
  };

  it('are found by the id of the box or the record, what these begin with, and the name', () => {
    const [one] = [
      job(1, {boxId: 'ab12cd34ab12cd34', payload: {name: 'one'}}),
      job(2, {boxId: 'ab99cd34ab12cd34', payload: {name: 'two'}}, '2026/11'),
      job(3, {payload: {name: 'old'}}),
    ];
    for (const word of ['one', 'ab12', 'ab12cd34ab12cd34', one.recordId, one.recordId.slice(0, 8), one.recordId.slice(0, 13)])
      expect(found(word), word).to.deep.equal(['one']);
    expect(found('two'), 'in a folder below the spool').to.deep.equal(['two']);
    expect(found('old')).to.deep.equal(['old']);
    expect(found('ab')).to.deep.equal(['one', 'two']);
    for (const word of ['', 'on', '..', '*', 'ONE', 'ffff']) expect(found(word), word).to.deep.equal([]);
    expect(findEnded(rules(), UID, 'ab12').boxId).to.equal('ab12cd34ab12cd34');
    expect(code(() => findEnded(rules(), UID, 'none'))).to.equal('BOX_UNKNOWN');
  });

  it('of which several have a name are listed, the newest first', () => {
    const [older, newer] = [job(5, {payload: {name: 'sim'}}), job(4, {payload: {name: 'sim'}})];
    expect(code(() => findEnded(rules(), UID, 'sim'))).to.equal('BOX_AMBIGUOUS');
    const {message} = severalRecords('sim', findRecords([spool()], 'sim'));
    expect(message).to.match(
      new RegExp(`^several records have .* sim, or that name; found: ${newer.recordId} \\(sim, 20.*Z\\), ${older.recordId} `),
    );
  });

  it('in two places are one, and what is open or of another node is not among them', () => {
    const record = job(1, {payload: {name: 'one'}});
    put(join(base, 'sealed'), record);
    expect(findRecords([join(base, 'sealed'), spool()], 'one')).to.have.length(1);
    expect(findRecords([join(base, 'sealed'), spool()], record.recordId)).to.have.length(1);
    job(2, {payload: {name: 'open'}, state: 'started', outcome: {status: 'running'}});
    job(3, {payload: {name: 'far'}, host: {node: 'elsewhere'}});
    for (const name of ['open', 'far']) {
      expect(found(name), 'tare records show has it').to.deep.equal([name]);
      expect(code(() => findEnded(rules(), UID, name))).to.equal('BOX_UNKNOWN');
    }
    expect(endedJobs(rules(), UID, 9).jobs.map(({record: {payload}}) => payload.name)).to.deep.equal(['one']);
  });

  it('are the newest so many, of those that are wanted', () => {
    for (const number of [3, 1, 2]) job(number, {payload: {name: `job ${number}`}});
    const names = (most: number, wanted: RegExp | null = null): (string | null)[] =>
      endedJobs(rules(), UID, most, wanted === null ? null : ({record}) => wanted.test(record.payload.name ?? '')).jobs.map(
        ({record: {payload}}) => payload.name,
      );
    expect(names(2)).to.deep.equal(['job 1', 'job 2']);
    expect(names(1, /[23]/)).to.deep.equal(['job 2']);
    expect(names(9, /4/)).to.deep.equal([]);
  });

  it('have the applications of their record', () => {
    const application = {...(pilot().applications[0] ?? {}), name: 'merge'};
    job(1, {payload: {name: 'several'}, applications: [application, {name: 7}, null]});
    job(2, {payload: {name: 'one'}});
    expect(applicationsOf(findEnded(rules(), UID, 'several'))).to.deep.equal(['merge']);
    expect(applicationsOf(findEnded(rules(), UID, 'one'))).to.deep.equal([]);
    expect(() => {
      requireApplication(['merge'], 'other', 'ab');
    }).to.throw(/^the box ab has no such application; found: other; allowed: merge$/);
  });

  it('are passed over where a file is no record, or another’s', () => {
    const {recordId} = job(1, {payload: {name: 'one'}});
    writeFileSync(join(spool(), `${recordId.slice(0, -4)}ffff.json`), '{"schema":');
    writeFileSync(join(spool(), `${recordId.slice(0, -4)}eeee.json`), JSON.stringify(changed(pilot(1), {payload: {name: 'one'}})));
    expect(found('one')).to.deep.equal(['one']);
    expect(found(recordId.slice(0, 8))).to.deep.equal(['one']);
    if (UID === 0) expect(findRecords([spool()], 'one', {uid: 1234})).to.deep.equal([]);
  });
});
