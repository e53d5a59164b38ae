import {expect} from 'chai';
import {renderProcesses} from '../../../src/report/processes.js';
import {renderStats, type StatsRow} from '../../../src/report/stats.js';

const job: StatsRow = {
  ...{id: '5c1f0a2b4d6e8f90', recordId: null, name: 'simulate', user: null, hostname: null, addresses: [], pattern: null, cores: 2},
  ...{memoryBytes: 512 * 2 ** 20, memoryPeakBytes: null, memoryLimitBytes: 2 ** 30, processes: 3, cpuUs: 1, wallUs: 1},
  ...{startEpochUs: null, endEpochUs: null, state: 'running', applications: [], ioReadBytes: 2048, ioWriteBytes: null},
};
const cells = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ {2,}/));

describe('the table of tare stats', () => {
  it('has what jobs use, and a dash for what is not known', () => {
    const none = {...job, id: 'ff', name: null, memoryLimitBytes: null, memoryBytes: null, processes: null};
    expect(cells(renderStats([job, none], new Map([['5c1f0a2b4d6e8f90', 1.5]])))).to.deep.equal([
      ['ID', 'NAME', '%CPU', 'MEMORY', 'LIMIT', '%MEM', 'READ', 'WRITTEN', 'TASKS', 'STATE'],
      ['5c1f0a2b4d6e', 'simulate', '150', '512 MiB', '1 GiB', '50', '2 KiB', '-', '3', 'running'],
      ['ff', '-', '-', '-', '-', '-', '2 KiB', '-', '-', 'running'],
    ]);
  });
});

describe('the table of tare top ID', () => {
  it('has the processes, with commands that steer no terminal', () => {
    const one = {pid: 7, parent: 1, state: 'S', threads: 2, rssBytes: 4096, cpuUs: 2e6, command: 'sh -c \u001B[31mx'};
    expect(cells(renderProcesses([one]))).to.deep.equal([
      ['PID', 'PPID', 'S', 'THREADS', 'MEMORY', 'CPU TIME', 'COMMAND'],
      ['7', '1', 'S', '2', '4 KiB', '2s', 'sh -c ?[31mx'],
    ]);
  });
});
