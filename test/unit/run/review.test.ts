/** Defects that were found by a review: each of these failed before it was mended. */

import {expect} from 'chai';
import {mkdirSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {finalRecord, hostOf, NO_TARE, NO_TIME, NO_USAGE, startedRecord} from '../../../src/record/record.js';
import {RUNNING} from '../../../src/record/outcome.js';
import {recordId} from '../../../src/record/uuid.js';
import {formatSummary} from '../../../src/report/summary.js';
import {Sampler} from '../../../src/supervise/sampler.js';
import {checkSavedPlan} from '../../../src/prepare/saved-plan.js';
import {ENGINES} from '../../../src/plugins.js';
import {makeScratch} from '../../../src/box/state.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {facts, plan, policy, thrown, USER, grid} from '../plan/build.js';
import {fakeFiles, fakeProc} from '../process/proc.js';

describe('defects of runs', () => {
  it('the sampler counts a process once, though one look missed it (src/supervise/sampler.ts, sample)', () => {
    // its parent ended between two reads of the tree: it hung below neither its parent nor init then
    const looks = [
      fakeProc([
        {pid: 10, children: [11]},
        {pid: 11, children: [12]},
        {pid: 12, ticks: 500},
      ]),
      fakeProc([{pid: 10}, {pid: 12, ticks: 510}]),
      fakeProc([
        {pid: 10, children: [12]},
        {pid: 12, ticks: 520},
      ]),
    ];
    const sampler = new Sampler(10, false);
    for (const files of looks) {
      const restore = fakeFiles(files, '/proc');
      sampler.sample();
      restore();
    }
    expect(sampler.report().cpuUs).to.equal(520 * 10_000);
  });

  it('a saved plan whose engine was taken away is not run unboxed and recorded as a box (src/prepare/saved-plan.ts)', () => {
    const saved: Plan = {...plan(), engine: {name: 'none', path: null, version: null, because: ''}};
    expect(
      thrown(() => checkSavedPlan(saved, 'plan.json', {facts: facts(), policy: policy(), engines: ENGINES, only: null})).code,
    ).to.equal('PLAN_MISMATCH');
  });

  it('a saved plan has its cgroup.write steps in groups that it makes (src/prepare/saved-plan.ts)', () => {
    const made = plan({job: {limits: {memory: '1GiB'}}});
    const steps = made.steps.map((step) =>
      step.op === 'cgroup.write' ? {...step, directory: '/sys/fs/cgroup/other/tare-{id}/payload'} : step,
    );
    expect(
      thrown(() => checkSavedPlan({...made, steps}, 'plan.json', {facts: facts(), policy: policy(), engines: ENGINES, only: null})).code,
    ).to.equal('PLAN_MISMATCH');
  });

  it('a scratch directory with a dollar in its name is taken letter by letter (src/box/state.ts, makeScratch, and teardown)', () => {
    const base = mkdtempSync(join(tmpdir(), 'tare-$$-'));
    try {
      const made = plan();
      const saved: Plan = {...made, directories: {...made.directories, state: join(base, 'state'), scratch: join(base, 'scratch')}};
      mkdirSync(saved.directories.scratch);
      makeScratch(saved, 'ab12', 'a record');
      expect(readdirSync(join(base, 'scratch', 'tare-ab12')).sort()).to.deep.equal(['features', 'tmp', 'var-tmp']);
    } finally {
      rmSync(base, {recursive: true, force: true});
    }
  });

  it('a job’s name does not reach the terminal with control characters (src/report/summary.ts, formatSummary)', () => {
    const started = startedRecord(
      {
        lrms: {type: 'none', host: 'wn001', queue: null, localJobId: null, globalJobId: 'x', attempt: 1},
        identity: USER,
        grid: grid(null),
        parent: null,
        name: '\u001b]0;x\u0007job',
        host: hostOf(facts(), '0'),
        trust: 'user',
        site: {name: null, infrastructure: null, description: null},
      },
      plan(),
    );
    const text = formatSummary(
      finalRecord(started, {time: NO_TIME, usage: NO_USAGE, tare: NO_TARE, watch: null, outcome: RUNNING, flags: []}),
      null,
    );
    expect(text).to.not.match(/[\u001b\u0007]/);
  });

  it('two attempts have two ids, whatever characters their names have (src/record/uuid.ts, recordId)', () => {
    const ids = [
      recordId({site: 'a|b', globalJobId: 'c', attempt: 1, application: 0}),
      recordId({site: 'a', globalJobId: 'b|c', attempt: 1, application: 0}),
    ];
    expect(ids[0]).to.not.equal(ids[1]);
  });
});
