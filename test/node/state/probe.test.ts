/** `tare node probe` and `tare doctor` with real boxes: what they find of a node that works, and of one whose parts fail. */

import {expect} from 'chai';
import {spawn} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import type {HealthResult} from '../../../src/node-state/health.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, type Site} from '../../support/tare.js';

const NOBODY = 65534;
/** Another account that every system has. */
const DAEMON = 1;
const UID = process.getuid?.() ?? 0;

describeSite('a probe of a node (%s)', {each: true, mayLeave: true, timeout: patience(120_000)}, (site, role) => {
  const own = (): number => site.credentials.uid ?? UID;
  const folder = (): string => join(site.directory, own() === 0 ? 'node' : 'state/node');
  const probe = async (policy: string, ...flags: string[]): Promise<{code: number | null; health: HealthResult; stderr: string}> => {
    const {code, stdout, stderr} = await site.command(['node', 'probe', '--json', '--policy', policy, ...flags]);
    return {code, health: stdout === '' ? expect.fail(stderr) : (JSON.parse(stdout) as HealthResult), stderr};
  };
  /** What it leaves besides what it found. */
  const left = (): string[] => [
    ...readdirSync(join(site.directory, 'spool')),
    ...readdirSync(join(site.directory, 'state')).filter((name) => name.startsWith('probe-')),
    ...site.leftovers(),
  ];

  it('is a real box, whose record was written and read, and leaves nothing', async () => {
    const policy = site.policy();
    const {code, health} = await probe(policy, '--full');
    const [tried, ...others] = health.probes;
    expect([code, health.healthy, health.reason, health.boxed, others.length]).to.deep.equal([0, true, null, true, 0]);
    expect([tried?.uid, tried?.healthy, tried?.got?.mode, tried?.wanted?.mode]).to.deep.equal([own(), true, 'box', 'box']);
    expect(tried?.got?.limits['memory']).to.be.oneOf(['kernel', 'watched']);
    expect(left()).to.deep.equal([]);
    expect((statSync(join(folder(), 'health.json')).mode & 0o777).toString(8)).to.equal('644');
    // nothing is due: the next call looks at what is cheap, and takes the box's word from before
    const again = (await probe(policy)).health;
    expect(again.probes[0]?.at).to.equal(tried?.at);
    expect(again.at).to.be.above(health.at);
  });

  it('closes the node when its policy is broken, and opens it when that is mended', async () => {
    const policy = site.policy();
    const good = readFileSync(policy);
    expect((await probe(policy, '--full')).code).to.equal(0);
    writeFileSync(policy, '{"schema": "tare/policy/v1", "box": "maybe"}');
    // where a broken policy puts the node's state is not known
    const broken = await site.command(['node', 'probe', '--policy', policy]);
    expect([broken.code, broken.stdout]).to.satisfy(
      ([exit, text]: [number, string]) => exit === 1 && /NOT HEALTHY.*policy/s.test(text),
      broken.stderr,
    );
    writeFileSync(policy, good);
    expect((await probe(policy)).code).to.equal(0);
  });

  it('closes the node when no record can be written, and says where', async () => {
    const spool = join(site.directory, 'none/spool');
    writeFileSync(join(site.directory, 'none'), ''); // a file where a directory would be
    const directories = {
      ...{state: join(site.directory, 'state'), scratch: join(site.directory, 'scratch')},
      ...{node: join(site.directory, 'node'), spool},
    };
    const {code, health} = await probe(site.policy({directories}), '--full');
    expect([code, health.healthy]).to.deep.equal([1, false]);
    expect(health.reason).to.include(spool);
  });

  it('shows an account that its policy refuses as one whose jobs do not run, and is healthy', async () => {
    const {code, health} = await probe(site.policy({rules: [{match: {}, refuse: 'nobody today'}]}), '--full');
    expect([code, health.healthy, health.boxed, health.probes[0]?.got]).to.deep.equal([0, true, null, null]);
    expect(health.probes[0]?.because).to.include('nobody today');
  });

  it('does not try a box while the kill switch is on, and says so', async () => {
    writeFileSync(join(site.directory, 'off'), '');
    const {code, health} = await probe(site.policy(), '--full');
    expect([code, health.probes[0]?.got, health.checks.find(({name}) => name === 'switch')?.state]).to.deep.equal([0, null, 'limited']);
    expect(health.reason).to.include('kill switch');
  });

  it('doctor starts one too, and says what it got', async () => {
    const {code, stdout, stderr} = await site.command(['doctor', '--policy', site.policy(), '--json']);
    const {tried, healthy} = JSON.parse(stdout) as {tried: HealthResult['probes'][number] & {less: boolean}; healthy: boolean};
    expect([tried.healthy, tried.got?.mode, tried.less, code], stderr).to.deep.equal([true, 'box', false, healthy ? 0 : 1]);
    expect(left()).to.deep.equal([]);
  });

  /**
   * Not bubblewrap: a script that stands for one that cannot make the parents of what it mounts. It fails where a file system in memory is
   * to be mounted, as 0.12.0 does below a directory that only root may list, and is bubblewrap else.
   */
  const fakeBubblewrap = (): string => {
    const real = join(site.directory, 'real-bwrap');
    copyFileSync('/usr/bin/bwrap', real);
    chmodSync(real, 0o755);
    const fake = join(site.directory, 'fake-bwrap');
    const fails = `echo "bwrap: Can't mkdir parents for something: Permission denied" >&2; exit 1`;
    writeFileSync(fake, `#!/bin/sh\nfor argument; do case "$argument" in --tmpfs) ${fails};; esac; done\nexec ${real} "$@"\n`);
    chmodSync(fake, 0o755);
    return fake;
  };
  const within = (fake: string, argv: readonly string[]): Promise<{code: number | null; stdout: string; stderr: string}> => {
    const as = role === 'root' ? [] : ['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'];
    const command = [...as, bin('tare'), ...argv];
    return run([
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      'mount --bind "$1" /usr/bin/bwrap && shift && exec "$@"',
      'sh',
      fake,
      ...command,
    ]);
  };

  it('an engine that is late closes the node when it is so twice in a row: a node may be loaded', async function () {
    need(this, isRoot, 'only root covers bubblewrap');
    const fake = join(site.directory, 'slow-bwrap');
    writeFileSync(fake, '#!/bin/sh\nexec sleep 9\n');
    chmodSync(fake, 0o755);
    const policy = site.policy({box: 'required'});
    expect((await probe(policy, '--full')).code).to.equal(0);
    const look = async (): Promise<unknown[]> => {
      const {code, stdout} = await within(fake, ['node', 'probe', '--json', '--policy', policy]);
      const {healthy, faults, checks} = JSON.parse(stdout) as HealthResult;
      return [code, healthy, faults, checks.find(({name}) => name === 'engine')?.state];
    };
    expect(await look()).to.deep.equal([0, true, [], 'unknown']);
    expect(await look()).to.deep.equal([1, false, ['engine'], 'unknown']);
    expect((await probe(policy)).health).to.deep.include({healthy: true, faults: []});
  });

  it('doctor fails where jobs would run unboxed, and the node’s probe says so', async function () {
    need(this, isRoot, 'only root covers bubblewrap');
    const closed = join(site.directory, 'closed');
    mkdirSync(join(closed, 'state'), {recursive: true});
    chmodSync(closed, 0o711);
    site.give(join(closed, 'state'));
    const directories = {
      ...{state: join(closed, 'state'), scratch: join(site.directory, 'scratch')},
      ...{node: join(site.directory, 'node'), spool: join(site.directory, 'spool')},
    };
    const policy = site.policy({directories});
    const fake = fakeBubblewrap();
    const doctor = await within(fake, ['doctor', '--policy', policy]);
    expect(doctor.code, doctor.stderr).to.equal(1);
    expect(doctor.stdout).to.match(/limits-only.*wanted box.*Can't mkdir parents/s);
    const optional = await within(fake, ['node', 'probe', '--full', '--json', '--policy', policy]);
    const health = JSON.parse(optional.stdout) as HealthResult;
    expect([optional.code, health.healthy, health.boxed]).to.deep.equal([0, true, false]);
    expect(health.reason).to.match(/limits-only, and the policy wants box.*Can't mkdir parents/);
    const required = await within(fake, ['node', 'probe', '--full', '--json', '--policy', site.policy({directories, box: 'required'})]);
    const shut = JSON.parse(required.stdout) as HealthResult;
    expect([required.code, shut.healthy]).to.deep.equal([1, false]);
    expect(shut.reason).to.include("Can't mkdir parents");
    expect((await probe(policy, '--full')).code).to.equal(0);
  });
});

/** Runs a program to its end. */
function run([program = '', ...argv]: string[]): Promise<{code: number | null; stdout: string; stderr: string}> {
  const child = spawn(program, argv, {cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], env: {PATH: process.env.PATH}});
  return ending(child);
}

describeSite('a node with several accounts', {roles: ['root'], each: true, mayLeave: true, timeout: patience(120_000)}, (site) => {
  before(function () {
    need(this, isRoot, 'only root looks at all accounts');
  });
  const hole = {batch: {blackHole: {failures: 5, within: '10m', then: 'drain'}}};
  /** With a place of its own for each account, as a site has it. */
  const sharing = (extra: object = {}): string => {
    const users = join(site.directory, 'users');
    mkdirSync(users, {recursive: true});
    chmodSync(users, 0o1777);
    chmodSync(join(site.directory, 'spool'), 0o1777);
    const directories = {state: join(users, '%u'), spool: join(site.directory, 'spool'), node: join(site.directory, 'node')};
    return site.policy({directories, ...extra});
  };
  const report = (uid: number, kind: string, count: number): void => {
    const folder = join(site.directory, 'node/reports');
    const file = join(folder, String(uid));
    writeFileSync(file, `${String(Date.now())} ${kind} ENGINE_FAILED ab12\n`.repeat(count), {flag: 'a', mode: 0o600});
    chownSync(file, uid, uid);
  };
  const probe = async (policy: string, ...flags: string[]): Promise<HealthResult> =>
    JSON.parse((await site.command(['node', 'probe', '--json', '--policy', policy, ...flags])).stdout) as HealthResult;

  it('is tried as the account that has jobs, and as the one that failed', async () => {
    const policy = sharing(hole);
    expect((await probe(policy)).probes.map(({uid}) => uid)).to.deep.equal([0]);
    report(NOBODY, 'started', 1);
    const second = await probe(policy, '--full');
    expect(second.probes.map(({uid, healthy}) => [uid, healthy])).to.deep.equal([[NOBODY, true]]);
    report(DAEMON, 'failed', 1);
    const third = await probe(policy);
    expect(third.probes.map(({uid, healthy}) => [uid, healthy])).to.deep.equal([
      [DAEMON, true],
      [NOBODY, true],
    ]);
    expect(third.healthy).to.equal(true);
  });

  it('stays open on 100 false failures of one account, closes on those of two, and opens after a reset', async () => {
    const policy = sharing(hole);
    await probe(policy);
    report(NOBODY, 'failed', 100);
    const one = await probe(policy);
    expect([one.healthy, one.failures]).to.deep.equal([true, 100]);
    report(DAEMON, 'failed', 1);
    const two = await probe(policy);
    expect([two.healthy, two.failures]).to.deep.equal([false, 101]);
    expect(two.reason).to.match(/101 failures of the wrapper in 10 min, of 2 accounts: ENGINE_FAILED/);
    const reset = await site.command(['node', 'reset', '--json', '--policy', policy]);
    const after = JSON.parse(reset.stdout) as HealthResult;
    expect([reset.code, after.healthy, after.failures]).to.deep.equal([0, true, 0]);
    expect((await probe(policy)).healthy).to.equal(true);
  });

  it('closes when accounts may not write to the spool, although root may', async () => {
    const policy = sharing(hole);
    await probe(policy);
    report(NOBODY, 'started', 1);
    expect((await probe(policy, '--full')).healthy).to.equal(true);
    chmodSync(join(site.directory, 'spool'), 0o755);
    const {healthy, faults, reason} = await probe(policy);
    expect([healthy, faults]).to.deep.equal([false, ['spool']]);
    expect(reason).to.match(/spool: uid \d+ may not write there \(mode 755\)/);
    chmodSync(join(site.directory, 'spool'), 0o1777);
    expect((await probe(policy)).healthy).to.equal(true);
  });

  it('opens for the batch system after `htcondor health --reset`, which only root may say', async () => {
    const policy = sharing(hole);
    await probe(policy);
    for (const uid of [NOBODY, DAEMON]) report(uid, 'failed', 3);
    expect((await probe(policy)).healthy).to.equal(false);
    const health = (...flags: string[]): ReturnType<Site['command']> => site.command(['htcondor', 'health', '--policy', policy, ...flags]);
    expect((await health()).stdout).to.match(/^TareHealthy = False$.*^TareFault = "jobs"$.*of 2 accounts/ms);
    const anothers = await run([
      ...['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'],
      ...[bin('tare'), 'htcondor', 'health', '--reset', '--policy', policy],
    ]);
    expect([anothers.code, anothers.stdout]).to.deep.equal([125, '']);
    expect(anothers.stderr).to.include('only root resets a node');
    const {code, stdout} = await health('--reset');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^TareHealthy = True$.*^TareFailures = 0$.*^TareFault = undefined$/ms);
    expect((await probe(policy)).healthy).to.equal(true);
  });

  it('doctor --user starts a box of that account’s, and says what is wrong with its place', async () => {
    const policy = sharing();
    const doctor = (user: string): ReturnType<Site['command']> => site.command(['doctor', '--user', user, '--policy', policy]);
    const place = join(site.directory, 'users', String(NOBODY));
    rmSync(place, {recursive: true, force: true});
    const well = await doctor('nobody');
    expect(well.stdout).to.match(/^a box as nobody \(uid 65534\): works \(\d+ ms\), box with /m);
    expect(existsSync(place)).to.equal(true);
    expect((await doctor(String(NOBODY))).stdout).to.include('a box as nobody (uid 65534): works');
    rmSync(place, {recursive: true});
    writeFileSync(place, '');
    const ill = await doctor('nobody');
    expect([ill.code, ill.stdout]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && /a box as .*FAILED.*users\/65534/.test(text),
      ill.stdout,
    );
    rmSync(place);
    const nobody = await doctor('no-such-account');
    expect([nobody.code, nobody.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 125 && text.includes('no such account on this node'),
      nobody.stderr,
    );
    const forbidden = await run([
      ...['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'],
      ...[bin('tare'), 'doctor', '--user', 'root', '--policy', policy],
    ]);
    expect([forbidden.code, forbidden.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code !== 0 && text.includes('only root may start a box as another account'),
      forbidden.stderr,
    );
  });

  it('closes when the place of one account is broken, names that account, and opens when it is mended', async () => {
    const users = join(site.directory, 'users');
    const policy = sharing(hole);
    await probe(policy);
    report(NOBODY, 'failed', 1);
    const place = join(users, String(NOBODY));
    rmSync(place, {recursive: true, force: true});
    mkdirSync(place);
    chownSync(place, NOBODY, NOBODY);
    mkdirSync(join(place, 'boxes'), {mode: 0o755}); // root's: the account cannot write there
    const broken = await probe(policy);
    expect([broken.healthy, broken.probes.map(({uid}) => uid)]).to.deep.equal([false, [NOBODY]]);
    expect(broken.reason).to.match(/a box as \S+: STATE_DIRECTORY/);
    rmSync(join(place, 'boxes'), {recursive: true});
    expect((await probe(policy)).healthy).to.equal(true);
  });
});
