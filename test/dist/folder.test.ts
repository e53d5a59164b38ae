/** The folder for worker nodes: nothing but it is needed, and it may lie anywhere. */
import {existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {TARE_VERSION} from '../../src/version.js';
import {FOLDER, WorkerNode} from '../support/folder.js';
import {need} from '../support/need.js';
import {ending, isRoot, until, type Role} from '../support/tare.js';

const AT_ONCE = 8;

describe('the folder', () => {
  it('has programs, policies, manual pages, licence and version', () => {
    const files = [
      'bin/tare',
      'bin/tare-wrap',
      'bin/tare.supervisor',
      'libexec/tare',
      'libexec/tare-attacks',
      'configs/policies/tier3.yaml',
      'LICENSE',
    ];
    for (const name of [...files, 'share/man/man1/tare.1', 'share/man/man1/tare-wrap.1'])
      expect(existsSync(join(FOLDER, name)), name).to.be.true;
    const page = readFileSync(join(FOLDER, 'share/man/man1/tare.1'), 'utf8');
    // programs that are not called by hand are not in the manual
    expect([page.includes('\\-\\-attacks'), page.includes('\\-\\-bare')]).to.deep.equal([true, false]);
    expect(readFileSync(join(FOLDER, 'VERSION'), 'utf8')).to.equal(`${TARE_VERSION}\n`);
    expect(lstatSync(join(FOLDER, 'bin/tare-wrap')).isSymbolicLink()).to.be.true;
  });

  it('is compiled for processors without AVX2 (by the name of the compiler’s package; no such processor is at hand)', () => {
    const {optionalDependencies} = JSON.parse(readFileSync(join(FOLDER, '../../package.json'), 'utf8')) as {optionalDependencies: object};
    expect(Object.keys(optionalDependencies)).to.deep.equal(['@oven/bun-linux-x64-baseline']);
  });
});

for (const role of ['root', 'user'] satisfies Role[]) {
  describe(`the folder on a node without Node.js, read-only, ${role}`, function () {
    this.timeout(60_000);
    let node: WorkerNode;
    before(function () {
      need(this, isRoot, 'only root can make the node, in a mount namespace of its own');
      need(this, !existsSync('/etc/tare/policy.yaml'), 'this node has a policy of its own, which would rule the tests');
      node = new WorkerNode(role);
      remove = () => node.remove();
    });
    let remove = (): void => undefined;
    after(() => remove());
    afterEach(() => {
      expect(node.leftovers()).to.deep.equal([]);
    });

    const wrap = (...argv: string[]): ReturnType<typeof ending> => ending(node.start(join(node.place, 'bin/tare-wrap'), argv));
    const tare = (...argv: string[]): ReturnType<typeof ending> => ending(node.start(join(node.place, 'bin/tare'), argv));

    it('ends as the payload ended, and leaves a record', async () => {
      const {code, stdout, stderr} = await wrap('/bin/sh', '-c', 'echo "$@"; echo err >&2; [ $$ -lt 10 ]; exit 7', 'sh', '--json', 'run');
      expect([code, stdout, stderr]).to.deep.equal([7, '--json run\n', 'err\n']);
      const [record] = node.records();
      expect(record?.state).to.equal('final');
      expect(record?.outcome).to.include({status: 'failed', exitCode: 7});
      expect(record?.host.tareVersion).to.equal(TARE_VERSION);
      // its clock and the shim's are one
      expect(record?.time.wallUs).to.be.within(1, 5e6);
      expect(record?.tare.launchUs).to.be.within(1, 5e6);
      expect(record?.tare.teardownUs).to.be.within(1, 5e6);
      expect(Math.abs(Date.now() * 1000 - (record?.time.endEpochUs ?? 0))).to.be.below(10e6);
    });

    it('dies by the payload’s signal, and passes signals on', async () => {
      expect((await wrap('/bin/sh', '-c', 'kill -SEGV $$')).signal).to.equal('SIGSEGV');
      const script = 'trap "echo got; exit 3" USR1; touch there; while :; do sleep 0.05; done';
      const child = node.start(join(node.place, 'bin/tare-wrap'), ['/bin/sh', '-c', script], {detached: true});
      const end = ending(child);
      await until('the payload', () => existsSync(join(node.site.work, 'there')));
      child.kill('SIGUSR1');
      const {code, stdout} = await end;
      expect([code, stdout]).to.deep.equal([3, 'got\n']);
    });

    it('works through a symbolic link', async () => {
      const link = join(node.site.directory, 'tare-wrap');
      symlinkSync(join(node.place, 'bin/tare-wrap'), link);
      expect((await ending(node.start(link, ['/bin/sh', '-c', 'exit 5']))).code).to.equal(5);
    });

    it(`runs ${AT_ONCE} jobs at once`, async () => {
      const before = node.records().length;
      const ended = await Promise.all(Array.from({length: AT_ONCE}, (_, index) => wrap('/bin/sh', '-c', `sleep 0.5; exit ${index}`)));
      expect(ended.map(({code}) => code)).to.deep.equal(Array.from({length: AT_ONCE}, (_, index) => index));
      expect(node.records().length - before).to.equal(AT_ONCE);
      expect(node.records().every(({state}) => state === 'final')).to.be.true;
    });

    it('heeds nothing that lies in the work directory or in the job’s environment', async () => {
      const evil = join(node.site.work, 'evil.js');
      const trace = join(node.site.work, 'evil-was-here');
      writeFileSync(evil, `require('node:fs').writeFileSync(${JSON.stringify(trace)}, '')`);
      writeFileSync(join(node.site.work, 'bunfig.toml'), `preload = ["${evil}"]\n`);
      writeFileSync(join(node.site.work, '.env'), `BUN_OPTIONS="--preload ${evil}"\nNODE_OPTIONS="--require ${evil}"\n`);
      const env = {BUN_OPTIONS: `--preload ${evil}`, BUN_BE_BUN: '1', NODE_OPTIONS: `--require ${evil}`};
      const seen = await ending(node.start(join(node.place, 'bin/tare-wrap'), ['/bin/sh', '-c', 'echo $BUN_BE_BUN'], {env}));
      expect([seen.code, seen.stdout]).to.deep.equal([0, '1\n']);
      expect((await ending(node.start(join(node.place, 'bin/tare'), ['run', '--', '/bin/true'], {env}))).code).to.equal(0);
      expect((await ending(node.start(join(node.place, 'bin/tare'), ['schema', 'job'], {env}))).code).to.equal(0);
      expect(existsSync(trace)).to.be.false;
    });

    it('has the whole command line', async () => {
      const doctor = await tare('doctor');
      expect(doctor.stdout, doctor.stderr).to.match(new RegExp(`^ok +static program +${node.place}/bin/tare$`, 'm'));
      expect(JSON.parse((await tare('plan', '--json', '--', '/bin/true')).stdout)).to.have.property('schema', 'tare/plan/v1');
      expect((await tare('validate', join(node.place, 'configs/policies/tier3.yaml'))).stdout).to.match(/tier3.yaml: .*policy/);
      expect(JSON.parse((await tare('schema', 'record')).stdout)).to.have.property('$id');
      expect((await tare('--help')).stdout).to.match(/run +Run a job in its box/);
      expect((await tare('run', '--help')).stdout).to.contain('--wall-time');
      expect((await tare('run', '--no-such-flag')).code).to.equal(64);
      const ran = await tare('run', '--json', '--verbose', '--', '/bin/sh', '-c', 'exit 4');
      expect(ran.code).to.equal(4);
      expect(JSON.parse(ran.stdout)).to.have.property('state', 'final');
      expect(ran.stderr).to.contain('exit code 4');
    });
  });
}
