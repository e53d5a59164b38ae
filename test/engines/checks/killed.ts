/**
 * SIGKILL to each part at each step: no payload runs without a supervisor, one record tells the truth, and nothing is left. The steps are pause
 * points of the policy (debug.pauseAt), at which a process stops and is called after the step.
 */

import {join} from 'node:path';
import {expect} from 'chai';
import {readState} from '../../../src/box/state-read.js';
import {killAll, sweep} from '../../support/crash.js';
import {below, isIn, processes, send, until} from '../../support/tare.js';
import type {Bench, Live} from '../bench.js';
import type {UsageRecord} from '../../../src/record/record.js';
import type {Check} from '../check.js';

type Part = 'shim' | 'supervisor' | 'engine' | 'init';
/** What comes of the payload. */
type End = 'never ran' | 'killed' | 'lives';

/** While the payload runs. */
const RUNNING = 'running';
/** An init of applications or services has no such step. */
const ONE_PAYLOAD = 'init-forked';
const STEPS: Readonly<Record<Part, readonly [step: string, end: End][]>> = {
  shim: [
    ['shim-launched', 'never ran'],
    ['enter-start', 'never ran'],
    ['init-start', 'never ran'],
    [ONE_PAYLOAD, 'killed'],
    [RUNNING, 'killed'],
  ],
  supervisor: [
    ['supervisor-made', 'lives'],
    ['supervisor-started', 'lives'],
    [RUNNING, 'lives'],
    ['supervisor-ended', 'lives'],
    ['supervisor-removed', 'lives'],
    ['supervisor-recorded', 'lives'],
  ],
  engine: [
    ['enter-start', 'never ran'],
    ['enter-joined', 'never ran'],
    [RUNNING, 'lives'],
  ],
  init: [
    ['init-start', 'never ran'],
    [ONE_PAYLOAD, 'killed'],
    [RUNNING, 'killed'],
    ['init-ended', 'killed'],
  ],
};
/** Processes that are paused are called after the step (prctl(2), PR_SET_NAME). */
const comm = (step: string): string => `@${step}`.slice(0, 15);
let count = 0;
/** A duration of sleep(1) that no other process has: the payload is known by it. */
const marked = (seconds: string): string => `${seconds}${String(process.pid).padStart(8, '0')}${String(count++)}1`;

/** The process to kill, once the step is reached; null: not yet. */
function find(bench: Bench, part: Part, {step, live}: {step: string; live: Live}): number | null {
  const family = below(live.pid);
  // a daemon's init is not below the wrapper
  const there = [...family, ...processes().filter(({pid}) => isIn(bench.site.directory, pid))].find((one) => one.comm === comm(step));
  if (step === RUNNING ? !live.said().includes('ready') : there === undefined) return null;
  if (part === 'shim') return live.pid;
  const children = family.filter(({parent}) => parent === live.pid);
  const isSupervisor = ({argv, comm: name}: (typeof family)[number]): boolean =>
    argv.some((argument) => argument.startsWith('@shim=')) || name.startsWith('@supervisor');
  if (part !== 'init') return children.find((child) => isSupervisor(child) === (part === 'supervisor'))?.pid ?? null;
  if (step !== RUNNING) return there?.pid ?? null;
  const {init} = readState(join(bench.site.directory, 'state/boxes', bench.id())) as unknown as {init: {pid: number} | null};
  return init?.pid ?? null;
}

/** The only record of what ended last, when nothing else is left. */
async function recordOf(bench: Bench, before: ReadonlySet<string>): Promise<UsageRecord> {
  await until('everything to be gone', () => bench.site.leftovers().length === 0, 20).catch((error: unknown) => {
    throw new Error(`left: ${bench.site.leftovers().join(', ')}`, {cause: error});
  });
  const [record, ...others] = bench.site.records().filter(({recordId}) => !before.has(recordId));
  if (record === undefined || others.length > 0) throw new Error(`${String(others.length + (record === undefined ? 0 : 1))} records`);
  return record;
}

async function survives(bench: Bench, part: Part, [step, end]: readonly [string, End]): Promise<void> {
  const before = new Set(bench.site.records().map(({recordId}) => recordId));
  // some steps come after the payload's own end
  const seconds = marked(end === 'lives' || step === 'init-ended' ? '1.5' : '600.5');
  const live = bench.start(
    {script: `echo ready; sleep ${seconds}; exit 0`},
    bench.policy({debug: {pauseAt: step === RUNNING ? [] : [step]}}),
  );
  const victim = await until(`${part} at ${step}`, () => find(bench, part, {step, live}), 30);
  send(victim, 'SIGKILL');
  const [code] = await live.ended.then(
    (ran) => [ran.code],
    () => [null], // a shim that is killed leaves the copy of the record to others
  );
  await until('the payload to be gone', () => processes().every(({argv, state}) => argv[1] !== seconds || state === 'Z'), 2);
  const {state, time, outcome} = await recordOf(bench, before);
  const told = JSON.stringify(outcome);
  expect(state, told).to.equal('final');
  if (end === 'never ran') expect(time.startEpochUs, told).to.equal(null);
  else if (end === 'killed') expect(outcome.status, told).to.be.oneOf(['wrapper-failure', 'signalled', 'stopped']);
  else expect([code, outcome.status, outcome.exitCode], told).to.deep.equal([0, 'completed', 0]);
}

/** Init of a machine that no process of the node enters is not seen either. */
const isSeen = ({pattern, engine: {sealed}}: Bench, step: string): boolean =>
  (pattern === 'ulimit++' || step !== ONE_PAYLOAD) && (sealed === undefined || !step.startsWith('init-'));

const killedAtEachStep = (part: Part, promise: string): Check => ({
  name: `${part} killed at each step`,
  promise,
  seconds: 180,
  body: async (bench) => {
    for (const one of STEPS[part].filter(([step]) => isSeen(bench, step)))
      await survives(bench, part, one).catch((error: unknown) => {
        throw new Error(`${part} at ${one[0]}: ${(error as Error).message}`, {cause: error});
      });
  },
});

export const KILLED: readonly Check[] = [
  killedAtEachStep('shim', 'SIGKILL to the process that the caller started ends the box, and one record says so.'),
  killedAtEachStep('supervisor', 'SIGKILL to the supervisor costs the payload nothing: another one goes on.'),
  killedAtEachStep('engine', 'SIGKILL to the engine before the payload runs ends the launch, and afterwards costs nothing.'),
  killedAtEachStep('init', 'SIGKILL to the box’s first process ends the box, and one record says so.'),
  {
    name: 'all killed, and swept',
    promise: 'After SIGKILL to the whole wrapper nothing runs on; a sweep writes one record and leaves nothing.',
    seconds: 90,
    body: async (bench) => {
      const before = new Set(bench.site.records().map(({recordId}) => recordId));
      const seconds = marked('600.5');
      const live = await bench.live({script: `echo ready; sleep ${seconds}`});
      killAll(live.pid);
      await live.ended.catch(() => undefined);
      await until('the payload to be gone', () => processes().every(({argv, state}) => argv[1] !== seconds || state === 'Z'), 10);
      await sweep(bench.site, {policy: {engines: [bench.engine.name]}});
      const {state} = await recordOf(bench, before);
      expect(state).to.be.oneOf(['lost', 'final']);
    },
  },
];
