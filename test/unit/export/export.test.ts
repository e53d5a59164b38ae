import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Delivery, ExportItem, Exporter, ExportRecord} from '@tare/contract';
import {openAuditor} from '../../../plugins/auditor/exporter.js';
import {openPrometheus} from '../../../plugins/prometheus/exporter.js';
import {exportEffects} from '../../../src/export/effects.js';
import {exportRecords, openExporter, readRecords, type ExportSummary, type Opened, type Tally} from '../../../src/export/export.js';
import {fits, parseMoment, type Filter} from '../../../src/export/filter.js';
import {Ledger} from '../../../src/export/ledger.js';
import {takeLock} from '../../../src/export/lock.js';
import {prune} from '../../../src/export/prune.js';
import {verifyRecord} from '../../../src/export/verify.js';
import {viewOf} from '../../../src/export/view.js';
import {recordFiles} from '../../../src/record/read.js';
import type {UsageRecord} from '../../../src/record/record.js';
import validate from '../../../src/schema/generated/record-2.validator.js';
import {AuditorServer, type Mood} from '../../support/auditor.js';
import {sampleOf} from '../../support/prom.js';
import {changed, measured, pilot, put, view} from '../../support/records.js';
import {canonicalJson} from '../../../src/plan/canonical.js';
import {thrown} from '../plan/build.js';

const all = (): boolean => true;

let directory: string;
let spool: string;
let place: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tare-export-'));
  spool = join(directory, 'spool');
  place = join(directory, 'exporters');
  mkdirSync(spool);
});
afterEach(function () {
  this.timeout(60_000);
  rmSync(directory, {recursive: true, force: true});
});

const open = (exporter: Exporter, sealedOnly = false): Opened => openExporter(exporter, place, sealedOnly, exportEffects);
const only = ({tallies}: ExportSummary): Tally => tallies[0]!;

/** Delivers to a list; `answer` says what happens to each. */
function fake(
  change: Partial<Exporter> = {},
  answer: (item: ExportItem) => Delivery | Error = () => ({is: 'delivered'}),
): Exporter & {got: ExportItem[][]} {
  const got: ExportItem[][] = [];
  return {
    name: 'fake',
    api: 1,
    batchRecords: 3,
    batchBytes: 1e6,
    corrections: 'deliver',
    warnings: [],
    select: () => null,
    convert: ({record}) => ({text: record.lrms.globalJobId, changed: []}),
    join: (texts) => texts.join(),
    deliver: (items) => {
      const answers = items.map(answer);
      const error = answers.find((each) => each instanceof Error);
      if (error instanceof Error) return Promise.reject(error);
      got.push([...items]);
      return Promise.resolve(answers as Delivery[]);
    },
    got,
    ...change,
  };
}

const fill = (count: number, from = 0): UsageRecord[] =>
  Array.from({length: count}, (_, index) => {
    const record = pilot(from + index);
    put(spool, record);
    return record;
  });

