import {readFileSync, readdirSync} from 'node:fs';
import {expect} from 'chai';
import {TareError, TareErrors} from '../../../src/errors.js';
import {parseDocument} from '../../../src/job/document.js';
import {applyFlags, flagName} from '../../../src/job/flags.js';
import type {Job} from '../../../src/job/job.js';
import {absolute} from '../../../src/job/path.js';
import {jobFromCommand, jobFromDocument} from '../../../src/job/load.js';
import {formatLimit} from '../../../src/job/limits.js';

const folder = new URL('../../../fixtures/jobs/good/', import.meta.url);
const HOME = '/home/u';
async function good(file: string): Promise<Job> {
  return jobFromDocument(await parseDocument({text: readFileSync(new URL(file, folder), 'utf8'), file, kind: 'job'}), {
    file,
    callerDirectory: HOME,
  });
}
const job = (at: string, value: unknown): object => ({value, provenance: {source: 'job', at}});

describe('jobFromDocument', () => {
  const files = readdirSync(folder);
  it('has at least six good jobs to read', () => expect(files.length).to.be.at.least(6));
  for (const file of files) {
    it(`${file}: every limit says the place it came from`, async () => {
      const {limits, workDirectory} = await good(file);
      for (const [name, limit] of Object.entries(limits))
        expect(limit.provenance).to.deep.equal({source: 'job', at: `${file}#/limits/${name}`});
      expect(workDirectory.value).to.match(/^\/home\/u/);
    });
  }

  it('mcsim', async () => {
    expect(await good('mcsim.yaml')).to.deep.equal({
      name: 'mcsim',
      pattern: {value: 'auto', provenance: {source: 'builtin', at: 'builtin'}},
      command: ['mcsim', '--events', '200', '--seed', '42', '--output', 'HITS'],
      workDirectory: {value: HOME, provenance: {source: 'caller', at: 'working directory'}},
      applications: null,
      environment: {},
      limits: {
        cores: job('mcsim.yaml#/limits/cores', 2),
        memory: job('mcsim.yaml#/limits/memory', 512 * 2 ** 20),
        processes: job('mcsim.yaml#/limits/processes', 64),
        wallTime: job('mcsim.yaml#/limits/wallTime', 600e6),
        cpuTime: job('mcsim.yaml#/limits/cpuTime', 1200e6),
      },
      network: null,
      identity: null,
      devices: [],
      writable: [],
      filesystem: null,
      image: null,
      init: null,
      services: [],
      cvmfs: [],
      user: null,
      vo: 'atlas',
      queue: null,
    });
  });

  it('every key', async () => {
    const full = await good('full.yaml');
    const f = (pointer: string): string => `full.yaml#${pointer}`;
    expect(full.name).to.equal('full: every key');
    expect(full.pattern).to.deep.equal(job(f('/pattern'), 'ulimit++'));
    expect(full.workDirectory).to.deep.equal(job(f('/workDirectory'), '/home/u/session/job-7'));
    expect(full.environment).to.deep.equal({
      ATHENA_CORES: job(f('/environment/ATHENA_CORES'), '8'),
      VERSION: job(f('/environment/VERSION'), '1.10'),
      MASK: job(f('/environment/MASK'), '0o22'),
      EMPTY: job(f('/environment/EMPTY'), ''),
      LD_PRELOAD: job(f('/environment/LD_PRELOAD'), null),
    });
    expect(Object.fromEntries(Object.entries(full.limits).map(([name, limit]) => [name, limit.value]))).to.deep.equal({
      cores: 7.5,
      pinCores: 1,
      nice: 5,
      memory: 16e9,
      swap: 0,
      processes: 500,
      wallTime: 129_600e6,
      cpuTime: 1_036_800e6,
      openFiles: 4096,
      coreSize: 0,
    });
    expect(full.network).to.deep.equal(job(f('/network'), 'host'));
    expect(full.devices).to.deep.equal([job(f('/devices/0'), '/dev/fuse'), job(f('/devices/1'), '/dev/nvidia0')]);
    expect(full.writable).to.deep.equal([job(f('/writable/0'), '/data/local/atlas')]);
    expect([full.user?.value, full.vo, full.queue]).to.deep.equal(['atlas001', 'atlas', 'long']);
  });

  it('a number that was never text is made text', () => {
    const {environment} = jobFromDocument(
      {schema: 'tare/job/v1', command: ['x'], environment: {A: 1.5}},
      {file: 'f', callerDirectory: '/'},
    );
    expect(environment.A?.value).to.equal('1.5');
  });

  it('all wrong quantities are told at once', () => {
    const load = (): Job =>
      jobFromDocument(
        {schema: 'tare/job/v1', command: ['x'], limits: {memory: 'lots', wallTime: 'long', cores: 2}},
        {file: 'f', callerDirectory: '/'},
      );
    expect(load).to.throw(TareErrors, /f#\/limits\/memory: not a size.*\nf#\/limits\/wallTime: not a duration/);
  });
});

describe('jobFromCommand', () => {
  it('is a job that asks for nothing', () => {
    expect(jobFromCommand(['/bin/echo', ''], '/tmp/')).to.deep.equal({
      name: null,
      pattern: {value: 'auto', provenance: {source: 'builtin', at: 'builtin'}},
      command: ['/bin/echo', ''],
      workDirectory: {value: '/tmp', provenance: {source: 'caller', at: 'working directory'}},
      applications: null,
      environment: {},
      limits: {},
      network: null,
      identity: null,
      devices: [],
      writable: [],
      filesystem: null,
      image: null,
      init: null,
      services: [],
      cvmfs: [],
      user: null,
      vo: null,
      queue: null,
    });
  });
  for (const command of [[], [''], ['a', 'b\0']]) {
    it(`${JSON.stringify(command)} is refused`, () =>
      expect(() => jobFromCommand(command, '/')).to.throw(
        TareError,
        /the command line: (command is missing|no executable|a NUL character)/,
      ));
  }
});

describe('applyFlags', () => {
  const base = (): Promise<Job> => good('full.yaml');

  it('without flags nothing changes, and the job given is never changed', async () => {
    const before = await base();
    expect(applyFlags(before, {}, HOME)).to.deep.equal(before);
    applyFlags(before, {memory: '1GiB', name: 'other', workDirectory: '/x'}, HOME);
    expect(before).to.deep.equal(await base());
  });

  it('each flag lies over the descriptor and says so', async () => {
    const flags = {
      name: 'n',
      pattern: 'auto',
      cores: '1.5',
      pinCores: false,
      nice: '0',
      memory: '1GiB',
      swap: '1M',
      processes: '9',
      wallTime: '1h',
      cpuTime: '90',
      openFiles: '10',
      coreSize: '0',
      network: 'none',
      workDirectory: 'w',
      user: 'u',
      vo: 'v',
      queue: 'q',
    };
    const applied = applyFlags(await base(), flags, HOME);
    const flag = (at: string, value: unknown): object => ({value, provenance: {source: 'flag', at}});
    expect(applied.limits).to.deep.equal({
      cores: flag('--cores', 1.5),
      pinCores: flag('--pin-cores', 0),
      nice: flag('--nice', 0),
      memory: flag('--memory', 2 ** 30),
      swap: flag('--swap', 2 ** 20),
      processes: flag('--processes', 9),
      wallTime: flag('--wall-time', 3600e6),
      cpuTime: flag('--cpu-time', 90e6),
      openFiles: flag('--open-files', 10),
      coreSize: flag('--core-size', 0),
    });
    expect([applied.name, applied.vo, applied.queue]).to.deep.equal(['n', 'v', 'q']);
    expect([applied.pattern, applied.network, applied.workDirectory, applied.user]).to.deep.equal([
      flag('--pattern', 'auto'),
      flag('--network', 'none'),
      flag('--work-directory', '/home/u/w'),
      flag('--user', 'u'),
    ]);
  });

  const bad: [object, RegExp][] = [
    [{memory: '1 gig'}, /^--memory: not a size; found: "1 gig"/],
    [{processes: 'many'}, /^--processes: not a number; found: "many"/],
    [{nice: '20'}, /^--nice: not a nice value; found: "20"; allowed: a whole number from 0 to 19$/],
    [{nice: '-1'}, /^--nice: not a nice value; found: "-1"/],
    [{nice: '1.5'}, /^--nice: not a nice value; found: "1.5"/],
    [{nice: ''}, /^--nice: not a nice value; found: ""/],
    [{wallTime: '0'}, /^--wall-time: nothing can run with that/],
    [{pattern: 'ulimit'}, /^--pattern: not one of the allowed values; found: "ulimit"; allowed: auto, .*; did you mean ulimit\+\+\?/],
    [{network: 'bridge'}, /^--network: not one of the allowed values; found: "bridge"; allowed: host, none$/],
    [{workDirectory: ''}, /^--work-directory: empty text/],
    [{vo: ''}, /^--vo: empty text/],
  ];
  for (const [flags, message] of bad) {
    it(JSON.stringify(flags), async () => {
      const before = await base();
      expect(() => applyFlags(before, flags, HOME)).to.throw(TareError, message);
    });
  }

  it('flags are named as they are typed', () => expect(['memory', 'wallTime'].map(flagName)).to.deep.equal(['--memory', '--wall-time']));
});

describe('small things', () => {
  const rows: [string, string, string][] = [
    ['a', '/b', '/b/a'],
    ['/a', '/b', '/a'],
    ['.', '/b', '/b'],
    ['..', '/', '/'],
    ['/', '/b', '/'],
    ['a/../c/', '/b/', '/b/c'],
    ['a', '', '/a'],
  ];
  for (const [directory, base, expected] of rows)
    it(`${directory} from ${base} is ${expected}`, () => expect(absolute(directory, base)).to.equal(expected));
  it('limits for people', () => {
    expect([
      formatLimit('memory', 2 ** 30),
      formatLimit('wallTime', 60e6),
      formatLimit('cores', 2),
      formatLimit('processes', 64),
      formatLimit('pinCores', 1),
      formatLimit('pinCores', 0),
      formatLimit('nice', 19),
    ]).to.deep.equal(['1 GiB', '1m', '2 cores', '64', 'yes', 'no', '19']);
  });
});
