/**
 * Repositories of CVMFS in boxes. What serves them here are stand-ins (test/support/cvmfs.ts): squashfuse for FUSE, a file system with the
 * client's extended attributes, and the kernel's own automounter.
 */
import {expect} from 'chai';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Context} from 'mocha';
import {
  Repositories,
  carriesUnmounts,
  hasAutomounter,
  hasLoop,
  hasPythonFuse,
  hasSquashfuse,
  kernelHasAutofs,
} from '../../support/cvmfs.js';
import {describeSite} from '../../support/describe-site.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {LONG, need, needKernel} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, ending, isRoot, program, until, type RunOutput} from '../../support/tare.js';

/** How many boxes at once; the 64 where there is time. */
const BOXES = Number(process.env.TARE_BOXES ?? '64');
const NAME = 'sim.example.org';
const OTHER = 'other.example.org';
/** As a client names its catalogue. */
const HASH = '0123456789abcdef0123456789abcdef01234567';
const CLIENT = {fqrn: NAME, revision: '17', version: '2.11.2.0', nioerr: '3', hitrate: '99.5', host: 'http://server/', root_hash: HASH};

function needAutomounter(context: Context): void {
  need(context, hasAutomounter(), 'autofs is not installed');
  needKernel(context, kernelHasAutofs(), 'the kernel has no autofs');
}

