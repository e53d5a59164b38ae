/** A process that adds elements to a queue until it is killed: argv is the queue, its own number, and how many. It says which are in. */

import {createHash} from 'node:crypto';
import {addToQueue} from '../../../plugins/apel/dirq.js';
import {exportEffects} from '../../../src/export/effects.js';

const [, , queue = '', writer = '', count = '0'] = process.argv;
const effects = exportEffects('/nowhere');
for (let index = 0; index < Number(count); index++) {
  const body = `${writer} ${index} ${'x'.repeat(100_000)}`;
  // all with the same last digit, as the worst of chances has it
  addToQueue(queue, `${createHash('sha256').update(body).digest('hex')} ${body}`, effects, 7);
  process.stdout.write(`${writer} ${index}\n`);
}
