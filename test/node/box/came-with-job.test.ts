/** What comes with a job (environment, ads, descriptor, directory, descriptors) makes the wrapper do nothing that the job itself could not do. */
import {expect} from 'chai';
import {execFileSync, spawn} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {availableParallelism, totalmem} from 'node:os';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot} from '../../support/tare.js';

const NOBODY = 65534;
const O_PATH = 0o10000000;
/** A number that is no account's. */
const OTHER = 48123;

describeSite('what comes with a job, %s', {each: true, timeout: patience(30_000)}, (site, role) => {
  const asRoot = (title: string, body: () => Promise<void>): void => {
    if (role === 'root') it(title, body);
  };
  /** A directory of root that only root can enter. */
  let victim: string;
  beforeEach(function () {
    need(this, isRoot, 'only root has files that a job may not touch');
    victim = join(site.directory, 'victim');
    mkdirSync(victim, {mode: 0o700});
  });

  const last = (): UsageRecord => {
    const [record] = site.records().sort((a, b) => (b.time.startEpochUs ?? 0) - (a.time.startEpochUs ?? 0));
    if (record === undefined) throw new Error('there is no record');
    return record;
  };
  const roots = (name: string): string => {
    writeFileSync(join(victim, name), 'precious\n', {mode: 0o600});
    return join(victim, name);
  };
  const owned = (path: string, text?: string, uid = NOBODY): string => {
    if (text === undefined) mkdirSync(path);
    else writeFileSync(path, text);
    chownSync(path, uid, uid);
    return path;
  };
  const condor = (errorFile: string): Record<string, string> => ({
    _CONDOR_JOB_AD: owned(join(site.work, `ad-${String(Date.now())}`), ''),
    _CONDOR_SCRATCH_DIR: site.work,
    _CONDOR_WRAPPER_ERROR_FILE: errorFile,
  });
  const descriptor = (...lines: string[]): string => owned(join(site.work, '.tare.yaml'), ['schema: tare/job/v1', ...lines, ''].join('\n'));
  const slurm = {SLURM_JOB_ID: '5'};

  describe('files that its environment names', () => {
    it('are not removed, written or made where the job may not', async () => {
      const stale = roots('stale');
      expect((await site.wrap(['/bin/true'], {env: condor(stale)})).code).to.equal(0);
      expect(readFileSync(stale, 'utf8')).to.equal('precious\n');
      // a fault of the node's is what the starter is told of
      descriptor('devices: [/dev/none-such]');
      const ended = await site.wrap(['/bin/true'], {policy: {devices: ['/dev/*']}, env: condor(join(victim, 'made'))});
      expect(ended.code, ended.stderr).to.equal(125);
      expect([readdirSync(victim), statSync(victim).mode & 0o777]).to.deep.equal([['stale'], 0o700]);
    });

    it('are where the job may: a stale word is removed, and the starter told by a file that it can read', async () => {
      const file = owned(join(site.work, '.job_wrapper_failure'), 'stale');
      expect((await site.wrap(['/bin/true'], {env: condor(file)})).code).to.equal(0);
      expect(existsSync(file)).to.equal(false);
      chmodSync(site.work, 0o700);
      descriptor('devices: [/dev/none-such]');
      expect((await site.wrap(['/bin/true'], {policy: {devices: ['/dev/*']}, env: condor(file)})).code).to.equal(125);
      expect(readFileSync(file, 'utf8')).to.match(/^tare: .*none-such/);
      expect([statSync(file).uid, statSync(file).mode & 0o777]).to.deep.equal([NOBODY, 0o644]);
      expect(statSync(site.work).mode & 0o777).to.equal(0o711);
    });

    it('of ARC’s are told nothing where the job may not, and told where it may', async () => {
      const diag = roots('diag');
      expect((await site.wrap(['/bin/true'], {env: {TARE_ARC: `diag=${diag}`}})).code).to.equal(0);
      expect(readFileSync(diag, 'utf8')).to.equal('precious\n');
      const own = owned(join(site.work, 'job.diag'), 'Processors=1\n');
      expect((await site.wrap(['/bin/true'], {env: {TARE_ARC: `diag=${own}`}})).code).to.equal(0);
      expect(readFileSync(own, 'utf8')).to.match(/^Processors=1\n.*tare_record=/s);
    });

    it('are not reached through a link that the payload puts below its directory', async () => {
      const outside = owned(join(site.directory, 'outside'));
      const diag = join(owned(join(site.work, 'sub')), 'job.diag');
      owned(diag, '');
      owned(join(outside, 'job.diag'), 'precious\n');
      // box.json is what a user's own files would be: writable for the account, but not from within the box
      const script = `mv sub gone && ln -s ${outside} sub && ! echo x 2>/dev/null >sub/job.diag`;
      const {code, stderr} = await site.wrap(['/bin/sh', '-c', script], {env: {TARE_ARC: `diag=${diag}`}});
      expect(code, stderr).to.equal(0);
      expect(readFileSync(join(outside, 'job.diag'), 'utf8')).to.equal('precious\n');
    });

    // a user can write nothing of root's in any case
    asRoot('are not told by a shim without a supervisor either', async () => {
      const folder = join(site.directory, 'folder');
      mkdirSync(join(folder, 'bin'), {recursive: true});
      execFileSync('cp', [bin('tare-wrap'), join(folder, 'bin/tare-wrap')]);
      const tell = (file: string): ReturnType<typeof ending> =>
        ending(spawn(join(folder, 'bin/tare-wrap'), ['/bin/true'], {cwd: site.work, env: condor(file), stdio: 'pipe'}));
      expect((await tell(join(victim, 'made'))).code).to.equal(125);
      expect([readdirSync(victim), statSync(victim).mode & 0o777]).to.deep.equal([[], 0o700]);
      const own = join(site.work, 'told');
      expect((await tell(own)).code).to.equal(125);
      expect([statSync(own).uid, readFileSync(own, 'utf8')]).to.satisfy(
        ([uid, text]: [number, string]) => uid === NOBODY && text.includes('tare.supervisor'),
      );
    });
  });

  it('a copy of the record goes through no link of the job’s', async () => {
    for (const [name, target] of [
      ['old', roots('record')],
      ['new', join(victim, 'new')],
    ] as const) {
      const link = join(site.work, `${name}.json`);
      symlinkSync(target, link);
      await site.command(['run', '--policy', site.policy(), '--record', link, '--', '/bin/true']);
      expect([lstatSync(link).isFile(), lstatSync(link).uid]).to.deep.equal([true, NOBODY]);
      expect((JSON.parse(readFileSync(link, 'utf8')) as UsageRecord).outcome.status).to.equal('completed');
    }
    expect(readFileSync(join(victim, 'record'), 'utf8')).to.equal('precious\n');
    expect(readdirSync(victim)).to.deep.equal(['record']);
  });

  it('a descriptor chooses no account, by `user` or by a work directory', async () => {
    const others = owned(join(site.directory, 'others'), undefined, OTHER);
    const whose = ['/bin/sh', '-c', 'id -u; echo >planted'];
    descriptor('user: daemon');
    const refused = await site.wrap(whose, {env: slurm});
    expect([refused.code, refused.stdout], refused.stderr).to.deep.equal([126, '']);
    expect(refused.stderr)
      .to.include('.tare.yaml#/user: ')
      .and.to.match(role === 'root' ? /does not choose its account.*nobody/ : /only root/);
    descriptor(`workDirectory: ${others}`);
    const moved = await site.wrap(whose, {env: slurm});
    expect(moved.stdout, moved.stderr).to.equal('65534\n');
    expect(readdirSync(others)).to.deep.equal([]);
    descriptor('user: nobody');
    expect((await site.wrap(['/bin/sh', '-c', 'id -u'], {env: slurm})).stdout).to.equal('65534\n');
  });

  // a user is one account
  asRoot('a descriptor that root names by itself does', async () => {
    const script = ['/bin/sh', '-c', 'id -u'];
    const others = owned(join(site.directory, 'others'), undefined, OTHER);
    const run = async (document: object): Promise<string> => (await site.run([site.job({command: script, ...document})])).stdout;
    expect(await run({user: 'daemon'})).to.equal('1\n');
    expect(await run({workDirectory: others})).to.equal(`${String(OTHER)}\n`);
  });

  it('its environment chooses no policy but those that the node offers', async () => {
    const inBox = ['/bin/sh', '-c', 'test -e /dev/tare && echo boxed || echo bare'];
    const own = owned(join(site.work, 'own.yaml'), 'schema: tare/policy/v1\nkillSwitch: /etc/passwd\n');
    for (const named of [own, '/etc/tare/policy.yaml', '/etc/tare/policies/../policy.yaml', `/etc/tare/policies/${own}`, 'own.yaml']) {
      const {code, stdout, stderr} = await site.wrap(inBox, {env: {...slurm, TARE_ARC: `policy=${named}`}});
      expect([code, stdout], named).to.deep.equal([125, '']);
      expect(stderr).to.include('only among those that the node offers').and.to.include('/etc/tare/policies');
    }
    expect(site.records().map(({outcome}) => outcome.code)).to.deep.equal(Array(5).fill('POLICY_INSECURE'));
    const offered = {'arc.yaml': {defaults: {wallTime: '77s'}}};
    const {stdout, stderr} = await site.wrap(inBox, {offered, env: {TARE_ARC: 'policy=/etc/tare/policies/arc.yaml'}});
    expect(stdout, stderr).to.equal('boxed\n');
    expect(last().limits?.wallTime.value).to.equal(77e6);
  });

  it('its environment makes a slot smaller, and never larger than the node', async () => {
    const granted = async (memory: number, count: number): Promise<UsageRecord['allocation']> => {
      const env = {TARE_ARC: `memory=${String(memory)}\ncount=${String(count)}`};
      expect((await site.wrap(['/bin/true'], {env})).code).to.equal(0);
      return last().allocation;
    };
    const large = await granted(9_000_000, 512);
    expect(large.cores)
      .to.be.at.most(availableParallelism() + 64)
      .and.to.be.below(512);
    expect(large.memoryLimitBytes).to.be.at.most(totalmem());
    const small = await granted(300, 1);
    expect([small.cores, (small.memoryLimitBytes ?? 0) < 300 * 2 ** 20]).to.deep.equal([1, true]);
  });

  describe('a work directory that is not its own', () => {
    const write = (directory: string): string[] => ['/bin/sh', '-c', `pwd; : >${directory}/tare-test-written && echo written`];
    it('is the private one, where the node’s is for all', async () => {
      for (const directory of ['/dev/shm', '/tmp', '/var/tmp']) {
        descriptor(`workDirectory: ${directory}`);
        const {code, stdout, stderr} = await site.wrap(write(directory), {env: slurm});
        expect([code, stdout], stderr).to.deep.equal([0, `${directory}\nwritten\n`]);
        expect(existsSync(join(directory, 'tare-test-written')), directory).to.equal(false);
        const called = await site.command(['run', '--policy', site.policy(), '--', ...write(directory)], {cwd: directory});
        expect([called.code, called.stdout], called.stderr).to.deep.equal([0, `${directory}\nwritten\n`]);
        expect(existsSync(join(directory, 'tare-test-written')), directory).to.equal(false);
      }
    });

    it('is read-only, unless the policy lets jobs write there', async () => {
      const forAll = join(site.directory, 'for-all');
      mkdirSync(forAll);
      chmodSync(forAll, 0o1777);
      const mine = owned(join(site.directory, 'mine'));
      const tried = async (directory: string, policy: object = {}): Promise<boolean> => {
        descriptor(`workDirectory: ${directory}`);
        const {stdout, stderr} = await site.wrap(write(directory), {policy, env: slurm});
        expect(stdout, stderr).to.match(new RegExp(`^${directory}\n`));
        const written = existsSync(join(directory, 'tare-test-written'));
        rmSync(join(directory, 'tare-test-written'), {force: true});
        return written;
      };
      expect(await tried(forAll)).to.equal(false);
      expect(await tried(forAll, {writable: [forAll]})).to.equal(true);
      expect(await tried(mine)).to.equal(true);
      expect(await tried(owned(join(site.work, 'below')))).to.equal(true);
    });
  });

  it('directories that are open where the wrapper is called are not open in the box; files are', async () => {
    const file = owned(join(site.work, 'file'), 'text\n');
    const open = [
      openSync('/', constants.O_RDONLY | constants.O_DIRECTORY),
      openSync('/', O_PATH | constants.O_DIRECTORY),
      openSync(file, O_PATH),
      openSync(file, constants.O_RDONLY),
    ];
    try {
      const script = 'for n in 3 4 5; do ! test -e /proc/self/fd/$n || echo $n; done; cat <&6; readlink /proc/self/fd/0';
      const argv = ['run', '--policy', site.policy({box: 'required'}), '--', '/bin/bash', '-c', script];
      const child = site.start(argv, {stdio: [open[0], 'pipe', 'pipe', ...open]});
      const {code, stdout, stderr} = await ending(child);
      expect([code, stdout], stderr).to.deep.equal([0, 'text\n/dev/null\n']);
    } finally {
      for (const descriptor of open) closeSync(descriptor);
    }
  });

  it('root’s session keyring is not the payload’s; a user’s own is', async function () {
    const python = (text: string): string => `import ctypes,os,sys\nl=ctypes.CDLL(None,use_errno=True)\n${text}`;
    const ring = python('sys.exit(0 if l.syscall(250,1,b"tare-test")>0 and l.syscall(248,b"user",b"tare-test",b"secret",6,-3)>0 else 1)');
    const can = await ending(spawn('python3', ['-c', ring], {stdio: 'ignore'})).catch(() => ({code: null}));
    need(this, can.code === 0 && process.arch === 'x64', 'keys cannot be had here, or have other numbers');
    const look = python(
      'k=l.syscall(250,10,-3,b"user",b"tare-test",0)\nb=ctypes.create_string_buffer(9)\nl.syscall(250,11,k,b,9)\nprint(b.value.decode() or "none")\nprint(l.syscall(248,b"user",b"own",b"x",1,-3)>0)',
    );
    const call = python(
      'l.syscall(250,1,b"tare-test")\nl.syscall(248,b"user",b"tare-test",b"secret",6,-3)\nos.execv(sys.argv[1],sys.argv[1:])',
    );
    const tare = bin('tare');
    const argv = ['-c', call, tare, 'run', '--policy', site.policy(), '--', '/usr/bin/python3', '-c', look];
    const {code, stdout, stderr} = await ending(
      spawn('python3', argv, {cwd: site.work, stdio: ['ignore', 'pipe', 'pipe'], ...site.credentials}),
    );
    expect([code, stdout], stderr).to.deep.equal([0, role === 'root' ? 'none\nTrue\n' : 'secret\nTrue\n']);
  });
});
