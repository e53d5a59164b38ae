import {expect} from 'chai';
import {readJobFilter} from '../../../src/report/job-filter.js';
import {endedState, type JobRow} from '../../../src/report/jobs.js';

const row = (change: Partial<JobRow>): JobRow => ({
  ...{id: null, recordId: null, name: null, user: null, pattern: null, cores: null, memoryBytes: null, memoryPeakBytes: null},
  ...{memoryLimitBytes: null, processes: null, cpuUs: null, wallUs: null, startEpochUs: null, endEpochUs: null},
  ...{state: 'running', hostname: null, addresses: [], applications: []},
  ...change,
});
const jobs = [
  row({id: 'aa', name: 'simulate', user: 'alice', pattern: 'ulimit++'}),
  row({id: 'ab', name: 'sim2', user: 'bob', state: 'paused', pattern: 'vm-lite'}),
  row({id: 'bb', recordId: 'cc-1', name: 'merge', user: 'alice', state: 'failed (7)', endEpochUs: 5}),
  row({recordId: 'dd-2', state: 'limit (memory)', endEpochUs: 6}),
  row({recordId: 'ee-3', state: 'refused'}),
];
const shown = (...written: string[]): string[] => {
  const filter = readJobFilter(written);
  if (typeof filter === 'string') throw new Error(filter);
  return jobs.filter(filter).map(({id, recordId}) => id ?? recordId ?? '');
};

describe('the filter of tare ps', () => {
  const cases: [string[], string[]][] = [
    [[], ['aa', 'ab', 'bb', 'dd-2', 'ee-3']],
    [['name=sim'], ['aa', 'ab']],
    [['name=sim', 'user=alice'], ['aa']],
    [
      ['user=alice', 'user=bob'],
      ['aa', 'ab', 'bb'],
    ],
    [['status=failed'], ['bb']],
    [
      ['status=limit', 'status=paused'],
      ['ab', 'dd-2'],
    ],
    [['status=failed', 'user=bob'], []],
    [['status=exited'], ['bb', 'dd-2', 'ee-3']],
    [['id=a'], ['aa', 'ab']],
    [['id=cc'], ['bb']],
    [['id='], []],
    [['pattern=vm-lite'], ['ab']],
    [['name=a=b'], []],
  ];
  for (const [written, ids] of cases)
    it(written.join(' ') || 'none', () => {
      expect(shown(...written)).to.deep.equal(ids);
    });

  it('a word that no job can have as status or pattern is refused, with those that it can have', () => {
    for (const wrong of ['foo', 'fail', '', 'failed (7)', 'Running'])
      expect(readJobFilter([`status=${wrong}`])).to.match(
        /^".*" is no status of a job; allowed: starting, running, paused, ending, completed, failed, .*, exited$/,
      );
    expect(readJobFilter(['name=x', 'pattern=box'])).to.equal('"box" is no pattern of a job; allowed: ulimit++, quotas++, vm-lite');
  });

  it('what is no filter is refused, with what is one', () => {
    for (const wrong of ['name', '', '=x', 'color=red', '__proto__=x', 'toString=1'])
      expect(readJobFilter([wrong])).to.match(/^".*" is no filter; allowed: id=…, name=…, pattern=…, status=…, user=…$/);
  });
});

describe('the state of an ended job', () => {
  it('says how it ended', () => {
    const none = {exitCode: null, signal: null, limit: null};
    expect(endedState({...none, status: 'completed', exitCode: 0})).to.equal('completed');
    expect(endedState({...none, status: 'failed', exitCode: 7})).to.equal('failed (7)');
    expect(endedState({...none, status: 'signalled', signal: 'SIGSEGV'})).to.equal('signalled (SIGSEGV)');
    expect(endedState({...none, status: 'limit', limit: 'memory', signal: 'SIGKILL'})).to.equal('limit (memory)');
    expect(endedState({...none, status: 'lost'})).to.equal('lost');
    expect(endedState({...none, status: 'failed'})).to.equal('failed');
  });
});
