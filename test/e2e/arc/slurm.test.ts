/** ENV/TARE on a real CE of ARC that submits to a real Slurm, of which ARC takes the wall time unless the callout has the last word. */

import {expect} from 'chai';
import type {ArcJob} from '../../support/ce.js';
import {need} from '../../support/need.js';
import {isRoot, payload, processes, program, until} from '../../support/tare.js';
import {
  ARGUMENTS_ECHOED,
  ARGUMENTS_JOB,
  ceFor,
  figuresOf,
  hitsOf,
  keepsFiguresWhenKilled,
  MAIN_JOB,
  MEMORY_JOB,
  saysOverMemory,
} from './ces.js';

describe('ARC over Slurm', () => {
  before(function () {
    need(
      this,
      isRoot && program('slurmctld') !== null && program('slurmd') !== null && program('munged') !== null,
      'Slurm is not installed',
    );
  });
  const ce = ceFor({callout: true, slurm: true});
  const jobs: Record<string, ArcJob> = {};
  const job = (name: string): ArcJob => jobs[name] ?? expect.fail(`no job ${name}`);

  before(async function () {
    this.timeout(120_000);
    jobs['arguments'] = await ce().submit(ARGUMENTS_JOB);
    jobs['memory'] = await ce().submit(MEMORY_JOB);
    jobs['main'] = await ce().submit(MAIN_JOB);
    jobs['wall'] = await ce().submit({
      script: `#!/bin/sh\necho ready; exec ${payload('trap-term')} TERM\n`,
      xrsl: '(memory=300)(wallTime="5 seconds")(outputFiles=("TERM" ""))',
    });
    jobs['killed'] = await ce().submit({script: `#!/bin/sh\necho ready; ${payload('burn')} 2; sleep 987653\n`, xrsl: '(memory=300)'});
  });

  it('runs a job in a box, with its arguments', async () => {
    const echo = job('arguments');
    const used = await echo.finished();
    expect(used.ExitCode, echo.control('errors').slice(-2000)).to.equal(0);
    expect(echo.session('out.txt')).to.equal(ARGUMENTS_ECHOED);
    const {record} = echo;
    expect([record.mode, record.lrms.type, record.parent]).to.deep.equal(['box', 'arc', null]);
    expect(record.lrms.localJobId).to.match(/^\d+$/);
  });

  it('says that a job was over its memory', () => saysOverMemory(job('memory')));

  it('runs the main job to the same result, with the figures of the record, and not Slurm’s', async () => {
    const main = job('main');
    const {ExitCode, CPUCount, ...measured} = await main.finished();
    expect([ExitCode, CPUCount]).to.deep.equal([0, 2]);
    const {found, known} = await hitsOf(main);
    expect(found).to.equal(known);
    expect(main.record.allocation).to.include({cores: 2, memoryLimitBytes: (2 * 512 - 64) * 2 ** 20});
    expect(measured).to.deep.equal(figuresOf(main.record));
  });

  it('ends a job that is over its wall time so that it can save what it has', async () => {
    const wall = job('wall');
    const {ExitCode, CPUCount, ...measured} = await wall.finished();
    expect([ExitCode, CPUCount]).to.deep.equal([0, 1]);
    expect(wall.session('TERM')).to.equal('TERM\ndone\n');
    expect(wall.record.outcome).to.include({status: 'limit', limit: 'wallTime'});
    expect(measured).to.deep.equal(figuresOf(wall.record));
  });

  it('has the last figures of a job that arckill killed', async () => {
    const sleeper = () => processes().filter(({argv}) => argv.includes('987653'));
    await keepsFiguresWhenKilled(job('killed'), ce(), () => until('the payload’s second half', () => sleeper().length > 0, 20));
    expect(sleeper()).to.deep.equal([]);
  });
});
