import {expect} from 'chai';
import {execFile} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import {canonicalJson} from '../../src/plan/canonical.js';
import {makePlan} from '../../src/plan/plan.js';
import {ENGINES} from '../../src/plugins.js';
import {stepsOf} from '../../src/plan/step.js';
import validatePlan from '../../src/schema/generated/plan-1.validator.js';
import type {Plan} from '../../src/schema/generated/plan-1.js';
import {planCase, readCases, type Case, type Outcome} from './cases.js';
import {argvOf, goldenFiles, goldens, outcomesOf, WHOLE, WITH_ARGV, type Argv} from './files.js';

// not by top-level await: mocha would then load src/ a second time, beside the copy that other files use
let cases: Case[] = [];
let wanted = new Map<string, string>();
let outcomes: Outcome[] = [];
let planned: [Case, Plan][] = [];
before(async () => {
  cases = await readCases();
  outcomes = outcomesOf(cases);
  wanted = goldens(outcomes);
  planned = outcomes.flatMap(({planned: plan}, index): [Case, Plan][] => {
    const each = cases[index];
    return each === undefined || 'codes' in plan ? [] : [[each, plan]];
  });
});

describe('plans of jobs, policies and hosts', () => {
  it('are the files of fixtures/plans, no more and no less', () => {
    expect(goldenFiles().sort()).to.deep.equal([...wanted.keys()].sort());
    expect(planned.length).to.be.at.least(120);
  });

  it('keep 9 to 15 plans whole, and have at most 12,000 lines', () => {
    expect(goldenFiles().filter((file) => file.endsWith('.json'))).to.have.lengthOf(WHOLE.length);
    expect(WHOLE.length).to.be.within(9, 15);
    expect([...wanted.values()].join('').split('\n').length).to.be.at.most(12_000);
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
      const {engines, ...data} = inputs;
      expect(canonicalJson(makePlan({...reordered(data), engines})), name).to.equal(canonicalJson(plan));
    }
  });

  it('leave their inputs as they were', () => {
    for (const {name, inputs} of cases) {
      const {engines, ...data} = inputs;
      const before = canonicalJson(data);
      planCase({name, inputs: {...frozen(structuredClone(data)), engines}});
      expect(canonicalJson(data), name).to.equal(before);
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
    const folder = mkdtempSync(join(tmpdir(), 'tare-test-'));
    const elsewhere = {
      TZ: 'Asia/Kathmandu',
      LANG: 'tr_TR.UTF-8',
      LC_ALL: 'tr_TR.UTF-8',
      HOME: '/nowhere',
      OMP_NUM_THREADS: '99',
      TMPDIR: folder,
    };
    const [here, there] = await Promise.all([run({TZ: 'UTC', LANG: 'C'}, '/'), run(elsewhere, '/usr')]).finally(() => {
      rmSync(folder, {recursive: true});
    });
    // the surroundings did differ
    expect(here.slice(0, 3)).to.deep.equal(['0', '/', 'C']);
    expect(there.slice(0, 3)).to.deep.equal(['5', '/usr', 'tr_TR.UTF-8']);
    expect(here[3])
      .to.match(/^[0-9a-f]{64}$/)
      .and.to.equal(there[3]);
  }).timeout(60_000);
});

