/** Batch systems: what a job and its environment say. An input is lines of `NAME=value`, then, after a blank line, a file. */
import type {BatchAdapter, BatchCall, Connection, Effects} from '@tare/contract';
import {adapter as arc} from '../../plugins/arc/adapter.js';
import {setJobAttributes} from '../../plugins/htcondor/chirp.js';
import {adapter as htcondor, examine as examineHtcondor} from '../../plugins/htcondor/adapter.js';
import {parseAd} from '../../plugins/htcondor/classad.js';
import {adapter as slurm, examine as examineSlurm} from '../../plugins/slurm/adapter.js';
import {amounts, holds, type Target} from './target.js';

const nothing = (): never => {
  throw new Error('ENOENT');
};

/** Every file has the same text, and nothing is written. */
const effectsOn = (text: string): Effects =>
  ({
    readText: () => text,
    exists: () => true,
    isRoots: () => false,
    remove: () => undefined,
    writeText: () => undefined,
    letPass: () => undefined,
    log: () => undefined,
    monotonicMs: () => 0,
    connect: nothing,
    ...({} as Partial<Effects>),
  }) as Effects;

function callOf(input: Buffer): {call: BatchCall; text: string} {
  const [head = '', ...rest] = input.toString('utf8').split('\n\n');
  const pairs = head.split('\n').flatMap((line) => {
    const equals = line.indexOf('=');
    return equals > 0 ? [[line.slice(0, equals), line.slice(equals + 1)] as const] : [];
  });
  const environment = Object.fromEntries(pairs);
  return {call: {role: 'wrapper', argv: ['./payload'], environment, cwd: '/work', uid: 1000}, text: rest.join('\n\n')};
}

function reads(adapter: BatchAdapter, input: Buffer): void {
  const {call, text} = callOf(input);
  const job = adapter.read(call, effectsOn(text));
  for (const slot of [job.slot, job.together?.slot]) {
    amounts(slot);
    for (const read of [slot?.cores, slot?.memoryBytes, slot?.gpus, slot?.wallTimeUs])
      holds(read?.value !== 0, `a limit is more than 0: ${JSON.stringify(read)}`);
  }
  holds(Number.isSafeInteger(job.lrms.attempt) && job.lrms.attempt >= 1, `an attempt has a number: ${String(job.lrms.attempt)}`);
}

function readsAd(input: Buffer): void {
  const ad = parseAd(input.toString('utf8'));
  for (const name of ['RequestCpus', 'Cpus', 'TareJob', 'WantFTOnCheckpoint', '__proto__', 'constructor']) {
    const [text, string, number, integer] = [ad.text(name), ad.string(name), ad.number(name), ad.integer(name)];
    if (string !== null) {
      const again = parseAd(`${name} = "${string.replaceAll('"', '\\"')}"`).string(name);
      // a backslash at the end would be read as one before the quote
      holds(string.includes('\\') || string.includes('\n') || again === string, `a string comes back: ${JSON.stringify(string)}`);
    }
    if (integer !== null)
      holds(parseAd(`${name} = ${String(integer)}`).integer(name) === integer, `an integer comes back: ${String(integer)}`);
    if (number !== null) holds(Number.isFinite(number), 'a number is finite');
    if (text === null) holds(string === null && number === null && ad.boolean(name) === null, 'what is absent is nothing else');
  }
}

/** The configuration in the first line, answers in the others. */
async function chirps(input: Buffer): Promise<void> {
  const [config = '', ...answers] = input.toString('utf8').split('\n');
  const connection: Connection = {send: () => undefined, readLine: () => Promise.resolve(answers.shift() ?? null), close: () => undefined};
  const remarks = await setJobAttributes(
    config,
    {ChirpTareA: 1, ChirpTareB: answers.join(' '), 'not taken': true},
    {...effectsOn(''), connect: () => Promise.resolve(connection)},
  );
  for (const remark of remarks) holds(!remark.includes('\n') && remark.length < 1000, `a remark is a line: ${remark}`);
}

export const BATCH: Target[] = [
  {name: 'classad', words: ['RequestCpus = ', '"', '\\"', 'true', '-0', '1E5'], run: readsAd},
  {
    name: 'htcondor',
    words: ['_CONDOR_JOB_AD=', 'RequestMemory = ', 'Cpus = ', 'KillSig = ', 'OMP_NUM_THREADS='],
    run: (input) => {
      reads(htcondor, input);
      const {call, text} = callOf(input);
      examineHtcondor(call, effectsOn(text));
    },
  },
  {name: 'chirp', words: ['0', '-1', '127.0.0.1 1234 cookie'], run: chirps},
  {name: 'arc', words: ['TARE_ARC=', 'count', 'memory', 'walltime', 'fqan'], run: (input) => reads(arc, input)},
  {
    name: 'slurm',
    words: ['SLURM_STEP_TASKS_PER_NODE=', '1(x999999)', 'SLURM_NODEID=', 'SLURM_MEM_PER_CPU=', 'SLURM_LOCALID='],
    run: (input) => {
      reads(slurm, input);
      const {call, text} = callOf(input);
      examineSlurm(call, effectsOn(text));
    },
  },
];
