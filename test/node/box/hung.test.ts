/**
 * A file system by FUSE that never answers, at each place that a wrapper touches: no job waits for it for ever, and a caller that asks a wrapper to end
 * is answered. `npm run test:long` has every place wait for the whole time; else those with a signal do for most.
 */
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, program, until} from '../../support/tare.js';

const FUSE = fileURLToPath(new URL('../../support/slow-fuse.py', import.meta.url));
const PYTHON = program('python3') ?? 'python3';
const PLACES = ['policy', 'descriptor', 'work directory', 'spool', 'state', 'scratch', 'log', 'kill switch'] as const;
type Place = (typeof PLACES)[number];
/** What of a launch is waited for, and what is waited after a signal, s (native/patience.c). */
const LAUNCH_S = 60;
const ASKED_S = 5;
/** What a look at the caller's output waits (src/box/slow-output.ts), s. */
const OUTPUT_S = 5;

describeSite('a file system that never answers, %s', {each: true, mayLeave: true, timeout: patience(150_000)}, (site) => {
  let hung: string;
  let server: ChildProcess | null = null;

  beforeEach(function () {
    need(this, isRoot, 'only root mounts a file system that everybody sees');
    need(this, program('fusermount') !== null || program('fusermount3') !== null, 'python3-fuse is not installed');
    hung = join(site.directory, 'hung');
    const tree = join(site.directory, 'tree');
    for (const directory of [hung, tree, join(tree, 'place')]) mkdirSync(directory);
    chmodSync(join(tree, 'place'), 0o777);
    writeFileSync(join(tree, 'policy.json'), readFileSync(site.policy()));
    writeFileSync(join(tree, 'job.json'), JSON.stringify({schema: 'tare/job/v1', command: ['/bin/true']}));
  });
  afterEach(() => {
    server?.kill('SIGKILL'); // the kernel ends all that waits for it
    server = null;
    execFileSync('umount', ['-l', hung]);
  });

  /** @param seconds how long it takes for each open; null: it answers nothing at all */
  async function mount(seconds: number | null): Promise<void> {
    server = spawn(PYTHON, [FUSE, join(site.directory, 'tree'), String(seconds ?? 0), hung], {stdio: 'inherit'});
    await until('the file system', () => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${hung} `), 20);
    if (seconds === null) server.kill('SIGSTOP');
  }

  function argvFor(place: Place): string[] {
    const inSite = (name: string): string => join(site.directory, name);
    const at = join(hung, 'place');
    const own = {state: inSite('state'), spool: inSite('spool'), scratch: inSite('scratch')};
    const directories =
      place === 'spool' || place === 'state' || place === 'scratch'
        ? {...own, [place]: at}
        : place === 'log'
          ? {...own, log: join(at, 'log')}
          : own;
    const policy = site.policy({directories, ...(place === 'kill switch' ? {killSwitch: join(at, 'off')} : {})});
    const job = site.job({command: ['/bin/true'], workDirectory: place === 'work directory' ? at : site.work});
    return [
      ...['run', '--policy', place === 'policy' ? join(hung, 'policy.json') : policy],
      place === 'descriptor' ? join(hung, 'job.json') : job,
    ];
  }

  interface Told {
    place: Place;
    code: number | null;
    seconds: number;
    stderr: string;
  }

  async function told(place: Place, signal: NodeJS.Signals | null): Promise<Told> {
    const start = performance.now();
    const child = spawn(bin('tare'), argvFor(place), {cwd: site.work, ...site.credentials});
    const end = ending(child);
    if (signal !== null) setTimeout(() => child.kill(signal), 2000);
    const {code, stderr} = await end;
    return {place, code, seconds: (performance.now() - start) / 1000, stderr};
  }

  /** Nothing of the jobs is left when the file system is gone. */
  async function nothingLeft(): Promise<void> {
    server?.kill('SIGKILL');
    await until('the end of what waits there', () => site.leftovers().every((what) => !what.startsWith('process')), 20);
    execFileSync('umount', ['-l', hung]);
    await site.command(['records', 'sweep', '--policy', site.policy()]);
    expect(site.leftovers()).to.deep.equal([]);
    execFileSync('mount', ['-t', 'tmpfs', 'tare-test', hung]); // for afterEach
  }

  const check = ({place, code, seconds, stderr}: Told, bound: number, says: RegExp): void => {
    expect(code, `${place}: ${stderr}`).to.equal(125);
    expect(stderr, place).to.match(says);
    expect(seconds, place).to.be.below(bound);
  };

  it('a signal that asks for the end is answered, wherever the wrapper waits', async () => {
    await mount(null);
    const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
    const all = await Promise.all(PLACES.map((place, index) => told(place, signals[index % signals.length] ?? 'SIGTERM')));
    for (const one of all) check(one, 2 + ASKED_S + patience(10), /LAUNCH_TIMEOUT: asked to end/);
    await nothingLeft();
  });

  it('a launch is waited for a minute, and no longer', async () => {
    await mount(null);
    const places = process.env['TARE_LONG'] === '1' ? PLACES : (['policy', 'spool'] as const);
    const all = await Promise.all(places.map((place) => told(place, null)));
    for (const one of all) check(one, LAUNCH_S + patience(25), /LAUNCH_TIMEOUT: the wrapper did not get on within 60 s while /);
    await nothingLeft();
  });

  it('a spool that hangs at the end delays no job: it ends as its payload did, and a sweep closes its record', async function () {
    const overlay = program('fuse-overlayfs');
    need(this, overlay !== null, 'fuse-overlayfs is not installed');
    const layers = ['upper', 'work'].map((name) => join(site.directory, `fuse-${name}`));
    for (const layer of layers) mkdirSync(layer);
    chmodSync(layers[0] ?? '', 0o777);
    const options = `lowerdir=${join(site.directory, 'tree')},upperdir=${layers[0] ?? ''},workdir=${layers[1] ?? ''},allow_other`;
    server = spawn(overlay ?? '', ['-f', '-o', options, hung], {stdio: 'inherit'});
    await until('the file system', () => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${hung} `), 20);
    mkdirSync(join(hung, 'spool'));
    chmodSync(join(hung, 'spool'), 0o777);
    const directories = {...Object.fromEntries(['state', 'scratch'].map((name) => [name, join(site.directory, name)]))};
    const policy = site.policy({directories: {...directories, spool: join(hung, 'spool')}});
    const script = 'touch runs; while [ ! -e stop ]; do sleep 0.1; done; exit 7';
    const runs = join(site.work, 'runs');
    const run = async (signal: NodeJS.Signals | null): Promise<[number | null, number]> => {
      const child = spawn(bin('tare'), ['run', '--policy', policy, '--', '/bin/sh', '-c', script], {cwd: site.work, ...site.credentials});
      const end = ending(child);
      await until('the payload', () => existsSync(runs), 30);
      server?.kill('SIGSTOP');
      writeFileSync(join(site.work, 'stop'), '');
      const start = performance.now();
      if (signal !== null) setTimeout(() => child.kill(signal), 2000);
      const {code} = await end;
      return [code, (performance.now() - start) / 1000];
    };
    const [code, seconds] = await run('SIGTERM');
    expect(code).to.equal(7);
    // a wrapper that is asked to end cleans up first, as long as it works
    expect(seconds).to.be.below(2 + ASKED_S + 10 + patience(15));
    server.kill('SIGKILL');
    execFileSync('umount', ['-l', hung]);
    const swept = await site.command(['records', 'sweep', '--json', '--policy', site.policy()]);
    expect(JSON.parse(swept.stdout), swept.stderr).to.have.length(1).and.have.nested.property('[0].result', 'closed');
    expect(site.leftovers()).to.deep.equal([]);
    execFileSync('mount', ['-t', 'tmpfs', 'tare-test', hung]); // for afterEach
  });

  it('output there delays no job, and tare logs says that it does not answer', async () => {
    await mount(0);
    const file = join(hung, 'job.json');
    const output = openSync(file, 'r');
    // the kernel is told that the server has no flush, and so asks it for none at the end of each process
    closeSync(openSync(file, 'r'));
    server?.kill('SIGSTOP');
    const policy = site.policy({logs: {keep: 'all'}});
    const start = performance.now();
    const script = 'trap "exit 7" TERM; echo ready >&2; while :; do sleep 0.1; done';
    const child = spawn(bin('tare'), ['run', '--policy', policy, '--', '/bin/sh', '-c', script], {
      cwd: site.work,
      stdio: ['ignore', output, 'pipe'],
      ...site.credentials,
    });
    const end = ending(child);
    await once(child.stderr!, 'data');
    expect((performance.now() - start) / 1000).to.be.below(OUTPUT_S + patience(10));
    const [{id} = {id: ''}] = JSON.parse((await site.command(['ps', '--json', '--policy', policy])).stdout) as {id: string}[];
    const asked = performance.now();
    const logs = await site.command(['logs', '--policy', policy, id]);
    expect([logs.code, logs.stderr]).to.deep.equal([
      125,
      `tare: the standard output of ${id} cannot be read; found: its file system gave no answer within 5 s; try again when the file system answers\n`,
    ]);
    expect((performance.now() - asked) / 1000).to.be.below(OUTPUT_S + patience(10));
    child.kill('SIGTERM');
    const {code, stderr} = await end;
    expect(code, stderr).to.equal(7);
    server?.kill('SIGKILL');
    closeSync(output);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('a wrapper that SIGKILL does not end delays no other', async () => {
    await mount(10_000);
    check(await told('policy', 'SIGTERM'), 2 + ASKED_S + patience(10), /LAUNCH_TIMEOUT: asked to end/);
    await nothingLeft();
  });
});
