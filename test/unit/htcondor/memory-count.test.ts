import {expect} from 'chai';
import {adapter, examine} from '../../../plugins/htcondor/adapter.js';
import {parseAd} from '../../../plugins/htcondor/classad.js';
import {comparedBy, groupOf} from '../../../plugins/htcondor/memory-count.js';

/** As ARC 7.0.0 writes it. */
const ARC = '(JobStatus == 1 && NumJobStarts > 0) || ((ResidentSetSize =!= undefined ? ResidentSetSize : 0) > JobMemoryLimit)';
const V1 = '4:memory:/htcondor/condor_var_lib_condor_execute_slot1_1@wn1\n1:cpu,cpuacct:/\n0::/\n';
const V2 = '0::/system.slice/condor.service/htcondor/condor_var_lib_condor_execute_slot1_1@wn1/tare-7\n';

describe('how HTCondor knows a job’s memory', () => {
  it('in a control group of the job’s own, whichever version', () => {
    expect(groupOf(V1)).to.equal('/htcondor/condor_var_lib_condor_execute_slot1_1@wn1');
    expect(groupOf(V2)).to.match(/tare-7$/);
    expect(groupOf('0::/htcondor/condor_slot1_1.slice/condor_slot1_1.scope\n')).not.to.equal(null);
  });

  it('not in the group of its daemons, nor in one of another controller', () => {
    for (const groups of ['', '0::/system.slice/condor.service\n', '4:memory:/\n1:cpu:/htcondor/condor_slot1@wn1\n'])
      expect(groupOf(groups), groups).to.equal(null);
  });

  it('what compares it: expressions of the job that end it', () => {
    expect(comparedBy(parseAd(`PeriodicRemove = ${ARC}\nPeriodicHold = false\n`))).to.deep.equal(['PeriodicRemove (ResidentSetSize)']);
    expect(comparedBy(parseAd('PeriodicHold = memoryusage > 1.5 * RequestMemory\n'))).to.deep.equal(['PeriodicHold (memoryusage)']);
    expect(comparedBy(parseAd('PeriodicRemove = ProportionalSetSizeKb > 5\nOnExitHold = ImageSize > 5\n'))).to.deep.equal([]);
  });

  const asked = (groups: string, ad: string) =>
    [
      {environment: {_CONDOR_JOB_AD: '/ad'}},
      {readText: (path: string) => ({'/ad': ad, '/proc/self/cgroup': groups})[path] ?? null},
    ] as const;
  const JOB = `ClusterId = 12\nProcId = 0\nPeriodicRemove = ${ARC}\n`;

  it('is a flag of the record where the job may be removed for what its processes share', () => {
    expect(adapter.flags?.(...asked('0::/\n', JOB))).to.deep.equal(['memory-misjudged']);
    expect(adapter.flags?.(...asked(V2, JOB))).to.deep.equal([]);
    expect(adapter.flags?.(...asked('0::/\n', 'PeriodicRemove = false\n'))).to.deep.equal([]);
  });

  it('is what doctor says of the job', () => {
    expect(examine(...asked(V1, JOB))).to.deep.equal({
      found: 'job 12.0 of HTCondor in /htcondor/condor_var_lib_condor_execute_slot1_1@wn1',
      remedy: null,
    });
    const {found, costs, remedy} = examine(...asked('0::/\n', JOB));
    expect(found).to.equal('job 12.0 of HTCondor, in no control group of its own; it is judged by PeriodicRemove (ResidentSetSize)');
    expect(costs).to.match(/counts what they share for each.*may remove this job/);
    expect(remedy).to.include('docs/howto/htcondor.md');
  });
});
