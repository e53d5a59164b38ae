/** Records of version 1 in fixtures/records-1, with what every exporter made of them when that version was written (exports.json). */

import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventsIn} from '../../../src/box/state-read.js';
import {readOne, readRecords} from '../../../src/export/export.js';
import {verifyRecord} from '../../../src/export/verify.js';
import {viewOf} from '../../../src/export/view.js';
import {parseDocument} from '../../../src/job/document.js';
import {migrateBox} from '../../../src/migrate/box.js';
import {migrateRecord} from '../../../src/migrate/record.js';
import {canonicalJson} from '../../../src/plan/canonical.js';
import {find} from '../../../src/record/journal.js';
import {afterPhases, closedBetweenPhases, isBetweenPhases} from '../../../src/record/phases.js';
import type {UsageRecord} from '../../../src/record/record.js';
import validate from '../../../src/schema/generated/record-2.validator.js';
import {allExporters} from '../export/exporters.js';
import {pilot, put} from '../../support/records.js';

const NAMES = ['measured', 'several', 'checkpoint', 'started'] as const;
const fixture = (name: string): string => readFileSync(new URL(`../../../fixtures/records-1/${name}.json`, import.meta.url), 'utf8');
const given = (name: string): Record<string, unknown> => JSON.parse(fixture(name)) as Record<string, unknown>;
const migrated = (name: string): UsageRecord => migrateRecord(given(name)) as UsageRecord;

/** Every key of a value, however deep. */
const keysOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null
    ? [...(Array.isArray(value) ? [] : Object.keys(value)), ...Object.values(value).flatMap(keysOf)]
    : [];