describe('the goldens together', () => {
  const wholes = (): Plan[] => planned.flatMap(([{name}, plan]) => (WHOLE.includes(name) ? [plan] : []));
  const all = (): Plan[] => planned.map(([, plan]) => plan);

  it('have every op of the schema', () => {
    const ops = new Set<string>(all().flatMap(({steps}) => steps.map(({op}) => op)));
    expect([...ops].sort()).to.deep.equal(schemaOps().sort());
  });

  /** Engines whose plans differ from others' by their steps, which lines say as well. */
  const IN_LINES: readonly unknown[] = ENGINES.map(({name}) => name).filter((name) => name !== 'bubblewrap' && name !== 'crun');

  it('have every pattern, mode, role and cgroup version of the schema and each engine, and two engines in a whole plan', () => {
    const {properties, $defs} = schema;
    const kinds: [values: readonly unknown[], of: (plan: Plan) => unknown[]][] = [
      [valuesAt(properties, 'pattern', 'value'), ({pattern}) => [pattern.value]],
      [valuesAt($defs, 'mode', 'value'), ({mode}) => [mode.value]],
      [[...ENGINES.map(({name}) => name), 'none'], ({engine}) => [engine.name]],
      [valuesAt($defs, 'systemPart', 'role'), (plan) => stepsOf(plan, 'application.execute').map(({system}) => system?.role)],
      [valuesAt($defs, 'CgroupCreate', 'version'), (plan) => stepsOf(plan, 'cgroup.create').map(({version}) => version)],
    ];
    for (const [values, of] of kinds) {
      expect(values).to.not.be.empty;
      expect(all().flatMap(of)).to.include.members([...values]);
      expect(wholes().flatMap(of)).to.include.members(values.filter((value) => !IN_LINES.includes(value)));
    }
  });
});

describe('bubblewrap’s argv', () => {
  /** Options that bubblewrap 0.4.1 (EL9) has, of those that Tare could want: its own --help. */
  const IN_0_4_1 = [
    '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-net --unshare-cgroup --bind --bind-try --dev-bind --dev-bind-try',
    '--ro-bind --ro-bind-try --remount-ro --proc --dev --tmpfs --mqueue --dir --symlink --cap-drop --cap-add --as-pid-1 --die-with-parent --new-session --',
  ].flatMap((line) => line.split(' '));

  const argv = (name: string): Argv => {
    const plan = planned.find(([each]) => each.name === name)?.[1];
    if (plan === undefined) throw new Error(`there is no plan ${name}`);
    return argvOf(plan);
  };

  it('is kept for plans of three hosts', () => {
    expect(new Set(WITH_ARGV.map((name) => name.split('.')[0]))).to.have.property('size', 3);
  });

  for (const name of WITH_ARGV) {
    it(`of 0.4.1 has no option that is newer, and of 0.11.0 has mode and size of /dev/shm: ${name}`, () => {
      const {'0.4.1': old, '0.11.0': fresh} = argv(name);
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
    for (const one of WITH_ARGV.flatMap((name) => Object.values(argv(name))))
      expect(one.slice(-5)).to.deep.equal(['--as-pid-1', '--', '/proc/self/fd/4', 'tare-init', '3']);
    const isolated = WITH_ARGV.filter((name) => argv(name)['0.4.1'].includes('--unshare-net'));
    expect(isolated).to.deep.equal(['el9-v2-condor24.no-network.builtin']);
  });
});

describe('refusals of jobs, policies and hosts', () => {
  it('each name the place in the file that is why, on one line', () => {
    const refused = outcomes.flatMap(({name, planned: made}) => ('codes' in made ? [{name, ...made}] : []));
    expect(refused).to.have.length.above(20);
    for (const {name, codes, messages} of refused) {
      expect(messages, name).to.have.lengthOf(codes.length).above(0);
      for (const message of messages) expect(message, name).to.match(PLACE);
    }
  });
});

/** A pattern that was not asked for is named by the reason for it, which has the place. */
const PLACE = /^(services of its own \()?(fixtures\/(jobs|policies)\/good\/[\w.-]+|job\.yaml|policy\.yaml)#\/\S+: [^\n]+$/;

interface Schema {
  properties: Record<string, Schema>;
  $defs: Record<string, Schema>;
  items: {oneOf: {$ref: string}[]};
  enum?: readonly unknown[];
  const?: string;
}
const schema = JSON.parse(readFileSync(new URL('../../src/schema/plan-1.json', import.meta.url), 'utf8')) as Schema;
const valuesAt = (definitions: Record<string, Schema>, name: string, property: string): readonly unknown[] =>
  definitions[name]?.properties[property]?.enum ?? [];
const schemaOps = (): string[] =>
  schema.properties.steps?.items.oneOf.map(({$ref}) => schema.$defs[$ref.slice('#/$defs/'.length)]?.properties.op?.const ?? $ref) ?? [];

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
