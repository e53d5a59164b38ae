/** SIGKILL to the whole wrapper at once, at named steps: a sweep leaves nothing of it, and one record. */
import {expect} from 'chai';
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {namesIn} from '../../../src/record/durable.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {readState} from '../../../src/box/state-read.js';
import {readSeen} from '../../../src/box/state.js';
import {isAt, killAll, sweep} from '../../support/crash.js';
import {describeSite, type SiteOptions} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, processes, Site, until} from '../../support/tare.js';

/** Steps with something on disk. `executed`: the payload runs by then, and its usage can be told; `observed`: how it ended is noted. */
const STEPS: {step: string; executed: boolean; observed?: boolean; ended?: boolean}[] = [
  {step: 'supervisor-made', executed: false},
  {step: 'supervisor-started', executed: false},
  {step: 'enter-joined', executed: false},
  {step: 'init-forked', executed: false},
  {step: 'supervisor-ready', executed: false},
  {step: 'running', executed: true},
  {step: 'supervisor-ended', executed: true},
  {step: 'supervisor-empty', executed: true},
  {step: 'supervisor-observed', executed: true, observed: true},
  {step: 'supervisor-removed', executed: true, observed: true},
  {step: 'supervisor-recorded', executed: true, ended: true},
];

const BURN = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done;';

