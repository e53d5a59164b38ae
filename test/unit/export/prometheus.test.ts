import {expect} from 'chai';
import type {ExportRecord, ExportRun, NodeHealth} from '@tare/contract';
import {FLAGS, LIMITS} from '../../../plugins/prometheus/labels.js';
import {addTo, AT_FIRST, increments, render, renderNode, type Totals} from '../../../plugins/prometheus/metrics.js';
import {readFileSync} from 'node:fs';
import {ERRORS} from '../../../src/errors.js';
import {LIMIT_NAMES} from '../../../src/job/job.js';
import {problemsOfProm, sampleOf} from '../../support/prom.js';
import {changed, pilot, view} from '../../support/records.js';

const CODES = Object.keys(ERRORS);
const counted = (...records: ExportRecord[]): string => {
  const totals: Totals = {...AT_FIRST};
  for (const record of records) addTo(totals, increments(record, CODES));
  return render(totals);
};
const HEALTH: NodeHealth = {
  at: 1_795_518_500_123_456,
  healthy: false,
  faults: ['spool', 'made-up'],
  closedSince: 1_795_518_000e6,
  boxed: false,
  failures: 4,
  failuresByAccount: [
    {uid: 1, count: 3},
    {uid: 2, count: 1},
  ],
  checks: [
    {name: 'spool', state: 'missing'},
    {name: 'policy', state: 'ok'},
    {name: 'clock', state: 'ok'},
  ],
  degraded: {unboxed: 7, 'made-up-by-a-job': 2, another: 3},
};
const RUN: ExportRun = {open: 3, unreadable: 1, waiting: 2, health: HEALTH};

describe('what Prometheus is told of records', () => {
  const of = (text: string, series: string): number | null => sampleOf(text, series);

  it('mode, flags, the code of the error, and accounts without a name', () => {
    const refused = changed(pilot(1), {
      mode: null,
      user: {local: null},
      outcome: {status: 'wrapper-failure', code: 'BOX_UNAVAILABLE', exitCode: 125},
      flags: ['unboxed', 'partial'],
    });
    const text = counted(view(refused), view(pilot(2)));
    expect(of(text, 'tare_jobs_by_mode_total{mode="none"}')).to.equal(1);
    expect(of(text, 'tare_job_flags_total{flag="unboxed"}')).to.equal(1);
    expect(of(text, 'tare_job_failures_total{code="BOX_UNAVAILABLE"}')).to.equal(1);
    expect(of(text, 'tare_jobs_user_unknown_total')).to.equal(1);
    expect(problemsOfProm(text)).to.deep.equal([]);
  });

  it('what would have been, by limit and by code', () => {
    const limit = (exceededBy: number | null) => ({
      limit: 1,
      unit: 'bytes',
      enforcement: 'kernel',
      peak: 2,
      exceededBy,
      sinceUs: null,
      source: null,
    });
    const observed = {
      limits: {memory: limit(164), wallTime: limit(0), openFiles: limit(null)},
      refused: {code: 'POLICY_REFUSED', reason: 'x'},
      boxed: null,
    };
    const text = counted(view(changed(pilot(1), {mode: 'observe', observed})));
    expect(of(text, 'tare_would_exceed_total{limit="memory"}')).to.equal(1);
    expect(of(text, 'tare_would_exceed_total{limit="wallTime"}')).to.equal(null);
    expect(of(text, 'tare_would_exceed_unknown_total{limit="openFiles"}')).to.equal(1);
    expect(of(text, 'tare_would_refuse_total{code="POLICY_REFUSED"}')).to.equal(1);
    expect(problemsOfProm(text)).to.deep.equal([]);
  });

  it('no job makes a series: what a record says beside the lists is one “other”', () => {
    const forged = (index: number): ExportRecord => ({
      ...view(pilot(index)),
      mode: `mode${String(index)}"} 1\nx{a="`,
      flags: [`flag-${String(index)}`, `another-${String(index)}`, 'x"}'],
      outcome: {
        status: `s${String(index)}`,
        exitCode: 1,
        signal: null,
        limit: `l${String(index)}`,
        limitScope: null,
        code: `MADE_UP_${String(index)}`,
      },
      observed: {exceeded: [`e${String(index)}`, 'another'], unknown: [`u${String(index)}`], refused: `R_${String(index)}`},
      enforcement: {[`n${String(index)}`]: `by${String(index)}`},
    });
    const series = (text: string): number => text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
    const one = counted(forged(1));
    const many = counted(...Array.from({length: 200}, (_, index) => forged(index + 1)));
    expect(problemsOfProm(many)).to.deep.equal([]);
    expect(series(many)).to.equal(series(one));
    expect(of(many, 'tare_job_flags_total{flag="other"}')).to.equal(200);
    expect(of(many, 'tare_job_failures_total{code="other"}')).to.equal(200);
    expect(of(many, 'tare_would_exceed_total{limit="other"}')).to.equal(200);
  });

  it('every flag of docs/reference/figures.md and every limit by name', () => {
    const page = readFileSync(new URL('../../../docs/reference/figures.md', import.meta.url), 'utf8');
    const table = page.slice(page.indexOf('\n## Flags'));
    const names = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)]);
    expect([...FLAGS]).to.deep.equal(names.map(([, flag]) => flag).sort());
    expect(LIMITS).to.include.members([...LIMIT_NAMES]);
  });

  it('what an alert asks for is there from the start, as 0', () => {
    for (const series of [
      'tare_job_flags_total{flag="unboxed"}',
      'tare_jobs_total{outcome="wrapper-failure"}',
      'tare_jobs_user_unknown_total',
    ])
      expect(of(render(AT_FIRST), series), series).to.equal(0);
  });
});

