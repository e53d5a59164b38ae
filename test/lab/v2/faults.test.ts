/** Faults (test/faults) where the groups are version 2's, as root with groups and as a user without. */

import {spawn} from 'node:child_process';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {ending} from '../../support/tare.js';
import {requirePureV2} from './node.js';

const COUNT = Number(process.env.TARE_FAULTS ?? 60);
const FAULTS = join(fileURLToPath(new URL('../..', import.meta.url)), 'faults/faults.js');

describe(`${String(COUNT)} faults on version 2`, function () {
  this.timeout(1_800_000);
  before(requirePureV2);

  it('one record each, nothing left, no hang', async () => {
    // a file system that hangs needs FUSE's Python, which is not here
    const child = spawn(process.execPath, [FAULTS, String(COUNT), '--at-once', '2'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {...process.env, TARE_MUST_WORK: ''},
    });
    const {code, stdout, stderr} = await ending(child);
    console.log(stdout);
    expect(code, stdout + stderr).to.equal(0);
    expect(/^skipped: (.*)$/m.exec(stdout)?.[1], stdout).to.match(/^(?:none|hung \(fuse\) \d+)$/);
  });
});
