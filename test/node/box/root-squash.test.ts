/** Root for an account whose directory lies on a file server with root_squash: what root may not touch it touches as that account. */

import {expect} from 'chai';
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {UsageRecord} from '../../../src/record/record.js';
import {hasPythonFuse} from '../../support/cvmfs.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, send, until} from '../../support/tare.js';

const SERVER = fileURLToPath(new URL('../../support/root-squash.py', import.meta.url));
const PYTHON = '/usr/bin/python3';

/** An account with a directory of its own on a file server that trusts no root: served by FUSE, as NFS with root_squash does it. */
class SquashedHome {
  /** An account that every distribution has, other than nobody. */
  readonly account = 'games';
  readonly uid: number;
  readonly gid: number;
  /** The directory, as it is mounted. */
  readonly directory: string;
  /** The same on the server, where root is root. */
  readonly behind: string;
  private readonly place = mkdtempSync('/srv/tare-squash-');
  private server: ChildProcess | null = null;

  constructor() {
    const [, , uid, gid] = execFileSync('getent', ['passwd', this.account], {encoding: 'utf8'}).split(':');
    [this.uid, this.gid] = [Number(uid), Number(gid)];
    chmodSync(this.place, 0o755);
    const mountpoint = join(this.place, 'grid');
    this.directory = join(mountpoint, 'job');
    this.behind = join(this.place, 'served/job');
    for (const directory of [mountpoint, join(this.place, 'served'), this.behind]) mkdirSync(directory, {mode: 0o755});
    chownSync(this.behind, this.uid, this.gid);
    chmodSync(this.behind, 0o700);
  }

