/** The inputs of fixtures/fuzz: seeds of the harnesses, and all that they ever found. */
import {seedsOf} from '../fuzz/inputs.js';
import {isClean} from '../fuzz/target.js';
import {TARGETS} from '../fuzz/targets.js';

describe('inputs of the harnesses', () => {
  for (const {name, run} of TARGETS)
    for (const {name: file, bytes} of seedsOf(name))
      it(`${name}: ${file}`, async () => {
        await run(bytes);
        isClean();
      });
});
