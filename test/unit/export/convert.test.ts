import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import type {Exporter} from '@tare/contract';
import {ownRefusals, readMessage} from '../../../plugins/apel/validate.js';
import {openApel} from '../../../plugins/apel/exporter.js';
import {canonicalJson} from '../../../src/plan/canonical.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {problemsOfRecordAdd} from '../../support/auditor.js';
import {asMessage, carFields, elements, parseXml} from '../../support/car.js';
import {partLine, readPart} from '../../../src/record/parts.js';
import {allExporters, convertWith} from './exporters.js';
import {problemsOfProm} from '../../support/prom.js';
import {changed, measured, pilot, view} from '../../support/records.js';

const NOW_US = 1_795_518_500e6;
const golden = (name: string): string => readFileSync(new URL(`../../../fixtures/exports/${name}`, import.meta.url), 'utf8');
const source = (record: UsageRecord) => ({record: view(record), text: canonicalJson(record)});
/** What is different from run to run by design: other fields may be added to a record. */
const FORMATS = ['apel-0.3.txt', 'apel-0.4.txt', 'car.xml', 'auditor.jsonl', 'prmon.json', 'tare.prom'];

let exporters: Record<string, Exporter>;
before(async () => {
  exporters = await allExporters('/nowhere');
});
const refusal = (exporter: Exporter | undefined, record: UsageRecord): string => {
  if (exporter === undefined) throw new Error('no such exporter');
  const passed = exporter.select(view(record));
  if (passed !== null) return `passed: ${passed}`;
  const made = exporter.convert(source(record));
  return 'refused' in made ? made.refused : 'taken';
};

