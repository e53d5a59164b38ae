/**
 * `npm run faults -- N [--seed S] [--from K] [--kind NAME] [--at-once A] [--list]`: N faults, each in a short job of its own, and what is true
 * after each. The same seed and number are the same fault; `-- 1 --seed S --from K` is the K-th alone.
 */

import {parseArgs} from 'node:util';
import {isRoot} from '../support/tare.js';
import {faultOf, wordsOf, type Fault} from './fault.js';
import {abandon, meet, type Met} from './meet.js';
import {Scene} from './scene.js';

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    seed: {type: 'string', default: '20261130'},
    from: {type: 'string', default: '0'},
    kind: {type: 'string'},
    'at-once': {type: 'string', default: '4'},
    list: {type: 'boolean', default: false},
    verbose: {type: 'boolean', default: false},
  },
});
const numberOf = (text: string, name: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${name}: ${text} is no whole number`);
  return Number(text);
};
const count = numberOf(positionals[0] ?? '200', 'N');
const seed = numberOf(values.seed, '--seed');
const from = numberOf(values.from, '--from');
const atOnce = numberOf(values['at-once'], '--at-once');
const faults = Array.from({length: count}, (_, index) => faultOf(seed, from + index, values.kind ?? null));

if (values.list) {
  for (const fault of faults) console.log(`${String(fault.number)} ${wordsOf(fault)}`);
  process.exit(0);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    abandon();
    process.exit(1);
  });

/** Faults come at times in parts of a launch, however slow the machine is. */
async function launchMs(): Promise<number> {
  const role = isRoot ? 'root' : 'user';
  const scene = new Scene({role, supervisor: 'folder', pattern: 'ulimit++', mode: 'enforce', batch: 'none', payload: {ms: 1, exit: 0}}, 0);
  const start = performance.now();
  await scene.start({words: 'none'});
  scene.site.remove();
  return performance.now() - start;
}

const repeat = ({number}: Fault): string =>
  `npm run faults -- 1 --seed ${String(seed)} --from ${String(number)}${values.kind === undefined ? '' : ` --kind ${values.kind}`}`;

function tell(fault: Fault, {result, wrong, outcome, swept, said, ms}: Met): void {
  if (values.verbose)
    console.log(
      `${String(fault.number)} ${result} (${outcome}${swept ? ', swept' : ''}, ${ms.toFixed(0)} ms) ${[wordsOf(fault), ...said].join('; ')}`,
    );
  if (result !== 'failed') return;
  console.log(`failed: ${wordsOf(fault)}\n  ${repeat(fault)}\n${wrong.map((line) => `  ${line.replaceAll('\n', '\n    ')}`).join('\n')}`);
}

const start = performance.now();
const launch = await launchMs();
const all: {fault: Fault; met: Met}[] = [];
// the slow ones first, so that they do not run alone at the end
const order = [...faults].sort((one, other) => Number(other.kind === 'hung') - Number(one.kind === 'hung'));
const work = async (): Promise<void> => {
  for (let fault = order.shift(); fault !== undefined; fault = order.shift()) {
    const met = await meet(fault, launch).catch((error: unknown): Met => ({
      ...{result: 'failed', swept: false, outcome: 'none', said: [], ms: 0},
      wrong: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    }));
    all.push({fault, met});
    tell(fault, met);
  }
};
await Promise.all(Array.from({length: atOnce}, work));

const tally = (names: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, times]) => `${name} ${String(times)}`)
    .join(', ');
};
const of = (result: Met['result']): {fault: Fault; met: Met}[] => all.filter(({met}) => met.result === result);
console.log(`kinds: ${tally(all.map(({fault}) => fault.kind))}`);
console.log(`kinds that failed: ${tally(of('failed').map(({fault}) => fault.kind)) || 'none'}`);
console.log(`skipped: ${tally(of('skipped').map(({fault, met}) => `${fault.kind} (${met.outcome})`)) || 'none'}`);
console.log(`outcomes: ${tally(all.map(({met}) => met.outcome))}`);
console.log(`finished by a sweep: ${String(all.filter(({met}) => met.swept).length)}`);
console.log(`seed ${String(seed)}, ${((performance.now() - start) / 1000).toFixed(1)} s, a launch ${launch.toFixed(0)} ms`);
const skipped = of('skipped').length;
console.log(
  `${String(of('held').length)} passed, ${String(of('failed').length)} failed${skipped === 0 ? '' : `, ${String(skipped)} skipped`}`,
);
process.exit(of('failed').length === 0 ? 0 : 1);