  async mount(): Promise<void> {
    const mountpoint = join(this.place, 'grid');
    this.server = spawn(PYTHON, [SERVER, join(this.place, 'served'), mountpoint], {stdio: 'inherit'});
    await until('the file server', () => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${mountpoint} `));
  }

  /** A command as the account, in its directory. */
  as(script: string): string {
    const argv = ['--reuid', String(this.uid), '--regid', String(this.gid), '--clear-groups', '/bin/sh', '-euc', script];
    return execFileSync('setpriv', argv, {cwd: '/', encoding: 'utf8', env: {PATH: '/usr/bin:/bin', HERE: this.directory}});
  }

  /** Runs a program as root whose work directory is one that only the account can enter: a batch system goes there as the account. */
  inside(directory: string, argv: readonly string[]): [program: string, argv: string[]] {
    const enter = `import os, sys
os.setegid(${String(this.gid)}); os.seteuid(${String(this.uid)}); os.chdir(sys.argv[1]); os.seteuid(0); os.setegid(0)
os.execvp(sys.argv[2], sys.argv[2:])`;
    return [PYTHON, ['-I', '-c', enter, directory, ...argv]];
  }

  remove(): void {
    try {
      execFileSync('umount', ['--lazy', join(this.place, 'grid')], {stdio: 'ignore'});
    } catch {
      // it never was
    }
    if (this.server?.pid !== undefined) send(this.server.pid, 'SIGKILL');
    rmSync(this.place, {recursive: true, force: true});
  }
}

describeSite('a directory in which root has the rights of nobody', {roles: ['root'], mayLeave: true, timeout: patience(60_000)}, (site) => {
  let home: SquashedHome;
  before(async function () {
    need(this, isRoot, 'only root mounts for all');
    need(this, hasPythonFuse(), 'python3-fuse is not installed');
    home = new SquashedHome();
    await home.mount();
    home.as('cd "$HERE"; mkdir -m 700 sub; ln -s sub link');
  });
  after(() => {
    home.remove();
  });

  const inside = async (directory: string, argv: readonly string[], env: NodeJS.ProcessEnv = {PATH: '/usr/bin:/bin'}) => {
    const [program, words] = home.inside(directory, argv);
    return ending(spawn(program, words, {env, stdio: ['ignore', 'pipe', 'pipe']}));
  };
  const run = (directory: string, ...argv: string[]) => inside(directory, [bin('tare'), 'run', '--policy', site.policy(), ...argv]);
  const lastRecord = (): UsageRecord | undefined =>
    site.records().sort((a, b) => (b.time.startEpochUs ?? 0) - (a.time.startEpochUs ?? 0))[0];

  it('is one: root cannot look into it', () => {
    expect(() => readdirSync(home.directory)).to.throw('EACCES');
    expect(() => statSync(join(home.directory, 'sub'))).to.throw('EACCES');
  });

  for (const name of ['', 'sub', 'link'])
    it(`is worked in by its owner: ${name || 'itself'}`, async () => {
      const {code, stdout, stderr} = await run(join(home.directory, name), '--', '/bin/sh', '-c', 'id -un; pwd -P; echo made >file');
      const place = name === '' ? home.directory : join(home.directory, 'sub');
      expect([code, stdout], stderr).to.deep.equal([0, `${home.account}\n${place}\n`]);
      expect(home.as(`cat ${place}/file`)).to.equal('made\n');
      expect(lastRecord()?.user.local).to.equal(home.account);
      expect(lastRecord()?.mode).to.equal('box');
    });

  it('has the descriptor and takes the copy of the record, named from elsewhere and from there', async () => {
    home.as(`cat >"$HERE/sub/job.yaml" <<'.'
schema: tare/job/v1
command: [/bin/sh, -c, 'id -un; pwd']
.`);
    for (const [at, file, copy] of [
      ['/', join(home.directory, 'sub/job.yaml'), join(home.directory, 'sub/one.json')],
      [join(home.directory, 'sub'), 'job.yaml', 'two.json'],
    ] as const) {
      const {code, stdout, stderr} = await run(at, '--work-directory', join(home.directory, 'sub'), '--record', copy, file);
      expect([code, stdout, stderr]).to.deep.equal([0, `${home.account}\n${home.directory}/sub\n`, '']);
    }
    for (const name of ['one', 'two']) {
      const copy = JSON.parse(home.as(`cat "$HERE/sub/${name}.json"`)) as UsageRecord;
      expect([copy.state, copy.outcome.status]).to.deep.equal(['final', 'completed']);
      expect(statSync(join(home.behind, `sub/${name}.json`)).uid).to.equal(home.uid);
    }
  });

  it('does not lead the payload to where the wrapper keeps its own', async () => {
    home.as(`ln -s ${join(site.directory, 'spool')} "$HERE/sub/spool"`);
    const {code, stderr} = await run('/', '--work-directory', join(home.directory, 'sub/spool'), '--', '/bin/true');
    expect([code, stderr]).to.deep.equal([125, stderr]);
    expect(stderr)
      .to.include('the wrapper’s own directories')
      .and.include(`(${join(site.directory, 'spool')})`);
  });

  it('has files for which applications wait, and that they write to', async () => {
    const sub = join(home.directory, 'sub');
    const job = site.job({
      workDirectory: sub,
      output: 'files',
      applications: [
        {name: 'first', command: ['/bin/sh', '-c', 'echo up; touch up; sleep 1'], ready: {file: 'up', within: '20s'}},
        {name: 'second', command: ['/bin/sh', '-c', 'echo second; test -e up'], needs: ['first']},
      ],
    });
    const {code, stdout, stderr} = await run('/', job);
    expect([code, stdout], stderr).to.deep.equal([0, '']);
    expect(home.as('cat "$HERE/sub/first.out" "$HERE/sub/second.out"')).to.equal('up\nsecond\n');
  });

  it('has what ARC is told', async () => {
    home.as('echo Processors=1 >"$HERE/job.diag"; printf "%s\\n" "schema: tare/job/v1" "limits: {memory: 300MiB}" >"$HERE/sub/.tare.yaml"');
    const told = ['wrapper=x', 'id=abc', 'ce=ce.example', 'lrms=fork', `diag=${home.directory}/job.diag`];
    const env = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TARE_ARC: told.join('\n')};
    const {code, stderr} = await inside(join(home.directory, 'sub'), site.wrapper(['/bin/sh', '-c', 'sleep 2; exit 4']), env);
    expect(code, stderr).to.equal(4);
    const record = lastRecord();
    expect([record?.lrms.type, record?.limits?.memory.value]).to.deep.equal(['arc', 300 * 2 ** 20]);
    const diag = home.as('cat "$HERE/job.diag"');
    expect(diag)
      .to.match(/^Processors=1\n/)
      .and.include(`tare_record=${record?.recordId ?? ''}`);
    expect(diag).to.match(/^tare_WallTime=[23]s$/m);
    expect(stderr).to.equal('');
  });

  it('and nothing of it is left, nor of root’s in it', () => {
    expect(site.leftovers()).to.deep.equal([]);
    const owners = readdirSync(home.behind, {recursive: true, withFileTypes: true}).map(({name, parentPath}) => join(parentPath, name));
    expect(owners.filter((path) => existsSync(path) && statSync(path).uid !== home.uid && !path.endsWith('/spool'))).to.deep.equal([]);
    expect(readFileSync(join(home.behind, 'file'), 'utf8')).to.equal('made\n');
  });
});