describe('reading a spool', () => {
  it('sees records, and in folders of a collector; and says what else there is', () => {
    const [a, b, c] = [pilot(1), pilot(2), pilot(3)];
    put(spool, a);
    put(spool, b, '2026-09-21');
    put(spool, c, '.hidden');
    put(spool, c, 'a/b/c/d');
    writeFileSync(join(spool, `${a.recordId}.json.0123.tmp`), '{');
    const others: string[] = [];
    const found = [...recordFiles(spool, {other: (path) => others.push(path)})].map(({id}) => id);
    expect(found.sort()).to.deep.equal([a.recordId, b.recordId].sort());
    expect(others.map((path) => path.slice(spool.length + 1)).sort()).to.deep.equal(
      ['.hidden', `${a.recordId}.json.0123.tmp`, 'a/b/c/d'].sort(),
    );
    const unreadable: string[] = [];
    expect([...recordFiles(join(spool, 'none'), {unreadable: (each) => unreadable.push(each)})]).to.deep.equal([]);
    expect(unreadable).to.have.length(1);
  });

  it('trusts nothing: links, other kinds of files, what is too large, what has another name, wrong types', () => {
    const good = pilot(1);
    put(spool, good);
    const put2 = (number: number, make: (path: string) => void): void => make(join(spool, `${pilot(number).recordId}.json`));
    put2(2, (path) => symlinkSync(put(join(directory, 'elsewhere'), pilot(2)), path));
    put2(3, (path) => mkdirSync(path));
    put2(4, (path) => writeFileSync(path, canonicalJson(good)));
    put2(5, (path) => writeFileSync(path, '{"schema":'));
    put2(6, (path) => writeFileSync(path, 'x'.repeat(1024 * 1024 + 1)));
    put2(7, (path) => writeFileSync(path, canonicalJson({...pilot(7), revision: 1e9})));
    put2(8, (path) => writeFileSync(path, canonicalJson(changed(pilot(8), {usage: {cpuUserUs: '5'}}))));
    put2(9, (path) => writeFileSync(path, canonicalJson(changed(pilot(9), {time: {wallUs: 1.5}}))));
    put2(10, (path) => writeFileSync(path, '[]'));
    put2(11, (path) => execFileSync('mkfifo', [path]));
    const bad: string[] = [];
    const found = [...readRecords([spool], {bad: (_, reason) => bad.push(reason)})];
    expect(found.map(({record}) => record.recordId)).to.deep.equal([good.recordId]);
    expect(bad).to.have.length(10);
    expect(bad.join('\n'))
      .to.contain('#/usage/cpuUserUs: found "5"; allowed a number or null')
      .and.contain('#/time/wallUs')
      .and.contain('#/revision')
      .and.contain('not a plain file')
      .and.contain('the file’s name')
      .and.contain('a record has at most');
  });

  it('takes what an older or a later version wrote', () => {
    const record = JSON.parse(JSON.stringify(pilot())) as {usage: Record<string, unknown>; limits: unknown; flags: unknown} & UsageRecord;
    const older = {...record, usage: {cpuUserUs: 5}, limits: null, parent: null};
    expect(viewOf(older).usage.memPeakBytes).to.equal(null);
    const later = viewOf({...record, state: 'killed-by-slot', sealed: {by: 'x'}, news: 1, outcome: {...record.outcome, status: 'new'}});
    expect(later).to.include({state: 'killed-by-slot', sealed: true, isPart: false});
    expect(viewOf({...record, sealed: null}).sealed).to.equal(false);
  });
});

