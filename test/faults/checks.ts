/** What has to be true after a fault, whatever it was. */

import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {verifyRecord} from '../../src/export/verify.js';
import type {UsageRecord} from '../../src/record/record.js';
import {signalName} from '../../src/record/wait-status.js';
import validateRecord from '../../src/schema/generated/record-2.validator.js';
import {groups} from '../support/tare.js';
import type {Harm} from './fault.js';
import type {Scene} from './scene.js';

const FAILURE = 125;
const SUPERVISORS_MAX = 3;
/** An uncaught error. */
const STACK = /^\s+at .+:\d+|AddressSanitizer|Error: E[A-Z]+:/m;

/** Records in a spool, with what is wrong with each by itself. */
export function records(spool: string): {all: UsageRecord[]; wrong: string[]} {
  const names = existsSync(spool) ? readdirSync(spool).filter((name) => /^[0-9a-f-]{36}\.json$/.test(name)) : [];
  const texts = names.map((name) => ({name, text: readFileSync(join(spool, name), 'utf8')}));
  const wrong = texts.flatMap(({name, text}) =>
    verifyRecord(text, name.replace('.json', ''), validateRecord).map((what) => `record: ${what}`),
  );
  return {all: texts.flatMap(({text}) => parsed(text)), wrong};
}

function parsed(text: string): UsageRecord[] {
  try {
    return [JSON.parse(text) as UsageRecord];
  } catch {
    return [];
  }
}

/** What the job has left on the node: nothing, once what dies is dead. */
export function leftOf(scene: Scene): string[] {
  scene.look();
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${scene.site.directory}/`) && point.slice(scene.site.directory.length).includes('/tare-'));
  const ours = groups().filter((path) => [...scene.boxes].some((id) => path.endsWith(`/tare-${id}`)));
  return [...new Set([...scene.site.leftovers().filter((what) => !isFiller(what)), ...ours, ...mounts])];
}

const isFiller = (what: string): boolean => what.endsWith('/filler');

/** The wrapper has left something to a sweep, and says so, or could not. */
export function mayNeedSweep(scene: Scene, harm: Harm, all: readonly UsageRecord[]): boolean {
  const {stderr = ''} = scene.ended ?? {};
  return (
    harm.sweep === true ||
    scene.supervisors >= SUPERVISORS_MAX ||
    all.some(({flags}) => flags.includes('left-behind')) ||
    /tare records sweep|LAUNCH_TIMEOUT|the supervisor died/.test(stderr)
  );
}

/**
 * The one record, and how it agrees with how the wrapper ended and with what the payload itself has said. Node.js says exit 0 for a signal that it has no
 * name for, a real-time one: that it cannot tell apart native/test does.
 */
export function classify(scene: Scene, harm: Harm, all: readonly UsageRecord[]): string[] {
  const {ended, hasBegun, isDone, way} = scene;
  if (ended === null) return ['the wrapper has not ended'];
  const {code, signal, stderr} = ended;
  const unnamed = code === 0 && all[0]?.outcome.signal?.startsWith('SIGRTMIN') === true;
  const how = signal ?? (unnamed ? 'a real-time signal, or exit 0' : `exit ${String(code)}`);
  const wrong: string[] = [];
  // Node.js says so itself of what it could not load
  if (STACK.test(stderr) && !stderr.includes('the supervisor died')) wrong.push('an error that nobody has caught');
  const [record, ...more] = all;
  if (more.length > 0) wrong.push(`${String(all.length)} records of one job`);
  if (record === undefined) {
    if (hasBegun) wrong.push('the payload ran, and there is no record');
    if (code === 0) wrong.push('exit 0, and there is no record');
    return wrong;
  }
  const {state, outcome, time} = record;
  const told = `the record says ${outcome.status}, exit ${String(outcome.exitCode)}, signal ${String(outcome.signal)}`;
  if (state === 'started') wrong.push('the record is open');
  // a sweep can find out which limit killed it
  const isLost = outcome.status === 'lost' || (state === 'lost' && ['killed-by-slot', 'killed'].includes(outcome.status));
  if ((state === 'lost') !== isLost) wrong.push(`the record is ${state}, ${told}`);
  const ownEnd = outcome.status === 'completed' || outcome.status === 'failed';
  // a wrapper that is killed when it has written the record can tell nothing
  if (ownEnd && outcome.exitCode !== code && !(harm.sweep === true && signal === 'SIGKILL'))
    wrong.push(`the wrapper ended with ${how}, ${told}`);
  if (outcome.status === 'completed' && (!isDone || way.payload.exit !== 0)) wrong.push(`the payload has not come to a good end, ${told}`);
  // the kernel killed a child of its, and it went on
  const livedOn = outcome.status === 'limit' && outcome.exitCode === 0 && isDone && way.payload.exit === 0;
  if (code === 0 && !unnamed && !livedOn && outcome.status !== 'completed' && outcome.status !== 'lost')
    wrong.push(`the wrapper ended with 0, ${told}`);
  if (ownEnd && isDone && outcome.exitCode !== way.payload.exit)
    wrong.push(`the payload came to its end with ${String(way.payload.exit)}, ${told}`);
  if (outcome.signal !== null && !unnamed && !isSignal(outcome.signal, ended)) wrong.push(`the wrapper ended with ${how}, ${told}`);
  if (hasBegun && time.startEpochUs === null && outcome.status !== 'lost') wrong.push(`the payload ran, ${told}, and no start`);
  if (outcome.status === 'wrapper-failure' && code !== FAILURE && signal === null) wrong.push(`the wrapper ended with ${how}, ${told}`);
  return wrong;
}

/** As the process ended, or as a shell would say it. */
function isSignal(name: string, {code, signal}: {code: number | null; signal: string | null}): boolean {
  if (signal !== null) return signal === name || signal === 'SIGKILL';
  return code !== null && code > 128 && signalName(code - 128) === name;
}
