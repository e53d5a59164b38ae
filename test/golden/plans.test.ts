import {expect} from 'chai';
import {execFile} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import {canonicalJson} from '../../src/plan/canonical.js';
import {makePlan} from '../../src/plan/plan.js';
import validatePlan from '../../src/schema/generated/plan-1.validator.js';
import {ARGV, goldenFiles, goldens, planCase, readCases, REFUSED, VERSIONS, type Case, type Refusal} from './cases.js';
import type {Plan} from '../../src/schema/generated/plan-1.js';

// not by top-level await: mocha would then load src/ a second time, beside the copy that other files use
let cases: Case[] = [];
let wanted = new Map<string, string>();
let planned: [Case, Plan][] = [];
before(async () => {
  cases = await readCases();
  wanted = await goldens();
  planned = cases.flatMap((each): [Case, Plan][] => {
    const plan = planCase(each);
    return 'codes' in plan ? [] : [[each, plan]];
  });
});
const golden = <T>(place: URL): Record<string, T> => JSON.parse(readFileSync(place, 'utf8')) as Record<string, T>;

describe('plans of jobs, policies and hosts', () => {
  it('are the files of fixtures/plans, no more and no less', () => {
    expect(goldenFiles().sort()).to.deep.equal([...wanted.keys()].sort());
    expect(planned.length).to.be.at.least(75);
  });

  for (const file of goldenFiles()) {
    it(`are as before: ${file.slice(file.lastIndexOf('/') + 1)}`, () => {
      expect(wanted.get(file), 'read the difference, then: npm run golden:update').to.equal(readFileSync(file, 'utf8'));
    });
  }

  it('fit the schema', () => {
    for (const [{name}, plan] of planned) expect(validatePlan(plan), `${name}: ${JSON.stringify(validatePlan.errors)}`).to.equal(true);
  });

  it('are the same bytes from the same inputs, also when these have their keys in another order', () => {
    for (const [{name, inputs}, plan] of planned) {
      expect(canonicalJson(makePlan(reordered(inputs))), name).to.equal(canonicalJson(plan));
    }
  });

  it('leave their inputs as they were', () => {
    for (const {name, inputs} of cases) {
      const before = canonicalJson(inputs);
      planCase({name, inputs: frozen(structuredClone(inputs))});
      expect(canonicalJson(inputs), name).to.equal(before);
    }
  });

  it('are the same bytes in another time zone, language and directory', async () => {
    const script = `
      const {readCases, planCase} = await import(${JSON.stringify(new URL('cases.ts', import.meta.url).href)});
      const {canonicalJson} = await import(${JSON.stringify(new URL('../../src/plan/canonical.ts', import.meta.url).href)});
      const {createHash} = await import('node:crypto');
      const hash = createHash('sha256');
      for (const each of await readCases()) hash.update(canonicalJson(planCase(each)));
      console.log(new Date(0).getHours(), process.cwd(), process.env.LANG, hash.digest('hex'));`;
    // without coverage: what two processes saw of one file does not add up
    const run = async (env: Record<string, string>, cwd: string): Promise<string[]> => {
      const argv = [`--import=${pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href}`, '--input-type=module', '-e', script];
      const {stdout} = await promisify(execFile)(process.execPath, argv, {
        env: {PATH: process.env.PATH, NODE_V8_COVERAGE: '', ...env},
        cwd,
      });
      return stdout.trim().split(' ');
    };
    const elsewhere = {
      TZ: 'Asia/Kathmandu',
      LANG: 'tr_TR.UTF-8',
      LC_ALL: 'tr_TR.UTF-8',
      HOME: '/nowhere',
      OMP_NUM_THREADS: '99',
      TMPDIR: '/nowhere',
    };
    const [here, there] = await Promise.all([run({TZ: 'UTC', LANG: 'C'}, '/'), run(elsewhere, '/usr')]);
    // the surroundings did differ
    expect(here.slice(0, 3)).to.deep.equal(['0', '/', 'C']);
    expect(there.slice(0, 3)).to.deep.equal(['5', '/usr', 'tr_TR.UTF-8']);
    expect(here[3])
      .to.match(/^[0-9a-f]{64}$/)
      .and.to.equal(there[3]);
  }).timeout(60_000);
});

describe('bubblewrap’s argv', () => {
  const argv = golden<Record<string, string[]>>(ARGV);
  /** Options that bubblewrap 0.4.1 (EL9) has, of those that Tare could want: its own --help. */
  const IN_0_4_1 = [
    '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-net --unshare-cgroup --bind --bind-try --dev-bind --dev-bind-try',
    '--ro-bind --ro-bind-try --remount-ro --proc --dev --tmpfs --mqueue --dir --symlink --cap-drop --cap-add --as-pid-1 --die-with-parent --new-session --',
  ].flatMap((line) => line.split(' '));

  it('is kept for plans of three hosts, and for two versions', () => {
    expect(new Set(Object.keys(argv).map((name) => name.split('.')[0]))).to.have.property('size', 3);
    for (const versions of Object.values(argv)) expect(Object.keys(versions)).to.deep.equal(Object.keys(VERSIONS));
  });

  for (const [name, versions] of Object.entries(argv)) {
    it(`of 0.4.1 has no option that is newer, and of 0.11.0 has mode and size of /dev/shm: ${name}`, () => {
      const {'0.4.1': old = [], '0.11.0': fresh = []} = versions;
      expect(old.filter((argument) => argument.startsWith('--') && !IN_0_4_1.includes(argument))).to.deep.equal([]);
      const at = fresh.indexOf('--perms');
      expect(fresh.slice(at, at + 6).filter((argument) => !/^\d{5,}$|^--size$/.test(argument))).to.deep.equal([
        '--perms',
        '1777',
        '--tmpfs',
        '/dev/shm',
      ]);
      const isNew = (argument: string | undefined): boolean => argument === '--perms' || argument === '--size';
      expect(fresh.filter((argument, index) => !isNew(argument) && !isNew(fresh[index - 1]))).to.deep.equal(old);
    });
  }

  it('ends with init as process 1, and makes the network namespace only where it is wanted', () => {
    for (const versions of Object.values(argv)) {
      for (const one of Object.values(versions))
        expect(one.slice(-5)).to.deep.equal(['--as-pid-1', '--', '/proc/self/fd/4', 'tare-init', '3']);
    }
    const isolated = Object.entries(argv).filter(([, versions]) => versions['0.4.1']?.includes('--unshare-net'));
    expect(isolated.map(([name]) => name)).to.deep.equal(['el9-v2-condor24.no-network.builtin']);
  });
});

describe('refusals of jobs, policies and hosts', () => {
  const refused = golden<Refusal>(REFUSED);

  it('each name the place in the file that is why, on one line', () => {
    expect(Object.keys(refused)).to.have.length.above(10);
    for (const [name, {messages}] of Object.entries(refused)) {
      expect(messages, name).to.have.length.above(0);
      for (const message of messages) expect(message, name).to.match(/^fixtures\/(jobs|policies)\/good\/\S+#\/\S+: [^\n]+$/);
    }
  });
});

/** The same value, every object with its keys the other way round. */
function reordered<T>(value: T): T {
  if (Array.isArray(value)) return value.map((each: unknown) => reordered(each)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]: [string, unknown]) => [key, reordered(inner)]),
  ) as T;
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}