describeSite('the sweep, %s', {each: true, mayLeave: true, timeout: patience(30_000)}, (site, role) => {
  for (const {step, executed, observed = false, ended = false} of STEPS) {
    it(`all killed at ${step}: one record, nothing left`, async () => {
      await killAllAt(site, step, step.startsWith('supervisor-') && executed ? `${BURN} exit 0` : `${BURN} sleep 61.62831; exit 0`);
      // what is noted of its end is weighed already
      const pauses = observed ? ['sweep-weighed', 'sweep-killed-by'] : [];
      const swept = await sweep(site, {policy: {debug: {pauseAt: pauses}}});
      expect(site.leftovers(), JSON.stringify(swept)).to.deep.equal([]);
      const records = site.records();
      expect(records).to.have.length(1);
      const [record] = records as [UsageRecord];
      expect(swept.map(({result, recordId}) => [result, recordId])).to.deep.equal([[ended ? 'cleaned' : 'closed', record.recordId]]);
      if (ended) {
        expect(record.state).to.equal('final');
      } else if (observed) {
        expect([record.state, record.outcome.status, record.outcome.exitCode, record.wrapper]).to.deep.equal([
          'final',
          'completed',
          0,
          null,
        ]);
        expect(record.flags).to.include('supervisor-lost');
        expect((record.usage.cpuUserUs ?? 0) + (record.usage.cpuSystemUs ?? 0)).to.be.above(10_000);
        expect([record.time.wallUs === null, record.time.clockStepUs, record.tare.cpuUserUs]).to.deep.equal([false, null, null]);
      } else {
        expect([record.state, record.outcome.status, record.wrapper]).to.deep.equal(['lost', 'lost', null]);
        expect(record.outcome.reason).to.equal('the wrapper was killed, and all with it');
        expect(record.time.startEpochUs === null).to.equal(!executed);
        if (!executed) expect(Object.values(record.usage).filter((figure) => figure !== null)).to.deep.equal([]);
        else if (role === 'root') expect((record.usage.cpuUserUs ?? 0) + (record.usage.cpuSystemUs ?? 0)).to.be.above(10_000);
      }
      // a second one finds nothing
      expect(await sweep(site)).to.deep.equal([]);
    });
  }

  it('leaves jobs alone that run', async () => {
    const child = site.start(['run', '--policy', site.policy(), '--', '/bin/sleep', '2']);
    const end = ending(child);
    await until('the payload', () => processes().some(({argv}) => argv.join(' ') === '/bin/sleep 2'));
    for (let time = 0; time < 3; time++) expect(await sweep(site)).to.deep.equal([]);
    expect(await end).to.include({code: 0});
    expect(site.records().map(({state, outcome}) => [state, outcome.status])).to.deep.equal([['final', 'completed']]);
  });

  it('two at once close it once', async () => {
    const {length} = [1, 2, 3];
    for (let time = 0; time < length; time++) await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const swept = await Promise.all([sweep(site), sweep(site), sweep(site)]);
    const closed = swept.flat().filter(({result}) => result === 'closed');
    expect(closed.map(({recordId}) => recordId).sort()).to.deep.equal(
      site
        .records()
        .map(({recordId}) => recordId)
        .sort(),
    );
    expect(closed).to.have.length(length);
    expect(site.leftovers()).to.deep.equal([]);
  });

  for (const step of ['sweep-claimed', 'sweep-weighed', 'sweep-undo-1', 'sweep-undo-2', 'sweep-removed', 'sweep-recorded']) {
    it(`goes on where a sweep was killed: ${step}`, async () => {
      await killAllAt(site, 'running', `${BURN} sleep 61.62831; exit 0`);
      const child = site.start(['records', 'sweep', '--policy', site.policy({debug: {pauseAt: [step]}})]);
      const end = ending(child);
      const shim = child.pid ?? 0;
      await until(step, () => isAt(shim, step));
      killAll(shim);
      await end;
      const swept = await sweep(site);
      expect(swept.map(({result}) => result)).to.deep.equal([step === 'sweep-recorded' ? 'cleaned' : 'closed']);
      expect(site.leftovers()).to.deep.equal([]);
      const records = site.records();
      expect(records.map(({state}) => state)).to.deep.equal(['lost']);
      if (role === 'root') expect(records[0]?.usage.cpuUserUs).to.be.above(0);
    });
  }

  it('removes a trial of an overlay whose process was killed, and leaves one that is under way', async () => {
    const scratch = join(site.directory, 'scratch');
    const make = (name: string): string => {
      const place = join(scratch, name);
      for (const folder of [place, join(place, 'work'), join(place, 'work/work')]) {
        mkdirSync(folder);
        site.give(folder);
      }
      chmodSync(join(place, 'work/work'), 0);
      return place;
    };
    const [old, fresh] = [make('.tare-trial-aaaaaa'), make('.tare-trial-bbbbbb')];
    const before = Date.now() / 1000 - 120;
    utimesSync(old, before, before);
    await sweep(site);
    expect([existsSync(old), existsSync(fresh)]).to.deep.equal([false, true]);
    rmSync(fresh, {recursive: true});
  });

  it('takes over the claim of a dead sweep', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const boxes = join(site.directory, 'state/boxes');
    const [id = ''] = readdirSync(boxes);
    renameSync(join(boxes, id), join(boxes, `${id}.sweep-4194304-77`));
    expect((await sweep(site)).map(({result}) => result)).to.deep.equal(['closed']);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('closes a record of another boot, and one whose box is not known any more', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    await sweep(site);
    const [record] = site.records();
    const started = {...record, state: 'started', wrapper: {pidNamespace: 'pid:[1]', shim: {pid: 1, startTicks: 1}, supervisor: null}};
    const path = join(site.directory, 'spool', `${record?.recordId ?? ''}.json`);
    const give = (document: object): void => {
      writeFileSync(path, JSON.stringify(document));
      site.give(path);
    };
    // another node's is not ours to judge, nor one in a namespace that cannot be seen into
    give({...started, host: {...record?.host, node: 'elsewhere', bootId: 'another'}});
    expect(await sweep(site)).to.deep.equal([]);
    give({...started, host: {...record?.host, bootId: 'another'}});
    expect((await sweep(site)).map(({result, message}) => [result, message])).to.deep.equal([
      ['closed', 'the node went down; its box is not known any more'],
    ]);
    expect(site.records().map(({state, outcome}) => [state, outcome.reason])).to.deep.equal([['lost', 'the node went down']]);
  });

  // only root makes time namespaces (since Linux 5.6), and mounts file systems
  const asRoot = isRoot ? it : null;
  asRoot?.('leaves a live job in another time namespace alone, whose starts are other numbers there', async function () {
    need(this, existsSync('/proc/self/ns/time'), 'the kernel has no time namespaces');
    const boxes = join(site.directory, 'state/boxes');
    const before = namesIn(boxes);
    const account = role === 'user' ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : [];
    const apart = ['-T', '--monotonic', '100000', '--boottime', '100000', ...account, bin('tare')];
    const script = 'while [ ! -e swept ]; do sleep 0.1; done; exit 5';
    const child = spawn('unshare', [...apart, 'run', '--policy', site.policy(), '--', '/bin/sh', '-c', script], {cwd: site.work});
    const end = ending(child);
    try {
      await until('a payload', () => isRunning(boxes, before), 30);
      expect(await sweep(site)).to.deep.equal([]);
      expect(namesIn(boxes)).to.have.length(1);
    } finally {
      writeFileSync(join(site.work, 'swept'), '');
    }
    const {code, signal, stderr} = await end;
    rmSync(join(site.work, 'swept'));
    expect([code, signal], stderr).to.deep.equal([5, null]);
    expect(site.records().map(({state}) => state)).to.deep.equal(['final']);
  });

  asRoot?.('removes what could not be removed when the job ended: scratch had become read-only', async () => {
    const scratch = join(site.directory, 'scratch');
    const remount = (access: 'ro' | 'rw'): void => {
      execFileSync('mount', ['-o', `remount,${access}`, scratch]);
    };
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tare-test', scratch]);
    site.give(scratch);
    try {
      const boxes = join(site.directory, 'state/boxes');
      const before = namesIn(boxes);
      const script = 'while [ ! -e readonly ]; do sleep 0.1; done; exit 3';
      const child = site.start(['run', '--policy', site.policy(), '--', '/bin/sh', '-c', script]);
      const end = ending(child);
      await until('a payload', () => isRunning(boxes, before), 30);
      remount('ro');
      writeFileSync(join(site.work, 'readonly'), '');
      const {code, stderr} = await end;
      rmSync(join(site.work, 'readonly'));
      expect(code, stderr).to.equal(3);
      expect(site.records().map(({state, flags}) => [state, flags.includes('left-behind')])).to.deep.equal([['final', true]]);
      expect(namesIn(scratch)).to.have.length(1);
      expect((await sweep(site)).map(({result}) => result)).to.deep.equal(['left']);
      remount('rw');
      expect((await sweep(site)).map(({result}) => result)).to.deep.equal(['cleaned']);
      expect(site.leftovers()).to.deep.equal([]);
      expect(site.records().map(({state}) => state)).to.deep.equal(['final']);
    } finally {
      execFileSync('umount', ['-l', scratch]);
    }
  });

  it('says that a state directory is not swept into which others could have put something', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const boxes = join(site.directory, 'state/boxes');
    chmodSync(boxes, 0o777);
    expect((await sweep(site)).map(({result, message}) => [result, message.includes(`${boxes} are not swept`)])).to.deep.equal([
      ['left', true],
    ]);
    chmodSync(boxes, 0o700);
    expect((await sweep(site)).map(({result}) => result)).to.deep.equal(['closed']);
  });

  it('a file that is no record keeps no other from being closed', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const [boxes, aside] = ['state/boxes', 'state/aside'].map((name) => join(site.directory, name)) as [string, string];
    renameSync(boxes, aside);
    const bad = ['00000000', 'ffffffff'].map((start) => join(site.directory, 'spool', `${start}-ad8d-51cd-b686-d1992a2495c5.json`));
    for (const path of bad) writeFileSync(path, '{"state":"started"}');
    site.give(...bad);
    const swept = await sweep(site);
    expect(swept.map(({result}) => result).sort()).to.deep.equal(['closed', 'left', 'left']);
    for (const path of bad) expect(swept.map(({message}) => message).join()).to.include(`${path} is no record of a wrapper`);
    // its groups are there still
    for (const path of bad) rmSync(path);
    rmSync(boxes, {recursive: true, force: true});
    renameSync(aside, boxes);
    expect((await sweep(site)).map(({result}) => result)).to.deep.equal(['cleaned']);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('says how far the payload had come', async () => {
    const [began, boxes] = [Date.now(), join(site.directory, 'state/boxes')];
    const noted = (): boolean => namesIn(boxes).some((id) => (readSeen(join(boxes, id))?.wallUs ?? 0) > 900_000);
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0', () => until('a note of a second', noted));
    const most = (Date.now() - began) * 1000;
    await sweep(site);
    const [record] = site.records();
    expect(record?.time.wallUs).to.be.within(900_000, most);
    expect(record?.time.endEpochUs).to.equal((record?.time.startEpochUs ?? 0) + (record?.time.wallUs ?? 0));
    expect(record?.flags).to.include.members(['killed', 'partial']);
  });

  it('a job that ends sweeps what its user’s crashes left', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const {code} = await site.command(['run', '--policy', site.policy(), '--', '/bin/true']);
    expect(code).to.equal(0);
    expect(site.leftovers()).to.deep.equal([]);
    expect(
      site
        .records()
        .map(({state}) => state)
        .sort(),
    ).to.deep.equal(['final', 'lost']);
  });

  it('takes what is no box for no box', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    await sweep(site);
    const boxes = join(site.directory, 'state/boxes');
    for (const [name, text] of Object.entries({aa: '{', ab: '{"plan":{"steps":[]}}', ac: 'null', 'x y': '{}', ad: ''})) {
      mkdirSync(join(boxes, name));
      writeFileSync(join(boxes, name, 'box.json'), text);
      site.give(join(boxes, name), join(boxes, name, 'box.json'));
    }
    writeFileSync(join(boxes, 'ae'), 'a file');
    mkdirSync(join(boxes, 'af'));
    execFileSync('mkfifo', [join(boxes, 'af/box.json')]);
    site.give(join(boxes, 'af'), join(boxes, 'af/box.json'));
    expect(await sweep(site)).to.deep.equal([]);
  });
});

