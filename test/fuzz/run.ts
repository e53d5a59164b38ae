/**
 * Feeds harnesses: `run.ts INPUTS SEED SECONDS TARGET…`; with SECONDS (0: none) it goes on for so long, whatever INPUTS. One line for each target
 * on standard output, `TARGET: N inputs`, or what was found and the file that it was written to; on standard error a dot from time to time,
 * to show progress.
 */
import {createHash} from 'node:crypto';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import fc from 'fast-check';
import {inputsFor} from './inputs.js';
import {isClean, type Target} from './target.js';
import {TARGETS} from './targets.js';

const FOUND = fileURLToPath(new URL('../../native/build/fuzz/', import.meta.url));
const MOST = 2 ** 31 - 1;
const DOT = 256;
const TRACED = 20;

/** Once more, with a trace of where it was. */
async function traced(run: Target['run'], input: Buffer, before: unknown): Promise<string> {
  Error.stackTraceLimit = TRACED;
  try {
    await run(input);
    isClean();
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  return `${String(before)}, and not when it was fed once more`;
}

async function feed({name, run, words}: Target, runs: number, seed: number, seconds: number): Promise<boolean> {
  let count = 0;
  const began = process.cpuUsage();
  const property = fc.asyncProperty(inputsFor(name, words), async (input) => {
    if (++count % DOT === 0) process.stderr.write('.');
    await run(input);
    isClean();
  });
  // most errors are refusals, whose traces are not needed
  Error.stackTraceLimit = 0;
  const limits = seconds > 0 ? {numRuns: MOST, interruptAfterTimeLimit: seconds * 1000} : {numRuns: runs};
  const {failed, counterexample, errorInstance} = await fc.check(property, {...limits, seed});
  if (!failed || counterexample === null) {
    const {user, system} = process.cpuUsage(began);
    console.log(`${name}: ${String(count)} inputs, ${String(Math.round(count / ((user + system) / 1e6)))} a second of CPU`);
    return true;
  }
  const [input] = counterexample;
  mkdirSync(FOUND, {recursive: true});
  const file = join(FOUND, `${name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  writeFileSync(file, input);
  console.log(`FAILED ${name}: after ${String(count)} inputs: ${await traced(run, input, errorInstance)}`);
  console.log(`its input: ${file}; mended, it belongs in fixtures/fuzz/${name}`);
  return false;
}

const [inputs = '1000', seed = '1', seconds = '0', ...names] = process.argv.slice(2);
for (const target of TARGETS.filter(({name}) => names.length === 0 || names.includes(name)))
  if (!(await feed(target, Number(inputs), Number(seed), Number(seconds)))) process.exitCode = 1;
