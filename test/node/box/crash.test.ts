/**
 * SIGKILL to a part of the wrapper at each named step: within a second no payload runs without a supervisor, nothing is left, and the
 * record tells. Pause points stop a process exactly there (policy: debug.pauseAt).
 */
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {LONG} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {ending, payload, processes, until, type ProcessEntry, type Site} from '../../support/tare.js';

type Victim = 'shim' | 'supervisor' | 'engine' | 'init';

interface Case {
  victim: Victim;
  /** Where it, or another part, is stopped when it is killed; `running`: while the payload runs. */
  step: string;
  /** What must come of it. */
  payload: 'never ran' | 'killed' | 'lives';
}

const CASES: Case[] = [
  {victim: 'shim', step: 'shim-launched', payload: 'never ran'},
  {victim: 'shim', step: 'enter-start', payload: 'never ran'},
  {victim: 'shim', step: 'enter-joined', payload: 'never ran'},
  {victim: 'shim', step: 'init-start', payload: 'never ran'},
  // told to go, and so it may have run
  {victim: 'shim', step: 'init-forked', payload: 'killed'},
  {victim: 'shim', step: 'running', payload: 'killed'},
  {victim: 'shim', step: 'shim-running', payload: 'killed'},
  {victim: 'supervisor', step: 'supervisor-made', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-started', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-ready', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-executed', payload: 'lives'},
  {victim: 'supervisor', step: 'running', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-ended', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-gone', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-empty', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-observed', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-removed', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-recorded', payload: 'lives'},
  {victim: 'supervisor', step: 'supervisor-told', payload: 'lives'},
  {victim: 'engine', step: 'enter-start', payload: 'never ran'},
  {victim: 'engine', step: 'enter-joined', payload: 'never ran'},
  {victim: 'engine', step: 'running', payload: 'lives'},
  {victim: 'init', step: 'init-start', payload: 'never ran'},
  {victim: 'init', step: 'init-forked', payload: 'killed'},
  {victim: 'init', step: 'running', payload: 'killed'},
  {victim: 'init', step: 'init-ended', payload: 'killed'},
];

/** Sleeps so long that only its end, or a kill, ends it; the number makes it ours. */
const MARK = '1.31415';

describeSite('killed by SIGKILL, %s', {each: true, mayLeave: true, timeout: patience(20_000)}, (site) => {
  afterEach(() => {
    for (const {pid} of processes().filter(({argv}) => argv.some((argument) => argument.includes(site.directory)))) kill(pid);
  });

  for (const one of CASES) it(`${one.victim} at ${one.step}: the payload ${one.payload}`, () => survives(site, one));

  it('supervisor after an instruction that takes the box away (in a long run after each): the payload lives', async function () {
    this.timeout(patience(300_000));
    const count = await instructions(site);
    const all = Array.from({length: count}, (_, index) => index + 1);
    for (const obeyed of LONG ? all : [1, count]) {
      site.remove();
      await survives(site, {victim: 'supervisor', step: `supervisor-undo-${String(obeyed)}`, payload: 'lives'});
    }
  });

  it('supervisor when it has noted a limit that was exceeded: the next one ends the payload for it', async () => {
    const argv = ['--wall-time', '500ms', '--', '/bin/sh', '-c', `sleep ${MARK}; sleep 60`];
    const [record] = await killedAt(site, 'supervisor-limit', argv);
    expect(record?.outcome).to.include({status: 'limit', limit: 'wallTime'});
    expect(record?.flags).to.include.members(['killed', 'supervisor-lost']);
  });

  it('supervisor when it has noted how applications stand: the next one goes on with them', async () => {
    const job = join(site.work, 'job.yaml');
    const command = ['/bin/sleep', '0.3'];
    const applications = [
      {name: 'first', command},
      {name: 'second', command, needs: ['first']},
    ];
    writeFileSync(job, JSON.stringify({schema: 'tare/job/v1', applications}));
    const [record] = await killedAt(site, 'supervisor-applications', [job]);
    expect(record?.outcome).to.include({status: 'completed', exitCode: 0});
    expect(record?.applications.map(({starts, outcome}) => [starts, outcome.status])).to.deep.equal([
      [1, 'completed'],
      [1, 'completed'],
    ]);
    expect(record?.flags).to.include('supervisor-lost');
  });

  it('supervisor whose note of what its looks saw is odd: the next one begins anew, and watches', async () => {
    const script = `until test -e go; do sleep ${MARK}; done; exit 4`;
    const child = site.start(['run', '--policy', site.policy({box: 'required'}), '--', '/bin/sh', '-c', script]);
    const ended = ending(child);
    const boxes = join(site.directory, 'state/boxes');
    const supervisor = await until('the supervisor', () => find(child.pid ?? 0, 'running')?.supervisor);
    const [id = ''] = readdirSync(boxes);
    await until('a note', () => existsSync(join(boxes, id, 'seen.json')));
    writeFileSync(join(boxes, id, 'seen.json'), '{"wallUs": 1, "kept": {}}');
    process.kill(supervisor, 'SIGKILL');
    await until('another one', () => (find(child.pid ?? 0, 'running')?.supervisor ?? supervisor) !== supervisor);
    writeFileSync(join(site.work, 'go'), '');
    expect(await ended).to.deep.include({code: 4});
    const [record] = site.records();
    expect(record?.flags).to.include('supervisor-lost');
    expect(record?.watch?.samples).to.be.above(0);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('supervisor when it has noted what its looks saw: the next one goes on from there', async () => {
    const touch = `${payload('touch-memory')} 80 --hold 1.5`;
    const script = `${touch} & ${touch}; wait; touch freed; sleep ${MARK} & until test -e go; do sleep 0.05; done; kill $!`;
    const child = site.start(['run', '--policy', site.policy({box: 'required'}), '--', '/bin/sh', '-c', script]);
    const ended = ending(child);
    const boxes = join(site.directory, 'state/boxes');
    const noted = await until('a note', () => {
      const peaks = existsSync(boxes) ? readdirSync(boxes).map((id) => notedPeak(join(boxes, id)) ?? 0) : [];
      return peaks.find((bytes) => bytes > 150 * MIB);
    });
    await until('the memory to be free', () => existsSync(join(site.work, 'freed')));
    const seen = (): number | undefined => find(child.pid ?? 0, 'running')?.supervisor;
    const supervisor = await until('the supervisor', seen);
    process.kill(supervisor, 'SIGKILL');
    await until('another supervisor', () => ![undefined, supervisor].includes(seen()));
    writeFileSync(join(site.work, 'go'), '');
    expect((await ended).code).to.equal(0);
    const [record] = site.records();
    expect(record?.flags).to.include('supervisor-lost');
    expect(record?.usage.rssPeakBytes).to.be.at.least(noted);
  });

  it('three supervisors while the payload runs: one more writes the record when the box is gone', async () => {
    const script = `sleep ${MARK} & until test -e go; do sleep 0.05; done; kill $!; exit 3`;
    const child = site.start(['run', '--policy', site.policy({box: 'required'}), '--', '/bin/sh', '-c', script]);
    const ended = ending(child);
    let last: number | undefined;
    for (let killed = 0; killed < 3; killed++) {
      const next = (): number | null => {
        const {supervisor} = find(child.pid ?? 0, 'running') ?? {};
        return supervisor === undefined || supervisor === last ? null : supervisor;
      };
      last = await until('a supervisor', next);
      process.kill(last, 'SIGKILL');
    }
    writeFileSync(join(site.work, 'go'), '');
    expect((await ended).code).to.equal(3);
    expect(site.leftovers()).to.deep.equal([]);
    const [record, ...more] = site.records();
    expect(more).to.deep.equal([]);
    expect(record?.outcome).to.include({status: 'failed', exitCode: 3});
    expect(record?.flags).to.include('supervisor-lost');
  });
});

const MIB = 1024 * 1024;

/** The largest sum of resident sizes that a supervisor has noted; null: none yet. */
function notedPeak(directory: string): number | null {
  const file = join(directory, 'seen.json');
  if (!existsSync(file)) return null;
  return (JSON.parse(readFileSync(file, 'utf8')) as {weighing: {usage: {rssPeakBytes: number | null}}}).weighing.usage.rssPeakBytes;
}

/** SIGKILL to the victim where the step is reached, and what is true then. */
async function survives(site: Site, {victim, step, payload}: Case): Promise<void> {
  const pauses = step === 'running' ? [] : [step];
  const child = site.start([
    'run',
    '--policy',
    site.policy({box: 'required', debug: {pauseAt: pauses}}),
    '--',
    '/bin/sh',
    '-c',
    `sleep ${MARK}; sleep 0`,
  ]);
  const ended = ending(child);
  const shim = child.pid ?? 0;
  const parts = await until(`${step} of ${victim}`, () => find(shim, step));
  const pid = parts[victim];
  expect(pid, `no ${victim}`).to.be.a('number');
  process.kill(pid ?? 0, 'SIGKILL');
  const killedAt = Date.now();

  if (payload === 'lives') {
    const {code, signal, stderr} = await ended;
    expect([code, signal], stderr).to.deep.equal([0, null]);
  } else {
    await until('the payload to be gone', () => sleepers().length === 0, 1);
    expect(Date.now() - killedAt).to.be.below(patience(1500));
    await ended;
  }
  await until('everything to be gone', () => site.leftovers().length === 0, 10);
  const records = site.records();
  const started = records.filter(({state}) => state === 'started');
  const finals = records.filter(({state}) => state === 'final');
  // whichever part is killed, another one writes the record
  expect([started.length, finals.length], JSON.stringify(records.map(({state, outcome}) => [state, outcome]))).to.deep.equal([0, 1]);
  const [record] = finals;
  if (payload === 'lives') expect(record?.outcome).to.include({status: 'completed', exitCode: 0});
  else if (payload === 'never ran') expect(record?.time.startEpochUs).to.equal(null);
  else expect(record?.outcome.status).to.be.oneOf(['wrapper-failure', 'signalled', 'stopped']);
}

/** SIGKILL to the supervisor when an event is noted; the records, of which there is one, when nothing is left. */
async function killedAt(site: Site, step: string, argv: readonly string[]): Promise<ReturnType<Site['records']>> {
  const child = site.start(['run', '--policy', site.policy({box: 'required', debug: {pauseAt: [step]}}), ...argv]);
  const ended = ending(child);
  const {supervisor = 0} = await until(step, () => find(child.pid ?? 0, step));
  process.kill(supervisor, 'SIGKILL');
  await ended;
  await until('everything to be gone', () => site.leftovers().length === 0, 10);
  expect(site.records()).to.have.length(1);
  return site.records();
}

/** How many instructions take a box away here. */
async function instructions(site: Site): Promise<number> {
  const child = site.start(['run', '--policy', site.policy({box: 'required'}), '--', '/bin/sh', '-c', `sleep ${MARK}`]);
  const ended = ending(child);
  await until('the payload', () => sleepers().length > 0);
  const boxes = join(site.directory, 'state/boxes');
  const [id = ''] = readdirSync(boxes);
  const {undo} = JSON.parse(readFileSync(join(boxes, id, 'box.json'), 'utf8')) as {undo: unknown[]};
  for (const {pid} of sleepers()) kill(pid);
  await ended;
  return undo.length;
}

const sleepers = (all = processes()): ProcessEntry[] =>
  all.filter(({argv, state}) => argv[0] === 'sleep' && argv[1] === MARK && state !== 'Z');

/** The parts of one wrapper, once the step is reached. */
function find(shim: number, step: string): Partial<Record<Victim, number>> | null {
  const all = processes();
  const below = (parent: number): ProcessEntry[] => all.filter((entry) => entry.parent === parent);
  const descendants = (parent: number): ProcessEntry[] => below(parent).flatMap((entry) => [entry, ...descendants(entry.pid)]);
  const family = [...all.filter(({pid}) => pid === shim), ...descendants(shim)];
  const reached = step === 'running' ? sleepers(all).length > 0 : family.some(({comm}) => comm === `@${step}`.slice(0, 15));
  if (!reached) return null;
  const supervisor = below(shim).find(
    ({comm, argv}) => argv.some((argument) => argument.startsWith('@shim=')) || comm.startsWith('@supervisor'),
  );
  const engine = below(shim).find(({pid}) => pid !== supervisor?.pid);
  const init = engine === undefined ? undefined : below(engine.pid)[0];
  return {shim, ...(supervisor && {supervisor: supervisor.pid}), ...(engine && {engine: engine.pid}), ...(init && {init: init.pid})};
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone
  }
}