describe('delivery', () => {
  it('gives each closed record once, in batches, and nothing again in the next run', async () => {
    fill(7);
    put(spool, changed(pilot(99), {state: 'started', outcome: {status: 'running', exitCode: null}}));
    const exporter = fake();
    const first = await exportRecords([spool], [open(exporter)], all);
    expect(first).to.include({records: 8, open: 1, unreadable: 0});
    expect(only(first)).to.include({delivered: 7, before: 0, failed: 0, stopped: null});
    expect(exporter.got.map((items) => items.length)).to.deep.equal([3, 3, 1]);
    const second = await exportRecords([spool], [open(exporter)], all);
    expect(only(second)).to.include({delivered: 0, before: 7});
    expect(exporter.got.flat()).to.have.length(7);
  });

  it('closes a batch by its bytes as well', async () => {
    fill(4);
    const exporter = fake({batchBytes: 25, convert: () => ({text: 'x'.repeat(10), changed: []})});
    await exportRecords([spool], [open(exporter)], all);
    expect(exporter.got.map((items) => items.length)).to.deep.equal([2, 2]);
  });

  it('a target that is away stops that exporter and no other; nothing is lost, and its attempts are counted', async () => {
    const records = fill(7);
    const away = fake({name: 'away'}, () => new Error('nobody answers'));
    const well = fake({name: 'well'});
    for (const attempts of [1, 2]) {
      const {tallies} = await exportRecords([spool], [open(away), open(well)], all);
      expect(tallies[0]).to.include({delivered: 0, failed: 3, stopped: 'nobody answers'});
      const notes = records.map(({recordId}) => open(away).ledger.note(recordId)).filter((note) => note !== null);
      expect(notes).to.have.length(3);
      expect(notes[0]).to.include({state: 'failed', reason: 'nobody answers', attempts});
    }
    expect(well.got.flat()).to.have.length(7);
    const back = fake({name: 'away'});
    expect(only(await exportRecords([spool], [open(back)], all))).to.include({delivered: 7, failed: 0});
    expect(new Set(back.got.flat().map(({id}) => id))).to.have.property('size', 7);
    for (const {recordId} of records) expect(open(back).ledger.note(recordId)).to.equal(null);
  });

  it('a record that is refused is offered again each time, since the policy may have changed', async () => {
    const [record] = fill(1);
    const id = record?.recordId ?? '';
    let reason: string | null = 'no benchmark';
    const exporter = fake({convert: () => (reason === null ? {text: 'x', changed: ['user.vo']} : {refused: reason})});
    expect(only(await exportRecords([spool], [open(exporter)], all))).to.deep.include({refused: 1, reasons: [`${id}: no benchmark`]});
    expect(open(exporter).ledger.standing(id, 1)).to.deep.include({state: 'refused'});
    reason = null;
    expect(only(await exportRecords([spool], [open(exporter)], all))).to.include({refused: 0, delivered: 1, changed: 1});
    expect(open(exporter).ledger.standing(id, 1).state).to.equal('delivered');
    expect(open(exporter).ledger.note(id)).to.deep.include({state: 'delivered', changed: ['user.vo']});
  });

  it('a revision goes out anew, is refused, or ignored, as the exporter says', async () => {
    const [record] = fill(1) as [UsageRecord];
    const outcomes: Record<string, Partial<Tally>> = {
      deliver: {delivered: 1, refused: 0, before: 0},
      refuse: {delivered: 0, refused: 1, before: 0},
      ignore: {delivered: 0, refused: 0, before: 1},
    };
    const make = (corrections: string) => open(fake({name: corrections, corrections: corrections as 'deliver'}));
    for (const corrections of Object.keys(outcomes)) await exportRecords([spool], [make(corrections)], all);
    put(spool, {...record, revision: 2});
    for (const [corrections, expected] of Object.entries(outcomes)) {
      expect(only(await exportRecords([spool], [make(corrections)], all)), corrections).to.include(expected);
    }
    // a second look changes nothing
    expect(only(await exportRecords([spool], [make('deliver')], all))).to.include({delivered: 0, before: 1});
    // a first delivery of a later revision is no correction
    put(spool, {...pilot(5), revision: 3});
    expect(only(await exportRecords([spool], [make('refuse')], all))).to.include({delivered: 1});
  });

  it('takes only what root wrote or sealed, where that is wanted; and what fits the filter', async () => {
    put(spool, pilot(1));
    put(spool, changed(pilot(2), {trust: 'user'}));
    put(spool, changed(pilot(3), {trust: 'user', sealed: {by: 'root'}}));
    expect(only(await exportRecords([spool], [open(fake(), true)], all))).to.include({delivered: 2, passed: 1});
    const filtered = fake({name: 'filtered'});
    await exportRecords([spool], [open(filtered)], (record) => record.trust === 'user');
    expect(filtered.got.flat()).to.have.length(2);
  });

  it('an exporter that forgets to answer for a record has failed', async () => {
    fill(2);
    const mute = fake({deliver: () => Promise.resolve([{is: 'delivered'}])});
    expect(only(await exportRecords([spool], [open(mute)], all))).to.include({delivered: 1, failed: 1});
  });
});

describe('the ledger', () => {
  it('takes a note that a crash left empty or broken for none', () => {
    const id = pilot().recordId;
    const ledger = new Ledger(join(directory, 'ledger'));
    ledger.write(id, {state: 'failed', revision: 1, reason: 'x', attempts: 4, atEpochUs: 1, changed: []});
    expect(ledger.standing(id, 1).state).to.equal('failed');
    const path = join(directory, 'ledger', id.slice(0, 2), `${id}.json`);
    for (const text of ['', '{"state":"fai', '[]']) {
      writeFileSync(path, text);
      expect(ledger.standing(id, 1)).to.deep.equal({state: 'pending', note: null, isCorrection: false});
    }
    ledger.delivered(id, 1, null);
    ledger.forget(id, 1);
    expect(readdirSync(join(directory, 'ledger', id.slice(0, 2)))).to.deep.equal([]);
  });

  it('is one process’s at a time, and a dead one’s lock is taken over', () => {
    const me = {pid: 1, startTicks: 1};
    const other = {pid: 2, startTicks: 2};
    const first = takeLock(directory, other, () => true);
    if (!('release' in first)) throw new Error('not taken');
    expect(takeLock(directory, me, () => true)).to.deep.equal({owner: other});
    const taken = takeLock(directory, me, () => false);
    expect(taken).to.have.property('release');
    if ('release' in taken) taken.release();
    expect(readdirSync(directory).filter((name) => name.startsWith('lock'))).to.deep.equal([]);
  });
});