describeSite('repositories of CVMFS, %s', {each: true, timeout: patience(60_000)}, (site) => {
  let cvmfs: Repositories;
  before(function () {
    need(this, isRoot, 'only root can serve a repository to others');
    need(this, hasSquashfuse() && hasLoop(), 'squashfuse, mksquashfs, mkfs.ext4 or loop devices are missing');
  });
  beforeEach(() => {
    cvmfs = new Repositories();
  });
  afterEach(async () => {
    await cvmfs.remove();
  });

  const policy = (more: object = {}): object => ({cvmfs: {root: cvmfs.root, deadline: '3s', shareFor: '0s', ...more}});
  const shell = (script: string, ...argv: string[]): string[] => ['--', '/bin/sh', '-c', script, 'sh', cvmfs.root, ...argv];
  const run = (argv: string[], more: object = {}): Promise<RunOutput> => site.run(argv, {policy: policy(more)});
  const entryOf = ({record, stderr}: RunOutput): RunOutput['record']['cvmfs'][number] => {
    const [entry, ...others] = record.cvmfs;
    if (entry === undefined || others.length > 0) throw new Error(`${String(record.cvmfs.length)} entries; ${stderr}`);
    return entry;
  };

  it('a named one is in the box, read-only, and no other; the program and its input come from it', async () => {
    await cvmfs.squashfuse(NAME);
    await cvmfs.squashfuse(OTHER);
    const ended = await run([
      ...['--cvmfs', NAME],
      ...shell('"$1/$2/bin/analyse" && ls "$1" && grep -F "$1/$2 " /proc/self/mountinfo; touch "$1/$2/x" "$1/x"; ls "$1/$3"', NAME, OTHER),
    ]);
    const [sum, listing, ...mounts] = ended.stdout.trim().split('\n');
    expect([sum, listing], ended.stderr).to.deep.equal(['sum 55', NAME]);
    // covered mounts of the node's come first
    expect(mounts.at(-1)).to.match(/ ro,nosuid,nodev[ ,].* - fuse\.squashfuse /);
    expect(ended.stderr.match(/Read-only file system/g)).to.have.length(2);
    expect(ended.stderr).to.match(/other\.example\.org.*No such file/);
    const {state, stateAtEnd, reason, mounted, fileSystem, revision, probeUs, probedEpochUs} = entryOf(ended);
    expect({state, stateAtEnd, reason, mounted, fileSystem, revision}).to.deep.equal({
      ...{state: 'ok', stateAtEnd: 'ok', reason: null, mounted: 'before', fileSystem: 'fuse.squashfuse', revision: null},
    });
    expect(probeUs).to.be.within(1, 3e6);
    expect(Math.abs(Number(probedEpochUs) - Date.now() * 1000)).to.be.below(60e6);
  });

  for (const filesystem of ['shared', 'private'])
    it(`quotas++: in a ${filesystem} view each application sees it, and no other`, async () => {
      await cvmfs.squashfuse(NAME);
      await cvmfs.squashfuse(OTHER);
      const script = '"$1/$2/bin/analyse"; ls "$1"; touch "$1/x" "$1/$2/x" 2>/dev/null || echo refused';
      const command = ['/bin/sh', '-c', script, 'sh', cvmfs.root, NAME];
      const job = site.job({filesystem, cvmfs: [NAME], applications: ['one', 'two'].map((name) => ({name, command}))});
      const ended = await run([job]);
      const {stdout, stderr} = ended;
      expect(stdout.trim().split('\n').sort(), stderr).to.deep.equal(
        ['one', 'two'].flatMap((name) => [`${name}: refused`, `${name}: ${NAME}`, `${name}: sum 55`]),
      );
      expect(entryOf(ended)).to.include({state: 'ok', stateAtEnd: 'ok'});
    });

  it('vm-lite: services and payload see it, and no other; in use it stays mounted', async function () {
    need(this, program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    await cvmfs.squashfuse(NAME);
    await cvmfs.squashfuse(OTHER);
    const image = busyboxImage(join(site.directory, 'image'));
    const look = `cat ${cvmfs.path(NAME)}/data/numbers && ls ${cvmfs.root}; touch ${cvmfs.path(NAME)}/x || echo refused`;
    const job = site.job({
      ...{image, cvmfs: [NAME], network: 'none'},
      services: [
        {
          name: 'look',
          command: ['/bin/sh', '-c', `(${look}) >/var/tmp/look; mkdir /var/tmp/seen; sleep 1000`],
          ready: {file: '/var/tmp/seen', within: '60s'},
        },
      ],
      command: ['/bin/sh', '-c', `cat /var/tmp/look; ${look}; read -r _`],
    });
    const file = site.policy({...policy(), images: [image], services: {within: `${String(patience(60))}s`}});
    const child = site.start(['run', '--policy', file, job]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    expect(cvmfs.unmount(NAME).stderr).to.match(/busy/);
    child.stdin?.end('go\n');
    const {stdout, stderr} = await end;
    const numbers = readFileSync(join(cvmfs.path(NAME), 'data/numbers'), 'utf8');
    expect(stdout, stderr).to.equal(`${numbers}${NAME}\nrefused\n`.repeat(2));
    const [record] = site.records();
    expect(record?.pattern).to.equal('vm-lite');
    expect(record?.cvmfs[0]).to.include({repository: NAME, state: 'ok', stateAtEnd: 'ok'});
  });

  it('an image in a repository is the lower layer of a view', async () => {
    await cvmfs.squashfuse('images.example.org');
    const image = join(cvmfs.path('images.example.org'), 'data');
    const ended = await site.run(['--image', image, '--', '/nothing/there'], {policy: {...policy(), images: [image]}});
    // the image has no program: that the payload is looked for shows that it was mounted
    expect(ended.record.outcome, ended.stderr).to.include({status: 'failed', code: 'PAYLOAD_NOT_EXECUTABLE'});
    expect(entryOf(ended)).to.include({repository: 'images.example.org', state: 'ok'});
  });

  it('what its client tells is recorded: revision at start and end, errors gained', async () => {
    cvmfs.attributed(NAME, CLIENT);
    const child = site.start([
      'run',
      '--policy',
      site.policy(policy()),
      '--cvmfs',
      NAME,
      ...shell('echo ready; read -r _; "$1/$2/bin/analyse"', NAME),
    ]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    cvmfs.attribute(NAME, 'revision', '18');
    cvmfs.attribute(NAME, 'nioerr', '5');
    child.stdin?.end('go\n');
    expect(await end).to.include({code: 0, stdout: 'ready\nsum 55\n'});
    const [record] = site.records();
    expect(record?.cvmfs[0]).to.include({
      ...{repository: NAME, state: 'ok', stateAtEnd: 'ok', revision: 17, revisionAtEnd: 18, ioErrorsGained: 2, hitRate: 99.5},
      ...{clientVersion: CLIENT.version, server: CLIENT.host, proxy: null, rootHash: HASH, rootHashAtEnd: HASH},
    });
  });

  const refusals: [string, object, RegExp][] = [
    ['one that is not there', {}, /gone\.example\.org cannot be used on this node; found: absent: no such directory/],
    ['one whose revision is too old', {minimumRevision: {'sim.*': 18, '*': 1}}, /sim\.example\.org .*stale: revision 17 is older than 18/],
  ];
  for (const [title, rule, expected] of refusals)
    it(`${title}: the job is refused, or runs without, as the policy says`, async () => {
      cvmfs.attributed(NAME, CLIENT);
      const names = title.includes('revision') ? NAME : `${NAME},gone.example.org`;
      const refused = await run(['--cvmfs', names, ...shell('echo never')], rule);
      expect(refused).to.include({code: 125, stdout: ''});
      expect(refused.stderr).to.match(expected);
      expect(refused.record.outcome).to.include({status: 'wrapper-failure', code: 'CVMFS_UNUSABLE'});
      expect(refused.record.cvmfs).to.have.length(names.split(',').length);
      const without = await run(['--cvmfs', names, ...shell('ls "$1"')], {...rule, onFailure: 'without'});
      expect(without, without.stderr).to.include({code: 0, stdout: title.includes('revision') ? '' : `${NAME}\n`});
      expect(without.record.flags).to.include('cvmfs-missing');
    });

  it('one that comes later is waited for', async () => {
    const ended = run(['--cvmfs', NAME, ...shell('"$1/$2/bin/analyse"', NAME)], {onFailure: {wait: '30s'}});
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await cvmfs.squashfuse(NAME);
    expect(await ended).to.include({code: 0, stdout: 'sum 55\n'});
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    it(`${signal} ends the wait for one that is not there`, async () => {
      const file = site.policy(policy({onFailure: {wait: '10m'}}));
      const child = site.start(['run', '--policy', file, '--cvmfs', NAME, ...shell('echo never')]);
      const end = ending(child);
      await until('the supervisor', () => below(child.pid ?? 0)[1]?.pid);
      await until('the first look', () => existsSync(join(site.directory, 'state/cvmfs')));
      process.kill(child.pid ?? 0, signal);
      expect(await end).to.include({code: 125, stdout: ''});
      expect(site.records().map(({outcome}) => outcome.code)).to.deep.equal(['CVMFS_UNUSABLE']);
      // a look under way goes on for others, until it has an answer or its deadline is over
      await until('the end of the look', () => site.leftovers().length === 0);
    });

  it('a job that waits in vain ends with its shim', async () => {
    const child = site.start(['run', '--policy', site.policy(policy({onFailure: {wait: '10m'}})), '--cvmfs', NAME, ...shell('echo never')]);
    const end = ending(child);
    const supervisor = await until('the supervisor', () => below(child.pid ?? 0)[1]?.pid);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    process.kill(child.pid ?? 0, 'SIGKILL');
    await end;
    await until('the end of the supervisor', () => below(supervisor).length === 0, 20);
    expect(site.records().map(({outcome}) => outcome.code)).to.deep.equal(['CVMFS_UNUSABLE']);
  });

  it('the policy says which may be named, and which every job needs', async () => {
    await cvmfs.squashfuse(NAME);
    const forbidden = await run(['--cvmfs', NAME, ...shell('echo never')], {allowed: ['atlas.*']});
    expect(forbidden).to.include({code: 126, stdout: ''});
    expect(forbidden.record).to.deep.include({cvmfs: []});
    expect(forbidden.record.outcome.code).to.equal('CVMFS_FORBIDDEN');
    const required = await run([...shell('ls "$1"')], {allowed: [], required: [NAME]});
    expect(required, required.stderr).to.include({code: 0, stdout: `${NAME}\n`});
    expect(entryOf(required)).to.include({repository: NAME, state: 'ok', stateAtEnd: 'ok'});
    const missing = await run([...shell('echo never')], {required: [OTHER]});
    expect(missing.record.outcome.code).to.equal('CVMFS_UNUSABLE');
  });

  it('hung before the job: refused within the deadline', async () => {
    await cvmfs.squashfuse(NAME);
    cvmfs.stop(NAME);
    const start = Date.now();
    const ended = await run(['--cvmfs', NAME, ...shell('echo never')], {deadline: '1s'});
    expect(Date.now() - start).to.be.below(patience(10_000));
    expect(ended).to.include({code: 125, stdout: ''});
    expect(entryOf(ended)).to.include({state: 'hung', stateAtEnd: null});
    expect(entryOf(ended).reason).to.match(/^no answer in 1(\.\d+)? s: /);
    // a job that does not need it is none the worse
    expect(await run(shell('echo fine'))).to.include({code: 0, stdout: 'fine\n'});
  });

  it('a bad answer that is shared says how old it is', async () => {
    const options = {shareFor: '60s'};
    await run(['--cvmfs', NAME, ...shell('echo never')], options);
    await cvmfs.squashfuse(NAME);
    const ended = await run(['--cvmfs', NAME, ...shell('echo never')], options);
    expect(entryOf(ended).reason).to.match(
      /^no such directory; found \d+ s ago by a look for another job, which counts for cvmfs\.shareFor$/,
    );
    const {stdout} = await site.command(['doctor', '--cvmfs', '--repository', NAME, '--policy', site.policy(policy(options))]);
    expect(stdout).to.match(/sim\.example\.org +ok /);
  });

  it('hung between the look and the box: noticed, and refused', async () => {
    await cvmfs.squashfuse(NAME);
    const options = {deadline: '2s', shareFor: '60s'};
    expect(await run(['--cvmfs', NAME, ...shell('echo once')], options)).to.include({code: 0});
    cvmfs.stop(NAME);
    const start = Date.now();
    const ended = await run(['--cvmfs', NAME, ...shell('echo never')], options);
    expect(Date.now() - start).to.be.below(patience(30_000));
    expect(ended, ended.stderr).to.include({code: 125, stdout: ''});
    expect(ended.record.outcome.code).to.equal('CVMFS_UNUSABLE');
  });

  it('hung during the job: the wrapper waits for nothing, and the record says it', async () => {
    await cvmfs.squashfuse(NAME);
    const script = 'echo ready; read -r _; ls "$1/$2/data" >/dev/null & sleep 0.5; kill -9 $!; echo over';
    const child = site.start(['run', '--policy', site.policy(policy({deadline: '1s'})), '--cvmfs', NAME, ...shell(script, NAME)]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    cvmfs.stop(NAME);
    const [shim, supervisor] = below(child.pid ?? 0);
    child.stdin?.end('go\n');
    const states = new Set<string>();
    // a record that is written to the disk waits too, but for moments
    const waiting = new Map<number, number>();
    let longestMs = 0;
    const watch = setInterval(() => {
      for (const {pid, state} of below(child.pid ?? 0)) {
        if (pid !== shim?.pid && pid !== supervisor?.pid) continue;
        states.add(state);
        if (state === 'D') waiting.set(pid, waiting.get(pid) ?? Date.now());
        else waiting.delete(pid);
        longestMs = Math.max(longestMs, Date.now() - (waiting.get(pid) ?? Date.now()));
      }
    }, 10);
    const {code, stdout, stderr} = await end;
    clearInterval(watch);
    expect({code, stdout}, stderr).to.deep.equal({code: 0, stdout: 'ready\nover\n'});
    expect([...states]).to.include('S');
    // the look at its end waits a second for the repository, and so would the wrapper
    expect(longestMs).to.be.below(700);
    expect(site.records()[0]?.cvmfs[0]).to.include({state: 'ok', stateAtEnd: 'hung', ioErrorsGained: null});
    cvmfs.goOn(NAME);
  });

  it('its server is killed: before the job refused, during the job recorded', async () => {
    await cvmfs.squashfuse(NAME);
    await cvmfs.squashfuse(OTHER);
    const child = site.start([
      'run',
      '--policy',
      site.policy(policy()),
      '--cvmfs',
      NAME,
      ...shell('echo ready; read -r _; ls "$1/$2"', NAME),
    ]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await cvmfs.kill(NAME);
    child.stdin?.end('go\n');
    expect((await end).stderr).to.match(/Transport endpoint is not connected/);
    expect(site.records()[0]?.cvmfs[0]).to.include({
      ...{state: 'ok', stateAtEnd: 'broken'},
      reasonAtEnd: 'asking for its size: Transport endpoint is not connected: its client has died',
    });
    const ended = await run(['--cvmfs', `${NAME},${OTHER}`, ...shell('echo never')]);
    expect(ended.record.outcome.code).to.equal('CVMFS_UNUSABLE');
    expect(ended.record.cvmfs.map(({state}) => state)).to.deep.equal(['broken', 'ok']);
  });

  it('slow, 2 s for each open: used, when the deadline is longer', async function () {
    need(this, hasPythonFuse(), 'python3-fuse is not installed');
    await cvmfs.slow(NAME, 2);
    const ended = await run(['--cvmfs', NAME, ...shell('cat "$1/$2/README.md"', NAME)], {deadline: '30s'});
    expect(ended, ended.stderr).to.include({code: 0});
    expect(entryOf(ended).probeUs).to.be.above(1.9e6);
    const late = await run(['--cvmfs', NAME, ...shell('echo never')], {deadline: '1s'});
    expect(entryOf(late).reason).to.match(/^no answer in 1(\.\d+)? s: reading its directory$/);
  });

  it(`${String(BOXES)} boxes at once look once, and none fails`, async function () {
    this.timeout(patience(240_000));
    await cvmfs.squashfuse(NAME);
    const file = site.policy(policy({shareFor: '120s', deadline: '60s'}));
    const argv = ['run', '--policy', file, '--cvmfs', NAME, ...shell('cat "$1/$2/data/numbers" >/dev/null', NAME)];
    const ended = await Promise.all(Array.from({length: BOXES}, () => site.command(argv)));
    expect(ended.filter(({code}) => code !== 0).map(({stderr}) => stderr)).to.deep.equal([]);
    const looks = new Set(site.records().map(({cvmfs: [entry]}) => entry?.probedEpochUs));
    expect(site.records()).to.have.length(BOXES);
    expect(looks.size).to.equal(1);
  });

  it('in use it stays mounted; after many jobs, half of them killed, it can be unmounted and mounted anew', async function () {
    this.timeout(patience(240_000));
    await cvmfs.squashfuse(NAME);
    const file = site.policy(policy({shareFor: '60s'}));
    const times = Math.min(LONG ? 50 : 20, BOXES);
    const one = async (index: number): Promise<void> => {
      const child = site.start([
        'run',
        '--policy',
        file,
        '--cvmfs',
        NAME,
        ...shell('echo ready; [ "$2" = end ] || sleep 600', index % 2 === 0 ? 'kill' : 'end'),
      ]);
      const end = ending(child);
      if (index % 2 === 0) {
        await new Promise((resolve) => child.stdout?.once('data', resolve));
        if (index === 0) {
          const {status, stderr} = cvmfs.unmount(NAME);
          expect(status, stderr).to.not.equal(0);
          expect(stderr).to.match(/busy/);
        }
        for (const {pid} of below(child.pid ?? 0).slice(0, 2)) process.kill(pid, 'SIGKILL');
      }
      await end;
    };
    for (let index = 0; index < times; index += 10)
      await Promise.all([...Array(Math.min(10, times - index)).keys()].map((more) => one(index + more)));
    await until('an unmounted repository', () => cvmfs.unmount(NAME).status === 0);
    await cvmfs.squashfuse(NAME);
    expect(await run(['--cvmfs', NAME, ...shell('"$1/$2/bin/analyse"', NAME)])).to.include({stdout: 'sum 55\n'});
    await site.command(['records', 'sweep', '--policy', file]);
  });

  it('the automounter: named, it is mounted by the look and stays while the box is there', async function () {
    needAutomounter(this);
    await cvmfs.automount({[NAME]: CLIENT, [OTHER]: {...CLIENT, fqrn: OTHER}}, 1);
    const child = site.start([
      'run',
      '--policy',
      site.policy(policy()),
      '--cvmfs',
      NAME,
      ...shell('ls "$1"; read -r _; "$1/$2/bin/analyse"', NAME),
    ]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    // an automounter looks for what is unused every quarter of its timeout
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(cvmfs.isMounted(NAME)).to.equal(true);
    child.stdin?.end('go\n');
    expect(await end).to.include({code: 0, stdout: `${NAME}\nsum 55\n`});
    expect(site.records()[0]?.cvmfs[0]).to.include({mounted: 'automount', fileSystem: 'ext4', revision: 17, stateAtEnd: 'ok'});
    await until('the automounter to unmount it', () => !cvmfs.isMounted(NAME), 20);
    const absent = await run(['--cvmfs', 'gone.example.org', ...shell('echo never')]);
    expect(entryOf(absent)).to.include({state: 'absent', reason: 'the automounter did not mount it'});
  });

  // any process that copies its mounts meanwhile, as every box does, keeps this one in use: not in the usual run
  if (process.env.TARE_AUTOMOUNTER === 'all')
    it('the automounter: what no box named it takes away, also from under live boxes', async function () {
      needAutomounter(this);
      need(this, carriesUnmounts(), 'this kernel leaves mounts in user namespaces that the node has unmounted');
      await cvmfs.automount({[NAME]: CLIENT, [OTHER]: {...CLIENT, fqrn: OTHER}}, patience(8));
      cvmfs.touch(OTHER);
      expect(cvmfs.isMounted(OTHER)).to.equal(true);
      const script = 'grep -c "/$3 " /proc/self/mountinfo; read -r _; grep -c "/$3 " /proc/self/mountinfo; "$1/$2/bin/analyse"';
      const child = site.start(['run', '--policy', site.policy(policy()), '--cvmfs', NAME, ...shell(script, NAME, OTHER)]);
      const end = ending(child);
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      await until('the automounter to unmount it', () => !cvmfs.isMounted(OTHER), 40);
      expect(cvmfs.isMounted(NAME)).to.equal(true);
      child.stdin?.end('go\n');
      expect(await end).to.include({code: 0, stdout: '1\n0\nsum 55\n'});
    });

  it('the automounter: where none is named, what the payload wants is mounted after its start', async function () {
    needAutomounter(this);
    await cvmfs.automount({[NAME]: CLIENT}, 60);
    const ended = await run(shell('"$1/$2/bin/analyse"', NAME));
    expect(ended, ended.stderr).to.include({code: 0, stdout: 'sum 55\n'});
    expect(cvmfs.isMounted(NAME)).to.equal(true);
  });

  it('the automounter, vm-lite: where none is named, what the payload wants is mounted after its start', async function () {
    needAutomounter(this);
    need(this, program('crun') !== null || program('runc') !== null, 'neither crun nor runc is installed');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    await cvmfs.automount({[NAME]: CLIENT}, 60);
    const image = busyboxImage(join(site.directory, 'image'));
    const ended = await site.run(
      ['--pattern', 'vm-lite', '--image', image, '--', '/bin/sh', '-c', `cat ${cvmfs.path(NAME)}/data/numbers`],
      {policy: {...policy(), images: [image]}},
    );
    expect(ended.stdout, ended.stderr).to.equal(readFileSync(join(cvmfs.path(NAME), 'data/numbers'), 'utf8'));
    expect(ended.record.pattern).to.equal('vm-lite');
  });

  it('doctor --cvmfs tells a health check', async () => {
    cvmfs.attributed(NAME, CLIENT);
    await cvmfs.squashfuse(OTHER);
    const doctor = (more: string[], rule: object = {}): Promise<{code: number | null; stdout: string; stderr: string}> =>
      site.command(['doctor', '--cvmfs', '--policy', site.policy(policy({deadline: '1s', ...rule})), ...more]);
    const well = await doctor(['--json']);
    expect(well.code, well.stderr).to.equal(0);
    const {repositories, healthy} = JSON.parse(well.stdout) as {repositories: RunOutput['record']['cvmfs']; healthy: boolean};
    expect(healthy).to.equal(true);
    expect(repositories.map(({repository, state, revision}) => [repository, state, revision])).to.deep.equal([
      [OTHER, 'ok', null],
      [NAME, 'ok', 17],
    ]);
    cvmfs.stop(OTHER);
    const ill = await doctor([]);
    expect(ill.code).to.equal(1);
    expect(ill.stdout)
      .to.match(/other\.example\.org +hung .*no answer/)
      .and.match(/sim\.example\.org +ok +17 /);
    expect((await doctor(['--repository', NAME])).code).to.equal(0);
    expect((await doctor([], {required: ['gone.example.org'], allowed: []})).stdout).to.match(/gone\.example\.org +absent/);
    cvmfs.goOn(OTHER);
  });
});