describe('what exporters make of a record', () => {
  for (const name of FORMATS) {
    it(`is fixtures/exports/${name}`, () => {
      const made = convertWith(exporters[name]!, source(measured()));
      expect(made.text).to.equal(golden(name));
      expect(made.changed).to.deep.equal([]);
    });
  }

  it('is the record itself for jsonl', () => {
    const record = measured();
    expect(convertWith(exporters['record.jsonl']!, source(record)).text).to.equal(`${canonicalJson(record)}\n`);
  });

  it('is one line for jsonl, also of a file of several, in which one could look like a record of another job', () => {
    const record = measured();
    const text = canonicalJson({...record, other: {recordId: 'x'}}).replace('{"recordId":"x"}', '\r\n{"recordId":"x"}\n');
    expect(text.split('\n')).to.have.length(3);
    expect(convertWith(exporters['record.jsonl']!, {record: view(record), text}).text.trimEnd()).to.match(/^.+$/);
  });

  it('is the same bytes in every zone and language', function () {
    this.timeout(20_000);
    const script = fileURLToPath(new URL('convert-all.ts', import.meta.url));
    const made = [
      {TZ: 'UTC', LANG: 'C'},
      {TZ: 'Europe/Berlin', LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8'},
      {TZ: 'America/Chicago', LANG: 'en_US.UTF-8'},
    ].map((env) => execFileSync(process.execPath, ['--import=tsx', script], {env: {PATH: process.env['PATH'], ...env}, encoding: 'utf8'}));
    expect(new Set(made)).to.have.property('size', 1);
    const texts = JSON.parse(made[0] ?? '') as Record<string, string>;
    for (const name of FORMATS) expect(texts[name], name).to.equal(golden(name));
  });

  it('is taken by APEL, and read as it was meant', () => {
    for (const name of ['apel-0.3.txt', 'apel-0.4.txt']) {
      const read = readMessage(golden(name), NOW_US);
      if (read.verdict === 'reject') throw new Error(read.error);
      expect(Object.fromEntries(read.records[0] ?? [])).to.include({
        Site: 'EXAMPLE-SITE',
        WallDuration: 3600,
        CpuDuration: 26_000,
        Processors: 8,
        StartTime: 1_789_999_000,
        EndTime: 1_790_002_600,
        MemoryReal: 12_582_912,
        ServiceLevel: 14.37,
        FQAN: '/atlas/Role=pilot',
      });
      expect(ownRefusals(golden(name))).to.deep.equal([]);
    }
    const car = carFields(golden('car.xml')) as ReadonlyMap<string, string>[];
    expect(readMessage(asMessage(car), NOW_US)).to.have.property('verdict', 'accept');
    expect(Object.fromEntries(car[0] ?? [])).to.include({CpuDuration: '26000', EndTime: '1790002600', ServiceLevelType: 'HEPscore23'});
  });

  it('has the elements of ARC 7’s own, in its order, with its attributes', () => {
    const outline = (text: string): string[] =>
      [...elements(parseXml(text))].map(({name, attributes}) => `${name} ${[...attributes.keys()].sort().join(' ')}`.trim());
    const arc = outline(readFileSync(new URL('../../../fixtures/apel/arc7-car.xml', import.meta.url), 'utf8'));
    const theirsAlone = [
      // not read: an FQAN has both
      'GroupAttribute type',
      'GroupAttribute type',
      'SubmitHost type',
      'Middleware description name version',
    ];
    for (const line of theirsAlone) arc.splice(arc.lastIndexOf(line), 1);
    const ours = outline(golden('car.xml'));
    for (const line of ['SubmitHost', 'Middleware name version']) ours.splice(ours.indexOf(line), 1);
    expect(ours).to.deep.equal(arc);
  });
});

describe('names that users chose', () => {
  const HOSTILE: Record<string, string> = {
    'UTF-8': 'Jürgen Ærøskøbing 漢字 😀',
    newline: 'a\nSite: OTHER\r\n%%\nb',
    'end of record': 'a%%b%%%%c',
    markup: `</urf:Site><x a="1">&amp;'"]]>`,
    long: 'ü'.repeat(10_000),
    null: 'None',
    blank: ' \t ',
    'half a character': 'a\ud800b',
    'control characters': 'a\u0000\u001b[31m\u2028b',
    labels: 'x"} 1\nevil_total{a="',
  };
  for (const [kind, text] of Object.entries(HOSTILE)) {
    it(`${kind}: each exporter's output is valid, and says what it changed`, () => {
      const record = changed(measured(), {
        user: {local: text, vo: text, fqan: null, global: text},
        lrms: {queue: text},
        payload: {name: text},
        flags: [text],
      });
      const made = (name: string) => convertWith(exporters[name]!, source(record));
      for (const name of ['apel-0.3.txt', 'apel-0.4.txt']) {
        const {text: message, changed: said} = made(name);
        expect(message).to.match(/^[\n\x20-\x7E]*$/);
        const read = readMessage(message, NOW_US);
        if (read.verdict === 'reject') throw new Error(read.error);
        expect(read.records).to.have.length(1);
        expect(ownRefusals(message)).to.deep.equal([]);
        expect(read.records[0]?.get('Site')).to.equal('EXAMPLE-SITE');
        for (const key of ['VO', 'LocalUserId', 'GlobalUserName', 'Queue'])
          expect(String(read.records[0]?.get(key) ?? '').length, key).to.be.at.most(key === 'Queue' ? 100 : 255);
        // ]]> and quotes are nothing special there
        if (kind !== 'markup' && kind !== 'labels') expect(said).to.include.members(['user.vo', 'user.local', 'user.global', 'lrms.queue']);
        if (kind === 'null') expect(read.records[0]?.get('VO')).to.equal('None_');
      }
      const car = carFields(made('car.xml').text);
      if ('error' in car) throw new Error(car.error);
      expect(car).to.have.length(1);
      expect(readMessage(asMessage(car), NOW_US)).to.have.property('verdict', 'accept');
      if (kind === 'markup') expect(car[0]?.get('VO')).to.equal(text);

      const auditor = made('auditor.jsonl');
      expect(auditor.text.split('\n')).to.have.length(2);
      expect(problemsOfRecordAdd(JSON.parse(auditor.text))).to.deep.equal([]);
      if (['newline', 'long', 'blank', 'half a character', 'control characters', 'labels'].includes(kind))
        expect(auditor.changed).to.include.members(['user.vo', 'user.local', 'lrms.queue']);

      expect(made('record.jsonl').text.split('\n')).to.have.length(2);
      expect(JSON.parse(made('record.jsonl').text)).to.have.nested.property('user.vo');
      expect(JSON.parse(made('prmon.json').text)).to.have.property('Max');
      expect(problemsOfProm(made('tare.prom').text)).to.deep.equal([]);
      // its flag is none that there is
      expect(made('tare.prom').text).to.contain('tare_job_flags_total{flag="other"} 1\n');
      expect(made('tare.prom').text.replace(/^.*tare_job_flags_total.*\n/gm, '')).to.equal(golden('tare.prom'));
    });
  }

  it('that are long and begin alike stay apart', () => {
    const vo = (text: string) =>
      /VO: (.*)/.exec(convertWith(exporters['apel-0.3.txt']!, source(changed(pilot(), {user: {vo: text, fqan: null}}))).text)?.[1];
    expect(vo('a'.repeat(300))).to.have.length(255);
    expect(vo('a'.repeat(300))).to.not.equal(vo(`${'a'.repeat(300)}b`));
  });
});

describe('wrappers in the box of a record', () => {
  it('count nowhere, whatever they told', () => {
    const usage = {cpuUserUs: 9e12, cpuSystemUs: 9e12, memPeakBytes: 9e12};
    const list = [{...readPart(partLine(pilot(7)))!, usage, wallUs: 9e12}];
    const around: UsageRecord = {...measured(), children: {trust: 'self-reported', list, others: 2}};
    for (const name of FORMATS)
      expect(convertWith(exporters[name]!, source(around)).text, name).to.equal(convertWith(exporters[name]!, source(measured())).text);
  });
});

describe('what exporters do not take', () => {
  const ROWS: [title: string, change: object, apel: RegExp, auditor: RegExp][] = [
    ['a part of another record', {parent: {recordId: null, how: 'x'}}, /^passed: a part/, /^passed: a part/],
    [
      'a job that never ran',
      {time: {startEpochUs: null, endEpochUs: null, wallUs: null}, outcome: {status: 'refused'}},
      /^passed: nothing was run/,
      /^passed: nothing was run/,
    ],
    ['no site', {site: {name: null}}, /set site.name in the policy/, /^taken/],
    ['a lost job', {state: 'lost', time: {endEpochUs: null, wallUs: null}, outcome: {status: 'wrapper-failure'}}, /not known/, /not known/],
    ['no CPU time', {usage: {cpuUserUs: null}}, /CPU time is not known/, /^taken/],
    ['no cores', {allocation: {cores: null}}, /number of cores is not known/, /^taken/],
    ['no cores at all', {allocation: {cores: 0}}, /number of cores is not known/, /^taken/],
    ['a negative wall time', {time: {wallUs: -1}}, /negative/, /cannot be/],
    ['a start before 1970', {time: {startEpochUs: -5}}, /not after 1970/, /cannot be/],
    ['CPU time in the wrong unit', {usage: {cpuUserUs: 25_000_123_456_000}}, /cannot be$/, /^taken/],
    ['no benchmark', {benchmarks: []}, /no benchmark is known/, /^taken/],
    ['an unknown benchmark', {benchmarks: [{name: 'HS23', valuePerCore: 14, source: 'x'}]}, /no benchmark is known/, /^taken/],
    ['a benchmark of nothing', {benchmarks: [{name: 'HEPSPEC', valuePerCore: -1, source: 'x'}]}, /no benchmark is known/, /^taken/],
  ];
  for (const [title, change, apel, auditor] of ROWS) {
    it(title, () => {
      const record = changed(pilot(), change);
      for (const name of ['apel-0.3.txt', 'apel-0.4.txt', 'car.xml']) expect(refusal(exporters[name], record)).to.match(apel);
      expect(refusal(exporters['auditor.jsonl'], record)).to.match(auditor);
    });
  }

  it('a job without a computing element, unless the policy names one', () => {
    const open = (submitHost?: string) => openApel({directory: '/x', ...(submitHost === undefined ? {} : {submitHost})}, {benchmarks: []});
    expect(refusal(open(), pilot())).to.match(/set submitHost/);
    expect(refusal(open('ce'), pilot())).to.equal('taken');
    expect(refusal(open(), changed(pilot(), {ce: {id: 'ce02'}}))).to.equal('taken');
  });

  it('a job without a benchmark, unless the policy has one; and the record’s own comes first', () => {
    const open = openApel({directory: '/x', submitHost: 'ce'}, {benchmarks: [{name: 'HEPscore23', valuePerCore: 11}]});
    expect(convertWith(open, source(changed(pilot(), {benchmarks: []}))).text).to.contain('ServiceLevel: 11\n');
    expect(convertWith(open, source(pilot())).text).to.contain('ServiceLevel: 14.37\n');
  });

  it('prmon: a job of which a figure that its readers want was not measured', () => {
    expect(refusal(exporters['prmon.json'], pilot())).to.match(/^passed: not measured: pssPeakBytes/);
    expect(refusal(exporters['prmon.json'], changed(measured(), {usage: {swapAverageBytes: null}}))).to.equal(
      'passed: not measured: swapAverageBytes',
    );
  });

  it('a fraction of a core is rounded up, and said', () => {
    const made = convertWith(exporters['apel-0.3.txt']!, source(changed(pilot(), {allocation: {cores: 7.5}})));
    expect(made.text).to.contain('Processors: 8\n');
    expect(made.changed).to.deep.equal(['allocation.cores']);
  });
});