describe('an AUDITOR server', function () {
  this.timeout(30_000);
  /** Long enough for a busy machine, but where the server does not mean to answer. */
  const DEADLINE_US = {usual: 20e6, hanging: 2e6};
  let server: AuditorServer;
  let url: string;
  let exporter: Exporter;
  beforeEach(async () => {
    server = new AuditorServer();
    url = await server.start();
    exporter = openAuditor({url, timeout: DEADLINE_US.usual}, {benchmarks: []});
  });
  afterEach(() => server.stop());

  const ROWS: [mood: Mood, tally: Partial<Tally>][] = [
    ['serve', {delivered: 5, failed: 0}],
    ['fail', {delivered: 4, failed: 1}],
    ['hang', {delivered: 4, failed: 1}],
    ['drop', {delivered: 4, failed: 1}],
    ['store-and-drop', {delivered: 4, failed: 1}],
    ['store-and-hang', {delivered: 4, failed: 1}],
    ['half-an-answer', {delivered: 4, failed: 1}],
    [{status: 503}, {delivered: 4, failed: 1}],
    [{status: 400}, {delivered: 4, refused: 1}],
  ];
  for (const [mood, expected] of ROWS) {
    it(`that does ${JSON.stringify(mood)}: no record is lost, none is there twice`, async () => {
      fill(5);
      if (mood === 'hang' || mood === 'store-and-hang') exporter = openAuditor({url, timeout: DEADLINE_US.hanging}, {benchmarks: []});
      server.moods = ['serve', 'serve', mood];
      expect(only(await exportRecords([spool], [open(exporter)], all))).to.include(expected);
      expect(only(await exportRecords([spool], [open(exporter)], all))).to.include({failed: 0, refused: 0});
      const before = server.requests;
      expect(only(await exportRecords([spool], [open(exporter)], all))).to.include({delivered: 0, before: 5});
      expect(server.requests).to.equal(before);
      expect(server.stored).to.have.property('size', 5);
    });
  }

  it('that has a record already: that is as good as taking it', async () => {
    const [record] = fill(1);
    server.stored.set(`tare-${record?.recordId ?? ''}`, {});
    expect(only(await exportRecords([spool], [open(exporter)], all))).to.include({delivered: 1, failed: 0});
  });

  it('that is away is asked three times, and the rest is spared', async () => {
    fill(10);
    server.moods = Array.from({length: 10}, () => 'fail');
    const tally = only(await exportRecords([spool], [open(exporter)], all));
    expect(tally).to.include({failed: 3, delivered: 0});
    expect(tally.stopped).to.match(/500 database is away$/);
    expect(server.requests).to.equal(3);
    server.moods = [];
    expect(only(await exportRecords([spool], [open(exporter)], all))).to.include({delivered: 10});
  });

  it('that refuses the client is asked once', async () => {
    fill(5);
    server.moods = [{status: 403}];
    const tally = only(await exportRecords([spool], [open(exporter)], all));
    expect(tally).to.include({failed: 0, refused: 0, delivered: 0});
    expect(tally.stopped).to.match(/403/);
    expect(server.requests).to.equal(1);
  });

  it('does not get a correction, which it would count a second time', async () => {
    const [record] = fill(1) as [UsageRecord];
    await exportRecords([spool], [open(exporter)], all);
    put(spool, {...record, revision: 2});
    expect(only(await exportRecords([spool], [open(exporter)], all)).reasons[0]).to.match(/cannot replace/);
    expect(server.stored).to.have.property('size', 1);
  });

  it('is shown a key only from a file that root alone can read', async () => {
    const key = join(directory, 'key.pem');
    writeFileSync(key, 'secret', {mode: 0o640});
    fill(1);
    const secure = openAuditor({url: 'https://127.0.0.1:1', certificate: key, key}, {benchmarks: []});
    const {stopped} = only(await exportRecords([spool], [open(secure)], all));
    expect(stopped).to.match(/a secret must be a file of root’s that only root can read; found owner \d+, mode 640; chown/);
    expect(server.requests).to.equal(0);
  });
});

