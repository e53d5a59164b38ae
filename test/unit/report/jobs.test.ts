import {expect} from 'chai';
import {efficiencyOf, renderJobs, renderNode, roughBytes, roughDuration, type JobRow} from '../../../src/report/jobs.js';
import {formatProgress} from '../../../src/report/progress.js';

const S = 1e6;
const job: JobRow = {
  id: '5c1f0a2b4d6e8f90',
  recordId: 'e897587d-6c70-5872-911e-9560ebefc155',
  name: 'simulate',
  user: 'atlas001',
  hostname: null,
  addresses: [],
  pattern: 'ulimit++',
  cores: 2,
  memoryBytes: 500 * 2 ** 20,
  memoryPeakBytes: 1.5 * 2 ** 30,
  memoryLimitBytes: 2 * 2 ** 30,
  processes: 3,
  cpuUs: 150 * S,
  wallUs: 100 * S,
  startEpochUs: 1000 * S,
  endEpochUs: null,
  state: 'running',
  applications: [],
};
const unknown: JobRow = {
  ...{id: null, recordId: null, name: null, user: null, pattern: null, cores: null, memoryBytes: null, memoryPeakBytes: null},
  ...{memoryLimitBytes: null, processes: null, cpuUs: null, wallUs: null, startEpochUs: null, endEpochUs: null},
  ...{state: 'lost', hostname: null, addresses: [], applications: []},
};
const rows = (...args: Parameters<typeof renderJobs>): string[][] =>
  renderJobs(...args)
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

describe('the table of jobs', () => {
  it('has what they are, weigh and do', () => {
    expect(rows([job], {nowEpochUs: 0})).to.deep.equal([
      ['ID', 'NAME', 'USER', 'PATTERN', 'CORES', 'MEMORY', 'PEAK', 'LIMIT', 'CPU TIME', 'EFF', 'AGE', 'STATE'],
      ['5c1f0a2b4d6e', 'simulate', 'atlas001', 'ulimit++', '2', '500 MiB', '1.5 GiB', '2 GiB', '2m30s', '75%', '1m40s', 'running'],
    ]);
  });

  it('says of what has ended how and when, and names its record', () => {
    const [, line] = rows([{...job, id: null, memoryBytes: null, endEpochUs: 1100 * S, state: 'limit (memory)'}], {nowEpochUs: 1160 * S});
    expect(line?.[0]).to.equal('e897587d');
    expect(line?.at(-1)).to.equal('limit (memory), 1m ago');
  });

  it('has a dash for what is not known, also where a figure would be computed from it', () => {
    const [, line] = rows([unknown], {nowEpochUs: 0});
    expect(line).to.deep.equal([...Array<string>(11).fill('-'), 'lost']);
    for (const change of [{cpuUs: null}, {wallUs: null}, {wallUs: 0}, {cores: null}, {cores: 0}])
      expect(efficiencyOf({...job, ...change}), JSON.stringify(change)).to.equal(null);
  });

  it('has CPU use where it is watched', () => {
    const table = rows([job, {...job, id: 'ff'}], {nowEpochUs: 0, rates: new Map([[job.id ?? '', 1.234]])});
    expect(table.map((line) => line[5])).to.deep.equal(['%CPU', '123', '-']);
  });

  it('has a row for each application below its job’s', () => {
    const applications = [{name: 'merger\u001B', state: 'waits', memoryBytes: null, memoryPeakBytes: 2048, cpuUs: 0}];
    const table = renderJobs([{...job, applications}], {nowEpochUs: 0, rates: new Map()}).split('\n');
    expect(table[2]?.trim().split(/ {2,}/)).to.deep.equal(['- merger?', '-', '2 KiB', '0s', 'waits']);
    expect(table[2]?.indexOf('waits')).to.equal(table[0]?.indexOf('STATE'));
  });

  it('steers no terminal, and long names push nothing away', () => {
    const text = renderJobs([{...job, name: `\u001B]0;x\u0007${'n'.repeat(300)}`, user: '\u009B1m'}], {nowEpochUs: 0});
    expect(text).to.contain('?]0;x?nnn').and.contain('n…  ?1m');
    expect(text.split('\n')[1]?.length).to.be.below(150);
  });

  it('has a head of the node and its jobs', () => {
    const node = {
      node: 'wn\u001B1',
      cpus: 8,
      cpuShare: 0.5,
      load: 4.256,
      memoryTotalBytes: 2 ** 34,
      memoryUsedBytes: 2 ** 33,
      swapUsedBytes: null,
    };
    expect(renderNode(node, [job, unknown], new Map([['a', 1.25]]))).to.equal(
      'wn?1, 8 CPUs 50% busy, load 4.26, memory 8 GiB of 16 GiB, swap -\n2 jobs, 1.25 CPUs, memory 500 MiB\n',
    );
  });

  it('rounds to what is read at a glance', () => {
    expect([0, 999, 1000, 1023, 1536, 123_456, 10 * 2 ** 20, 1023.9 * 2 ** 20, 2 ** 60].map(roughBytes)).to.deep.equal([
      ...['0 B', '999 B', '0.98 KiB', '1 KiB', '1.5 KiB', '121 KiB', '10 MiB', '1 GiB', '1024 PiB'],
    ]);
    expect([0, 1234, 999_400, 1.26 * S, 59.6 * S, 3599 * S, 3661 * S, 86_399 * S, 90_061 * S].map(roughDuration)).to.deep.equal([
      ...['0s', '1ms', '999ms', '1.3s', '1m', '59m59s', '1h1m', '1d', '1d1h'],
    ]);
  });
});

describe('the line of progress', () => {
  const line = {wallUs: 72.4 * S, rate: 1.904, memoryBytes: 2 ** 29, memoryLimitBytes: 2 ** 31, isPaused: false, applications: []};

  it('has elapsed time, CPUs, memory and its limit', () => {
    expect(formatProgress(line)).to.equal('tare: 1m12s, 1.90 CPUs, memory 512 MiB of 2 GiB');
  });

  it('leaves out what is not known, and says when nothing moves', () => {
    expect(formatProgress({...line, rate: null, memoryLimitBytes: null})).to.equal('tare: 1m12s, memory 512 MiB');
    expect(formatProgress({...line, memoryBytes: null, isPaused: true})).to.equal('tare: 1m12s, paused');
  });

  it('has each application’s state', () => {
    expect(formatProgress({...line, memoryBytes: null, applications: [{name: 'a', state: 'running'}]})).to.equal(
      'tare: 1m12s, 1.90 CPUs, a running',
    );
  });
});
