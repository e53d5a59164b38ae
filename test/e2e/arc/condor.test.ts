/** ENV/TARE on a real CE of ARC that submits to HTCondor, whose figures ARC takes for its own unless the callout has the last word. */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {ArcJob, Description} from '../../support/ce.js';
import {LONG, need} from '../../support/need.js';
import {bin, payload} from '../../support/tare.js';
import {ARGUMENTS_ECHOED, ARGUMENTS_JOB, ceFor, figuresOf, keepsFiguresWhenKilled, memoryJob, saysOverMemory, WRAPPER} from './ces.js';

/** As a doctor in a job found it. */
let hasGroups = false;

describe('ARC over HTCondor', () => {
  // HTCondor here looks every 3 s, and removes what is over 300 MiB with its wrapper: a payload over its limit is to stay below that
  const ce = ceFor({callout: true, condor: {}, policy: {reserve: {memory: '150MiB'}}});
  const jobs: Record<string, ArcJob> = {};
  const job = (name: string): ArcJob => jobs[name] ?? expect.fail(`no job ${name}`);

  before(async function () {
    this.timeout(120_000);
    jobs['arguments'] = await ce().submit(ARGUMENTS_JOB);
    jobs['burn'] = await ce().submit({
      script: `#!/bin/sh\necho ready; ${payload('burn')} 2 --processes 2; ${payload('touch-memory')} 100\n`,
      xrsl: '(count=2)(memory=300)',
    });
    jobs['memory'] = await ce().submit(memoryJob(190));
    jobs['doctor'] = await ce().submit({script: `#!/bin/sh\n${bin('tare')} doctor\nexit 0\n`, xrsl: '(memory=300)'});
    jobs['killed'] = await ce().submit({script: `#!/bin/sh\necho ready; ${payload('burn')} 2; sleep 987654\n`, xrsl: '(memory=300)'});
  });

  it('runs a job in a box, with its arguments', async () => {
    const echo = job('arguments');
    const used = await echo.finished();
    expect(used.ExitCode).to.equal(0);
    expect(echo.session('out.txt')).to.equal(ARGUMENTS_ECHOED);
    const {record} = echo;
    expect([record.mode, record.lrms.type]).to.deep.equal(['box', 'arc']);
    expect(record.lrms.localJobId).to.match(/^\d+\.0$/);
    expect(record.parent).to.equal(null);
  });

  it('has the figures of the record, and not HTCondor’s', async () => {
    const burn = job('burn');
    const {ExitCode, CPUCount, ...measured} = await burn.finished();
    expect([ExitCode, CPUCount]).to.deep.equal([0, 2]);
    expect(measured).to.deep.equal(figuresOf(burn.record));
    expect(measured.UsedCPUUserTime).to.be.within(4, 5);
    expect(burn.record.allocation.cores).to.equal(2);
  });

  it('has a doctor and records which say that HTCondor counts shared memory for each process', async function () {
    const doctor = job('doctor');
    await doctor.finished();
    const said = doctor.session('out.txt').replaceAll(/\s+/g, ' ');
    expect(said).to.match(/ job \d+\.0 of HTCondor/);
    hasGroups = !said.includes('in no control group of its own');
    need(this, !hasGroups, 'HTCondor has control groups here');
    expect(said).to.include('it is judged by PeriodicRemove (ResidentSetSize)').and.include('it may remove this job while it is healthy');
    expect(doctor.record.flags).to.include('memory-misjudged');
  });

  it('says that a job was over its memory', () => saysOverMemory(job('memory')));

  it('has the last figures of a job that arckill killed', () => keepsFiguresWhenKilled(job('killed'), ce()));
});

describe('ARC over HTCondor, and Tare is the wrapper of both', () => {
  const ce = ceFor({callout: true, condor: {wrapper: WRAPPER}});

  it('leaves one record of the attempt, and its own figures of the payload in ARC’s accounting', async () => {
    const job = await ce().submit({
      script: `#!/bin/sh\necho ready; cat /dev/tare/box.json; ${payload('burn')} 2; ${payload('touch-memory')} 100\n`,
      xrsl: '(memory=300)',
    });
    const used = await job.finished();
    expect(used.ExitCode, job.session('err.txt') + job.control('errors').slice(-1500)).to.equal(0);
    // what stays is the outer one's, which weighed the job's script and the inner wrapper too
    const [outer, ...others] = ce().records();
    expect(others).to.deep.equal([]);
    if (outer === undefined) throw new Error('no record');
    expect([outer.lrms.type, outer.mode, outer.parent]).to.deep.equal(['htcondor', 'box', null]);
    expect(job.session('out.txt')).to.include(outer.recordId);
    // the inner one's are of another record, which the outer one names, and of the payload alone
    const inner = /^tare_record=(.*)$/m.exec(job.control('diag'))?.[1];
    expect(inner).to.be.a('string').and.not.equal(outer.recordId);
    expect(outer.children?.list.map(({recordId, state, outcome}) => [recordId, state, outcome.status])).to.deep.equal([
      [inner, 'final', 'completed'],
    ]);
    const [part] = outer.children?.list ?? [];
    expect(Math.round((part?.usage.cpuUserUs ?? 0) / 1e6)).to.equal(used.UsedCPUUserTime);
    expect(part?.limits.memory).to.be.within(200 * 2 ** 20, 300 * 2 ** 20);
    expect(used.UsedCPUUserTime).to.equal(2);
    // the kernel counts some of a burn as its own
    expect((outer.usage.cpuUserUs ?? 0) + (outer.usage.cpuSystemUs ?? 0)).to.be.above(2_000_000);
    // ARC's are whole seconds, rounded
    expect((used.UsedWalltime - 1) * 1_000_000).to.be.below(outer.time.wallUs ?? 0);
    expect(used.UsedMemory).to.be.within(100 * 1024, 130 * 1024);
  });
});

// half a minute each
if (LONG)
  describe('ARC over HTCondor without control groups: a job that asks for 100 MB and uses 20, in two wrappers', () => {
    // for longer than HTCondor takes to see its memory and to compare it
    const SMALL_JOB: Description = {script: `#!/bin/sh\n${payload('touch-memory')} 20 --hold 30\n`, xrsl: '(memory=100)'};
    const page = readFileSync(join(import.meta.dirname, '../../../docs/howto/arc.md'), 'utf8');
    const [, ALLOWANCE = ''] = /```ini\n([^`]*JOB_TRANSFORM_TareArc[^`]*)```/.exec(page) ?? [];
    const ends = {
      'is removed by ARC’s PeriodicRemove': {config: [], failed: /job killed: vmem/},
      'ends well with what docs/howto/arc.md says': {config: ALLOWANCE.split('\n'), failed: /^$/},
    };
    for (const [how, {config, failed}] of Object.entries(ends))
      describe(how, () => {
        const ce = ceFor({callout: true, condor: {wrapper: WRAPPER, config}});

        it('and its record has the flag', async function () {
          need(this, !hasGroups, 'HTCondor has control groups here');
          const job = await ce().submit(SMALL_JOB);
          await job.finished();
          expect(job.control('failed')).to.match(failed);
          expect(
            ce()
              .records()
              .map(({flags}) => flags.includes('memory-misjudged')),
          ).to.deep.equal([true]);
        });
      });
  });