describe('Prometheus’ counters', () => {
  it('count a record once, also over a crash between counting and remembering', async () => {
    const records = fill(4);
    const file = join(directory, 'tare.prom');
    const jobs = () => sampleOf(readFileSync(file, 'utf8'), 'tare_jobs_total{outcome="completed"}');
    await exportRecords([spool], [open(openPrometheus({file}))], all);
    expect(jobs()).to.equal(4);
    expect(sampleOf(readFileSync(file, 'utf8'), 'tare_job_cpu_seconds_total{mode="user"}')).to.equal(4 * 25_000.123456);
    // killed after the count: two are counted, and this is not noted
    const fresh = fill(2, 100);
    const killed = openPrometheus({file});
    const dying = open({...killed, acknowledge: () => undefined});
    await exportRecords([spool], [dying], all);
    expect(jobs()).to.equal(6);
    for (const {recordId} of fresh) dying.ledger.forget(recordId, 1);
    const opened = open(openPrometheus({file}));
    // the next one takes them together with others
    fill(3, 200);
    await exportRecords([spool], [opened], all);
    expect(jobs()).to.equal(9);
    expect((JSON.parse(readFileSync(join(place, 'prometheus/totals.json'), 'utf8')) as {pending: string[]}).pending).to.deep.equal([]);
    expect(records).to.have.length(4);
    expect(existsSync(file)).to.equal(true);
  });

  it('do not go down when a record is corrected, or start from 0 when the totals are broken', async () => {
    const [record] = fill(1) as [UsageRecord];
    const file = join(directory, 'tare.prom');
    await exportRecords([spool], [open(openPrometheus({file}))], all);
    const read = (): string => readFileSync(file, 'utf8').replace(/^tare_export_time_seconds .*$/m, '');
    const before = read();
    put(spool, {...record, revision: 2});
    await exportRecords([spool], [open(openPrometheus({file}))], all);
    expect(read()).to.equal(before);
    writeFileSync(join(place, 'prometheus/totals.json'), '{"totals":{"x":"y"}}');
    fill(1, 9);
    expect(only(await exportRecords([spool], [open(openPrometheus({file}))], all)).stopped).to.match(/cannot be understood/);
    expect(read()).to.equal(before);
  });
});

describe('pruning', () => {
  const LATER = 4e15;
  it('removes what is old and delivered by all, and nothing else', async () => {
    const well = fake({name: 'well'});
    const picky = fake({
      name: 'picky',
      convert: ({record}) => (record.lrms.globalJobId.includes('#2.0#') ? {refused: 'no'} : {text: 'x', changed: []}),
    });
    const records = fill(4);
    const passed = pilot(50);
    put(spool, passed, '2026-09-21');
    const stranger = fake({name: 'stranger', select: ({lrms}) => (lrms.localJobId === '50.0' ? 'none of mine' : null)});
    const started = changed(pilot(60), {state: 'started', outcome: {status: 'running', exitCode: null}, time: {endEpochUs: null}});
    put(spool, started);
    const exporters = [open(well), open(picky), open(stranger)];
    expect(prune([spool], exporters, LATER, true)).to.deep.include({
      records: 6,
      removed: 0,
      kept: {open: 1, pending: 5, refused: 0, failed: 0},
    });
    await exportRecords([spool], exporters, all);
    expect(prune([spool], exporters, LATER, false)).to.include({removed: 4});
    expect(prune([spool], exporters, 1e15, true)).to.include({removed: 0});
    // old, but written just now
    expect(prune([spool], exporters, Date.now() * 1000 - 60e6, true)).to.include({removed: 0});
    expect(prune([spool], exporters, LATER, true)).to.deep.include({removed: 4, kept: {open: 1, pending: 0, refused: 1, failed: 0}});
    expect([...recordFiles(spool)].map(({id}) => id).sort()).to.deep.equal([records[2]?.recordId, started.recordId].sort());
    expect(existsSync(join(spool, '2026-09-21'))).to.equal(false);
    const left = readdirSync(join(place, 'well/ledger'), {recursive: true}).filter((name) => String(name).length > 10);
    expect(left).to.have.length(1);
  });
});