/** As root for everybody: nothing that a user's file says may reach what is not that user's. */
const OF_USER: SiteOptions = {roles: isRoot ? ['user'] : [], each: true, mayLeave: true, timeout: patience(30_000)};

describeSite('the sweep of root over users’ files', OF_USER, (site) => {
  it('closes another user’s box as that user', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    // each account's sweep starts in another directory
    const start = (argv: readonly string[]): ChildProcess => {
      const near = argv.map((word) => (word.startsWith('/') ? relative(site.directory, word) : word));
      return site.start(near, {cwd: site.directory, uid: 0, gid: 0});
    };
    const swept = await sweep(site, {role: 'root', start});
    expect(swept.map(({uid, result}) => [uid, result])).to.deep.equal([[65534, 'closed']]);
    expect(site.leftovers()).to.deep.equal([]);
    expect(site.records().map(({state, trust}) => [state, trust])).to.deep.equal([['lost', 'user']]);
  });

  it('leaves a job alone that cannot see its own processes: a PID namespace with the /proc of another', async () => {
    const roots = new Site('root');
    try {
      const payload = ['/bin/sh', '-c', 'read -r end; exit 0', 'among-others'];
      const tare = [bin('tare'), 'run', '--policy', roots.policy(), '--', ...payload];
      // bubblewrap looks for its child by its number: all that ours get are numbers of others too. These are in a namespace of their own, where
      // no process of the node takes a number between theirs and ends.
      const others = 'for i in $(seq 200); do sleep 600 >/dev/null 2>&1 & done; first=$(($! - 199))';
      const inside = 'echo $(($0 - 1)) >/proc/sys/kernel/ns_last_pid; exec "$@"';
      const script = `${others}; exec unshare --pid --fork sh -c '${inside}' $first "$@"`;
      const child = spawn('unshare', ['--pid', '--fork', '--mount-proc', '--kill-child', '/bin/sh', '-c', script, 'sh', ...tare], {
        cwd: roots.work,
      });
      const end = ending(child);
      await Promise.race([
        until('the payload', () => processes().some(({argv}) => argv.join(' ') === payload.join(' ')), 30),
        end.then((result) => expect.fail(`tare run has ended: ${JSON.stringify(result)}`)),
      ]);
      // what /proc has under our numbers is another process, and says nothing of ours when it ends
      expect(roots.records().map(({wrapper}) => wrapper)).to.deep.equal([
        {pidNamespace: null, timeNamespace: null, shim: null, supervisor: null},
      ]);
      expect(await sweep(roots)).to.deep.equal([]);
      child.stdin.end('\n');
      expect(await end).to.include({code: 0});
      expect(roots.leftovers()).to.deep.equal([]);
    } finally {
      roots.remove();
    }
  });

  it('writes no second record where the first was taken away before the sweep came', async () => {
    const directories = Object.fromEntries(['state', 'spool', 'scratch', 'sealed'].map((name) => [name, join(site.directory, name)]));
    await killAllAt(site, 'supervisor-recorded', 'exit 0');
    const argv = ['records', 'seal', '--json', '--policy', site.policy({directories})];
    const {stdout} = await site.command(argv, {uid: 0, gid: 0});
    expect(JSON.parse(stdout)).to.deep.equal({sealed: 1, open: 0, rejected: []});
    expect((await sweep(site, {role: 'root'})).map(({result}) => result)).to.deep.equal(['cleaned']);
    expect(site.records()).to.deep.equal([]);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('says why a user’s sweep failed', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const policy = site.policy();
    chmodSync(policy, 0o600);
    const {stdout, code} = await site.command(['records', 'sweep', '--policy', policy], {uid: 0, gid: 0});
    expect(code).to.equal(1);
    expect(stdout).to.include(`the sweep as uid 65534 failed: tare: ${policy}: the policy cannot be read`);
  });

  it('kills no process, removes no directory and writes no file that the user could not', async () => {
    await killAllAt(site, 'running', 'sleep 61.62831; exit 0');
    const boxes = join(site.directory, 'state/boxes');
    const [id = ''] = readdirSync(boxes);
    const file = join(boxes, id, 'box.json');
    const truth = readFileSync(file);
    const state = readState(join(boxes, id)) as unknown as {
      init: unknown;
      plan: {directories: Record<string, string>; steps: object[]};
    };
    const sleeper = spawn('/bin/sleep', ['31.4']);
    const pid = sleeper.pid ?? 0;
    const private_ = join(site.directory, 'roots');
    mkdirSync(private_);
    chmodSync(private_, 0o700);
    mkdirSync(join(private_, `tare-${id}`));
    writeFileSync(join(private_, `tare-${id}`, 'precious'), '');
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    const startTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const hostile = {...state, init: {pid, startTicks}};
    hostile.plan.directories = {...state.plan.directories, spool: private_, scratch: private_};
    writeFileSync(file, JSON.stringify(hostile));
    const swept = await sweep(site, {role: 'root'});
    expect(swept.map(({result}) => result)).to.include('left');
    expect([sleeper.exitCode, sleeper.signalCode]).to.deep.equal([null, null]);
    expect(readdirSync(private_)).to.deep.equal([`tare-${id}`]);
    expect(readdirSync(join(private_, `tare-${id}`))).to.deep.equal(['precious']);
    sleeper.kill();
    // its groups are still there
    writeFileSync(join(boxes, readdirSync(boxes)[0] ?? '', 'box.json'), truth);
    await sweep(site, {role: 'root'});
    expect(readdirSync(boxes)).to.deep.equal([]);
  });
});

/** Runs a job, waits for the step, kills shim, supervisor, engine and init in one go, and waits until they are gone. */
/** `come`: the step has been reached, and what is to come before the end. */
async function killAllAt(site: Site, step: string, script: string, come: () => Promise<unknown> = () => sleep(300)): Promise<void> {
  const pauses = step === 'running' ? [] : [step];
  const policy = site.policy({debug: {pauseAt: pauses}});
  const boxes = join(site.directory, 'state/boxes');
  const before = namesIn(boxes);
  const child = site.start(['run', '--policy', policy, '--', '/bin/sh', '-c', script]);
  const end = ending(child);
  const shim = child.pid ?? 0;
  await until(step, () => (step === 'running' ? isRunning(boxes, before) : isAt(shim, step)));
  await come();
  killAll(shim);
  await end;
}

/** The payload of a new box runs, and its box says so. */
function isRunning(boxes: string, before: readonly string[]): boolean {
  try {
    const id = readdirSync(boxes).find((name) => !before.includes(name)) ?? '';
    return readState(join(boxes, id)).startEpochUs !== null;
  } catch {
    return false;
  }
}