describe('what Prometheus is told of the node', () => {
  const text = renderNode(RUN, 1_795_518_600e6);

  it('health, records that wait, and what is less than asked', () => {
    const rows: [series: string, value: number][] = [
      ['tare_export_time_seconds', 1_795_518_600],
      ['tare_node_healthy', 0],
      ['tare_node_health_time_seconds', 1_795_518_500.123],
      ['tare_node_closed_since_seconds', 1_795_518_000],
      ['tare_node_fault{fault="spool"}', 1],
      ['tare_node_fault{fault="box"}', 0],
      ['tare_node_fault{fault="other"}', 1],
      ['tare_node_boxed', 0],
      ['tare_node_failures', 4],
      ['tare_node_failed_accounts', 2],
      ['tare_node_degraded_jobs{code="unboxed"}', 7],
      ['tare_node_degraded_jobs{code="record-unspooled"}', 0],
      ['tare_node_degraded_jobs{code="other"}', 5],
      ['tare_node_checks{state="ok"}', 2],
      ['tare_node_checks{state="missing"}', 1],
      ['tare_records{state="open"}', 3],
      ['tare_records{state="waiting"}', 2],
      ['tare_records{state="unreadable"}', 1],
    ];
    for (const [series, value] of rows) expect(sampleOf(text, series), series).to.equal(value);
    expect(problemsOfProm(text)).to.deep.equal([]);
  });

  it('unknown is absent, never 0', () => {
    const unknown = renderNode({open: 0, unreadable: 0, waiting: null, health: null}, 1e6);
    expect(unknown).not.to.contain('tare_node_').and.not.to.contain('waiting');
    expect(sampleOf(unknown, 'tare_export_time_seconds')).to.equal(1);
    const partly = renderNode({...RUN, health: {...HEALTH, healthy: true, closedSince: null, boxed: null, failures: null}}, 1e6);
    for (const name of ['boxed', 'failures', 'failed_accounts', 'closed_since_seconds'])
      expect(sampleOf(partly, `tare_node_${name}`), name).to.equal(null);
    expect(sampleOf(partly, 'tare_node_healthy')).to.equal(1);
    expect([...problemsOfProm(unknown), ...problemsOfProm(partly)]).to.deep.equal([]);
  });
});