describe('verifying', () => {
  it('finds what is wrong with a record', () => {
    const record = pilot();
    const text = `${canonicalJson(record)}\n`;
    const wrong = (change: object): string =>
      verifyRecord(`${canonicalJson(changed(record, change))}\n`, changed(record, change).recordId, validate).join('; ');
    expect(verifyRecord(text, record.recordId, validate)).to.deep.equal([]);
    expect(verifyRecord(`${text} `, record.recordId, validate).join()).to.match(/not canonical/);
    expect(verifyRecord(text, pilot(1).recordId, validate).join()).to.match(/another name/);
    expect(verifyRecord(`${canonicalJson({...record, lrms: {...record.lrms, attempt: 2}})}\n`, record.recordId, validate).join()).to.match(
      /not that of site/,
    );
    expect(verifyRecord('{', record.recordId, validate).join()).to.match(/^not JSON/);
    expect(verifyRecord('\u001b[31m', record.recordId, validate).join(), 'people read it on their terminals').to.match(
      /^not JSON[^\p{Cc}]*$/u,
    );
    expect(wrong({time: {wallUs: 5}})).to.match(/end is not start \+ wall, by 3599999995 us/);
    expect(wrong({outcome: {signal: 'SIGKILL'}})).to.match(/both an exit code and a signal/);
    expect(wrong({state: 'started'})).to.match(/completed in a record that is started/);
    expect(wrong({trust: 'nobody'})).to.match(/#\/trust/);
    expect(wrong({usage: {memPeakBytes: -1}})).to.match(/#\/usage\/memPeakBytes: negative/);
    const shim = {name: 'shim', privateBytes: 4096, privateDirtyBytes: 4096};
    expect(wrong({tare: {processes: [{...shim, privateBytes: -4096}]}})).to.match(/#\/tare\/processes\/0\/privateBytes: negative/);
    expect(wrong({tare: {processes: [shim, shim]}})).to.match(/#\/tare\/processes: "shim" twice/);
    expect(wrong({payload: {name: 'a\0b'}})).to.match(/#\/payload\/name: a NUL/);
  });
});

describe('filters', () => {
  const none: Filter = {sinceUs: null, untilUs: null, vo: null, user: null, outcome: null, state: null};
  const record: ExportRecord = view(measured());
  const end = record.time.endEpochUs ?? 0;
  it('take names with *, and times from and to', () => {
    const rows: [change: Partial<Filter>, taken: boolean][] = [
      [{}, true],
      [{vo: 'atl*'}, true],
      [{vo: 'cms'}, false],
      [{user: 'atlasprd01', outcome: 'completed', state: 'final'}, true],
      [{outcome: 'failed'}, false],
      [{sinceUs: end}, true],
      [{sinceUs: end + 1}, false],
      [{untilUs: end}, false],
      [{untilUs: end + 1}, true],
    ];
    for (const [change, taken] of rows) expect(fits({...none, ...change}, record, 0), JSON.stringify(change)).to.equal(taken);
    expect(fits({...none, sinceUs: 5}, {...record, time: {...record.time, endEpochUs: null}}, 4)).to.equal(false);
    expect(fits({...none, vo: '*'}, {...record, user: {...record.user, vo: null}}, 0)).to.equal(false);
  });

  it('know moments in UTC, with a zone, and from now', () => {
    const now = Date.parse('2026-11-24T12:00:00Z') * 1000;
    const iso = (written: string): string => new Date(parseMoment(written, now, '--since') / 1000).toISOString();
    expect(iso('2026-09-21')).to.equal('2026-09-21T00:00:00.000Z');
    expect(iso('2026-09-21T13:00')).to.equal('2026-09-21T13:00:00.000Z');
    expect(iso('2026-09-21 13:00:05+02:00')).to.equal('2026-09-21T11:00:05.000Z');
    expect(iso('7d')).to.equal('2026-11-17T12:00:00.000Z');
    for (const written of ['yesterday', '2026-13-45', ''])
      expect(thrown(() => parseMoment(written, now, '--since')).code).to.equal('QUANTITY_INVALID');
  });
});

describe('a spool of thousands', () => {
  it('costs as many steps per record as a small one', async function () {
    this.timeout(60_000);
    const steps = async (count: number): Promise<number> => {
      rmSync(place, {recursive: true, force: true});
      let touched = 0;
      const counting = fake({
        batchRecords: 100,
        select: () => {
          touched++;
          return null;
        },
      });
      const opened = open(counting);
      const asked = opened.ledger.standing.bind(opened.ledger);
      opened.ledger.standing = (id, revision) => {
        touched++;
        return asked(id, revision);
      };
      await exportRecords([spool], [opened], all);
      expect(counting.got.flat()).to.have.length(count);
      expect(Math.max(...counting.got.map((items) => items.length))).to.equal(100);
      return touched + counting.got.length;
    };
    fill(300);
    const small = await steps(300);
    fill(900, 300);
    expect(await steps(1200)).to.equal(4 * small);
  });
});