/** Every number, text and flag in it, however deep. */
const leavesOf = (value: unknown): unknown[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : [value];

const OLD = ['net', 'within', 'parts', 'whose', 'front', 'brain'];

describe('migrate: a record of version 1', () => {
  for (const name of NAMES)
    it(`${name} is one of version 2, with the same figures and no old name`, () => {
      const record = migrated(name);
      expect(validate(structuredClone(record)), JSON.stringify(validate.errors)).to.equal(true);
      expect([record.schema, record.choices]).to.deep.equal(['tare/record/v2', null]);
      expect(keysOf(record).filter((key) => OLD.includes(key))).to.deep.equal([]);
      const [before, after] = [leavesOf(given(name)), leavesOf(record)];
      expect(after.filter((one) => typeof one === 'number')).to.deep.equal(before.filter((one) => typeof one === 'number'));
      expect(after).to.have.length(before.length + 1);
      expect(migrateRecord(record), 'once more').to.equal(record);
    });

  it('has each of its parts under its name', () => {
    const [before, {parent, children, outcome, applications, tare}] = [given('several'), migrated('several')];
    expect(parent).to.deep.equal(before['within']);
    expect([children?.trust, children?.others, children?.list.length]).to.deep.equal(['self-reported', 2, 2]);
    expect(children?.list[0]?.usage.cpuUserUs).to.equal(25_000_123_456);
    expect([outcome.limitScope, ...applications.map((one) => one.outcome.limitScope)]).to.deep.equal(['slot', 'application', null]);
    expect(applications[0]?.usage.memPeakBytes).to.equal(7);
    expect(tare.processes.map(({name}) => name)).to.deep.equal(['shim', 'supervisor', 'engine', 'init']);
    expect(migrated('started').wrapper).to.deep.include({shim: {pid: 4711, startTicks: 9000}, supervisor: {pid: 4713, startTicks: 9002}});
    expect((migrateRecord({...before, flags: ['brain-lost', 'killed', 'clock-step']}) as UsageRecord).flags).to.deep.equal([
      ...['clock-step', 'killed', 'supervisor-lost'],
    ]);
    expect(migrated('checkpoint').wrapper?.caller).to.deep.equal({pid: 4711, startTicks: 9000});
  });

  it('between two phases goes on, or is closed', () => {
    const earlier = migrated('checkpoint');
    expect(isBetweenPhases(earlier)).to.equal(true);
    for (const record of [afterPhases(earlier, pilot(78)), closedBetweenPhases(earlier)])
      expect(validate(structuredClone(record)), JSON.stringify(validate.errors)).to.equal(true);
    expect(afterPhases(earlier, pilot(78)).usage.cpuUserUs).to.equal(2 * 25_000_123_456);
  });

  it('is left as it is where nothing of it is what it should be; so is another version', () => {
    for (const value of [null, 1, 'x', [], {}, {schema: 'tare/record/v2'}, {schema: 'tare/record/v3', net: {}}])
      expect(migrateRecord(value)).to.equal(value);
    const broken = {net: 1, within: 'x', parts: [{net: 1}], wrapper: [], outcome: null, applications: {net: 1}, tare: {processes: 'x'}};
    expect(migrateRecord({schema: 'tare/record/v1', ...broken})).to.deep.equal({
      schema: 'tare/record/v2',
      choices: null,
      ...{usage: 1, parent: 'x', children: [{net: 1}], wrapper: [], outcome: null, applications: {net: 1}, tare: {processes: 'x'}},
    });
    expect(() => viewOf({...given('measured'), schema: 'tare/record/v3'})).to.throw(
      /#\/schema: found "tare\/record\/v3"; allowed tare\/record\/v2/,
    );
  });

  it('is accepted by each check of a document or a record', async () => {
    for (const name of NAMES) {
      expect(verifyRecord(fixture(name), migrated(name).recordId, validate), name).to.deep.equal([]);
      expect(await parseDocument({text: fixture(name), file: 'f', kind: 'record', migrate: migrateRecord})).to.deep.equal(migrated(name));
    }
    expect(verifyRecord(fixture('measured').replace('{', '{ '), migrated('measured').recordId, validate)[0]).to.match(/not canonical/);
  });
});

describe('migrate: a spool with records of both versions', () => {
  let spool: string;
  beforeEach(() => {
    spool = mkdtempSync(join(tmpdir(), 'tare-spool-'));
    for (const name of NAMES) writeFileSync(join(spool, `${migrated(name).recordId}.json`), fixture(name));
    put(spool, pilot(1));
  });
  afterEach(() => {
    rmSync(spool, {recursive: true, force: true});
  });

  it('is read as of one', () => {
    const bad: string[] = [];
    const read = [...readRecords([spool], {bad: (_path, reason) => bad.push(reason)})];
    expect(bad).to.deep.equal([]);
    expect(read.map(({record}) => record.recordId).sort()).to.deep.equal(
      [...NAMES.map((name) => migrated(name).recordId), pilot(1).recordId].sort(),
    );
    for (const name of NAMES) {
      const {recordId} = migrated(name);
      expect(read.find(({record}) => record.recordId === recordId)?.text, name).to.equal(canonicalJson(migrated(name)));
      expect(find([spool], recordId)?.record, name).to.deep.equal(migrated(name));
    }
  });

  it('goes to every exporter as the same bytes as before', async () => {
    const exporters = await allExporters('/nowhere');
    const expected = JSON.parse(fixture('exports')) as Record<string, Record<string, object>>;
    for (const name of NAMES) {
      const read = readOne(join(spool, `${migrated(name).recordId}.json`), null)!;
      // what is in a file of root’s here is a user’s where another account runs the tests
      const source = {record: {...read.record, trust: String(given(name)['trust'])}, text: read.text};
      for (const [format, before] of Object.entries(expected[name] ?? {})) {
        const exporter = exporters[format]!;
        const passed = exporter.select(source.record);
        const made = passed === null ? exporter.convert(source) : {passed};
        expect('text' in made ? {text: exporter.join([made.text]), changed: made.changed} : made, `${name}, ${format}`).to.deep.equal(
          before,
        );
      }
      expect(exporters['record.jsonl']!.convert(source)).to.deep.equal({text: canonicalJson(migrated(name)), changed: []});
    }
  });
});

describe('migrate: the records in a box that another version began', () => {
  const {applications, parts} = given('several');
  const {wrapper} = given('started');
  const box = {
    ...{schema: 'tare/box/v1', seq: 0, id: 'ab12', started: given('started'), noted: applications, parts},
    phases: {caller: {pid: 5, startTicks: 6}, earlier: given('checkpoint')},
  };

  it('are of this one, and all else is as it was', () => {
    const several = migrated('several');
    expect(migrateBox(box)).to.deep.equal({
      ...box,
      ...{started: migrated('started'), noted: several.applications, parts: several.children},
      phases: {...box.phases, earlier: migrated('checkpoint')},
    });
    expect(migrateBox({...box, parts: null, phases: null, started: null})).to.deep.include({parts: null, phases: null, started: null});
  });

  it('so are those in its events', () => {
    const lines = [
      {type: 'adopted', wrapper},
      {type: 'applications', applications: [], noted: applications},
      {type: 'heard', parts},
    ].map((event, index) => JSON.stringify({seq: index + 1, us: 1, ...event}));
    expect(eventsIn(lines.join('\n'))).to.deep.equal([
      {seq: 1, us: 1, type: 'adopted', wrapper: migrated('started').wrapper},
      {seq: 2, us: 1, type: 'applications', applications: [], noted: migrated('several').applications},
      {seq: 3, us: 1, type: 'heard', parts: migrated('several').children},
    ]);
  });
});
