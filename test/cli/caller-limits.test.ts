/** A caller whose own limits leave the wrapper too little to work with: it ends, soon, as the job or with one line of its own. */
import {spawn} from 'node:child_process';
import {existsSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {expect} from 'chai';
import {need} from '../support/need.js';
import {patience} from '../support/pace.js';
import {bin, ending, isRoot, program} from '../support/tare.js';

/** A uid without an account, so that no other process counts for its limit. */
const UID = 64_998;
const SECONDS = 20;

const ROWS = [
  ['no thread for the supervisor', '--nproc=5'],
  ['some threads, and no more', '--nproc=9'],
  ['a small address space', '--as=200000000'],
  ['little data', '--data=20000000'],
  ['a small stack', '--stack=65536'],
  ['hardly a stack', '--stack=18432'],
] as const;
const BEGINNINGS = [['tare-wrap'], ['tare', 'run', '--']] as const;

describe('a caller with hardly anything', function () {
  this.timeout(patience(SECONDS * 2) * 1000);
  before(function () {
    need(this, isRoot, 'only root becomes an account that nobody has');
    need(this, program('prlimit') !== null, 'prlimit (util-linux) is not installed');
    need(this, !existsSync('/etc/tare/policy.yaml'), 'this node has a policy of its own, which would rule the tests');
  });
  after(() => {
    rmSync(`/var/tmp/tare-${String(UID)}`, {recursive: true, force: true});
  });

  for (const [what, option, begin] of ROWS.flatMap(([what, option]) => BEGINNINGS.map((begin) => [what, option, begin] as const)))
    it(`${begin.join(' ')}, ${what}: ends, and says no more than one line`, async () => {
      const [name, ...rest] = begin;
      const argv = [option, bin(name), ...rest, '/bin/true'];
      // what lies on a stack from the start is the environment
      const env = {PATH: process.env['PATH']};
      const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
      const child = spawn('prlimit', argv, {cwd: tmpdir(), env, uid: UID, gid: UID, stdio, timeout: patience(SECONDS) * 1000});
      const {code, signal, stdout, stderr} = await ending(child);
      expect([signal, stdout], stderr).to.deep.equal([null, '']);
      expect(code, stderr).to.be.oneOf([0, 125]);
      expect(stderr).to.match(code === 0 ? /^$/ : /^tare: [^\n]+\n$/);
    });

  it('a soft limit of the stack that is small is the payload’s, and the supervisor has what it needs', async () => {
    const argv = ['--stack=65536:unlimited', bin('tare'), 'run', '--', '/bin/sh', '-c', 'ulimit -s'];
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    const child = spawn('prlimit', argv, {cwd: tmpdir(), env: {PATH: process.env['PATH']}, uid: UID, gid: UID, stdio, timeout: 60_000});
    const {code, stdout, stderr} = await ending(child);
    expect([code, stdout, stderr]).to.deep.equal([0, '64\n', '']);
  });
});
