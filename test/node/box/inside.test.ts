/** Looking into live boxes, and ending, pausing and joining them: `tare ps`, `logs`, `kill`, `pause`, `resume`, `exec`. */
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {JobRow} from '../../../src/report/jobs.js';
import {readState} from '../../../src/box/state-read.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, processes, program, send, Site, until, type RunOutput} from '../../support/tare.js';

type Command = Omit<RunOutput, 'record'>;

/** An account that is neither root nor the account of the tests' jobs. */
const STRANGER = readFileSync('/etc/passwd', 'utf8')
  .split('\n')
  .map((line) => Number(line.split(':')[2]))
  .find((uid) => uid > 0 && uid < 65_534);

interface Box {
  id: string;
  startEpochUs: number | null;
  payload: {pid: number} | null;
  init: {pid: number} | null;
  started: {wrapper: {supervisor: {pid: number} | null}};
}

/** Files that a process has open. */
function opened(pid: number): string[] {
  try {
    return readdirSync(`/proc/${String(pid)}/fd`).map((name) => readlinkSync(`/proc/${String(pid)}/fd/${name}`));
  } catch {
    return []; // it is gone, or has closed one
  }
}

describeSite('live boxes, %s', {each: true, mayLeave: true, timeout: patience(30_000)}, (site, role) => {
  let policy: string;
  let jobs: ChildProcess[];
  beforeEach(() => {
    policy = site.policy({grace: '1s'});
    jobs = [];
  });
  afterEach(async () => {
    // a test that failed leaves what it looked into
    for (const job of jobs) if (job.exitCode === null && job.signalCode === null) job.kill('SIGKILL');
    await until('nothing to be left', () => processes().every(({argv}) => !argv.some((each) => each.includes(site.directory))));
  });

  const folder = (): string => join(site.directory, 'state/boxes');
  const read = (id: string): Box => readState(join(folder(), id)) as unknown as Box;
  const live = (): Box[] => {
    try {
      return readdirSync(folder()).map(read);
    } catch {
      return []; // not yet, or not any more
    }
  };
  const tare = (...argv: string[]): Promise<Command> => {
    const dashes = argv.indexOf('--');
    const at = dashes === -1 ? argv.length : dashes;
    return site.command([...argv.slice(0, at), '--policy', policy, ...argv.slice(at)]);
  };
  /** What a tare of this user says, when it ends well. */
  const said = async (...argv: string[]): Promise<string> => {
    const {code, stdout, stderr} = await tare(...argv);
    expect([argv, code], stderr).to.deep.equal([argv, 0]);
    return stdout;
  };
  /** A job whose output goes to files, once its payload runs. */
  const begin = async (script: string, ...flags: string[]): Promise<{box: Box; over: Promise<Command>}> => {
    const [out, err] = ['out', 'err'].map((name) => openSync(join(site.directory, name), 'w')) as [number, number];
    site.give(join(site.directory, 'out'), join(site.directory, 'err'));
    const job = site.start(['run', '--policy', policy, ...flags, '--', '/bin/sh', '-c', script], {stdio: ['ignore', out, err]});
    for (const descriptor of [out, err]) closeSync(descriptor);
    jobs.push(job);
    const box = await until('a payload', () => live().find(({payload}) => payload !== null));
    return {box, over: ending(job)};
  };
  const outcome = (): object => site.records()[0]?.outcome ?? {};
  const list = async (): Promise<JobRow[]> => JSON.parse(await said('ps', '--json')) as JobRow[];

  it('ps: what it is, what it weighs, how it stands; nothing when it is over, then by its record', async () => {
    expect(await said('ps')).to.match(/^ID +NAME .* STATE\n$/);
    const {box} = await begin('while :; do :; done', '--name', 'ev\u001B[31mil\u009B', '--memory', '300MiB', '--cores', '1');
    await until('CPU time', () => Date.now() * 1000 - (box.startEpochUs ?? 0) > 600_000);
    const [job, ...others] = await list();
    expect(others).to.deep.equal([]);
    expect(job).to.include({
      id: box.id,
      pattern: 'ulimit++',
      cores: 1,
      memoryLimitBytes: 300 * 2 ** 20,
      state: 'running',
      endEpochUs: null,
    });
    expect(job?.memoryBytes).to.be.within(1, 50 * 2 ** 20);
    expect(job?.memoryPeakBytes).to.be.at.least(job?.memoryBytes ?? Infinity);
    expect(job?.processes).to.be.at.least(1);
    expect(job?.wallUs).to.be.at.least(600_000);
    expect(job?.cpuUs).to.be.within(50_000, (job?.wallUs ?? 0) * 1.2);
    const table = await said('ps');
    expect(table)
      .to.contain(box.id.slice(0, 12))
      .and.contain('ev?[31mil?')
      .and.contain('300 MiB')
      .and.not.match(/[\u001B\u009B]/);
    expect(await said('ps', '--json')).to.not.match(/[\u001B\u009B]/);
    expect(await said('top', '--once')).to.match(/CPUs [\d.]+% busy, load .*\n1 job, [\d.]+ CPUs/);
    await said('kill', box.id.slice(0, 6));
    expect(await list()).to.deep.equal([]);
    const ended = JSON.parse(await said('ps', '-a', '--json')) as JobRow[];
    expect(ended.map(({id, recordId, state}) => [id, recordId, state])).to.deep.equal([[box.id, site.records()[0]?.recordId, 'killed']]);
    const shown = /^([0-9a-f]{12}) .*killed, /m.exec(await said('ps', '-a'))?.[1] ?? '';
    expect(await said('records', 'show', shown)).to.contain('killed (SIGKILL; uid ');
  });

  it('events: each with the calendar time at which it happened', async () => {
    const {box} = await begin('exec sleep 60');
    const [line = ''] = (await said('events', box.id)).split('\n').filter((each) => each.includes(' executed '));
    expect(Date.parse(line.split(' ')[0] ?? '') * 1000, line).to.be.closeTo(box.startEpochUs ?? 0, 5e6);
    await said('kill', box.id);
  });

  it('logs: either stream, and what comes until the end; what is no file is said to be none', async () => {
    const script = 'echo one; echo two >&2; until [ -e go ]; do sleep 0.05; done; echo three; exec sleep 0.5';
    const {box, over} = await begin(script);
    await until('its first words', () => readFileSync(join(site.directory, 'err'), 'utf8') === 'two\n');
    expect(await said('logs', box.id)).to.equal('one\n');
    expect(await said('logs', box.id, '--stderr')).to.equal('two\n');
    const following = tare('logs', box.id, '--follow');
    const out = join(site.directory, 'out');
    await until('a follower', () => processes().some(({pid, argv}) => argv.includes('--follow') && opened(pid).includes(out)));
    writeFileSync(join(site.work, 'go'), '');
    expect((await following).stdout).to.equal('one\nthree\n');
    await over;
    const piped = site.start(['run', '--policy', policy, '--', 'sleep', '60']);
    jobs.push(piped);
    const other = await until('another', () => live().find(({payload}) => payload !== null));
    const {code, stderr} = await tare('logs', other.id);
    expect([code, stderr]).to.deep.equal([
      125,
      `tare: the standard output of ${other.id} is no file; found: a socket; the caller of the wrapper has it\n`,
    ]);
    await said('kill', other.id);
  });

  it('logs into the file that it reads is refused, however that was opened', async () => {
    const {box} = await begin('echo one; echo two >&2; exec sleep 60');
    const file = (name: string): string => join(site.directory, name);
    await until('its first words', () => readFileSync(file('err'), 'utf8') === 'two\n');
    const cases = [
      ['out', 'a', []],
      ['out', 'r+', []],
      ['out', 'a', ['--follow']],
      ['err', 'a', ['--stderr']],
      ['err', 'a', ['--stderr', '--follow']],
    ] as const;
    for (const [name, opening, flags] of cases) {
      const output = openSync(file(name), opening);
      // what a defect writes is bounded
      const child = spawn('/usr/bin/prlimit', ['--fsize=1048576', bin('tare'), 'logs', '--policy', policy, box.id, ...flags], {
        cwd: site.work,
        stdio: ['ignore', output, 'pipe'],
        ...site.credentials,
      });
      closeSync(output);
      const stream = name === 'out' ? 'output' : 'error';
      const {code, stderr} = await ending(child);
      expect([flags, code, stderr]).to.deep.equal([
        flags,
        125,
        `tare: the standard ${stream} of ${box.id} is the file that this command writes to; found: ${file(name)}; it would read what it has written, for ever: send its output elsewhere\n`,
      ]);
      expect(readFileSync(file(name), 'utf8')).to.equal(name === 'out' ? 'one\n' : 'two\n');
    }
    // each into the other's file is no loop
    const other = openSync(file('err'), 'a');
    expect((await ending(site.start(['logs', '--policy', policy, box.id], {stdio: ['ignore', other, 'pipe']}))).code).to.equal(0);
    closeSync(other);
    expect(readFileSync(file('err'), 'utf8')).to.equal('two\none\n');
    await said('kill', box.id);
  });

  it('pause and resume: nothing moves, the time is not counted; a paused one can be killed', async () => {
    const {box, over} = await begin('while :; do echo x; sleep 0.02; done', '--wall-time', `${String(patience(60))}s`);
    const size = (): number => readFileSync(join(site.directory, 'out')).length;
    await until('output', size);
    expect(await said('pause', box.id)).to.match(/ paused \((?:freezer|SIGSTOP)\)\n$/);
    const before = size();
    expect((await list())[0]?.state).to.equal('paused');
    await new Promise((resolve) => setTimeout(resolve, patience(1500)));
    expect(size()).to.equal(before);
    const refused = await tare('exec', box.id, '--', 'true');
    expect([refused.code, refused.stderr]).to.deep.equal([
      125,
      `tare: nothing can be run in the box ${box.id}; found: paused; allowed: running; tare resume ${box.id} first\n`,
    ]);
    await said('resume', box.id);
    await until('more output', () => size() > before);
    expect((await list())[0]?.state).to.equal('running');
    await said('pause', box.id);
    await said('kill', box.id);
    expect((await over).signal).to.equal('SIGKILL');
    expect(outcome()).to.include({status: 'killed', signal: 'SIGKILL'});
    const {time} = site.records()[0] ?? {};
    expect(time?.suspendedUs).to.be.within(1_000_000, time?.wallUs ?? 0);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('a limit ends one that is paused, and lets it use its grace', async () => {
    policy = site.policy({grace: `${String(patience(20))}s`, suspendedTime: 'counted'});
    const {box, over} = await begin('trap "echo bye; exit 3" TERM; while :; do sleep 0.02; done', '--wall-time', `${String(patience(3))}s`);
    await said('pause', box.id);
    expect((await over).code).to.equal(3);
    expect(outcome()).to.include({status: 'limit', limit: 'wallTime', exitCode: 3});
    expect(readFileSync(join(site.directory, 'out'), 'utf8')).to.equal('bye\n');
  });

  it('kill --signal TERM: its own end in its grace, then a kill; another signal only reaches it', async () => {
    const first = await begin('trap "echo usr" USR1; trap "exit 0" TERM; echo ready; while :; do sleep 0.02; done');
    const out = (): string => readFileSync(join(site.directory, 'out'), 'utf8');
    await until('its traps', out);
    expect(await said('kill', '-s', 'usr1', first.box.id)).to.equal(`${first.box.id} was sent SIGUSR1\n`);
    await until('the signal', () => out() === 'ready\nusr\n');
    expect(await said('kill', '--signal', 'TERM', first.box.id)).to.equal(`${first.box.id} ended\n`);
    const uid = role === 'root' ? 0 : (site.credentials.uid ?? process.getuid?.());
    expect((await first.over).code).to.equal(0);
    const {killedBy, ...rest} = site.records()[0]?.outcome ?? {};
    expect(rest).to.include({status: 'killed', exitCode: 0, reason: `uid ${String(uid)} ended it by tare kill (SIGTERM)`});
    expect(killedBy).to.include({uid, signal: 'SIGTERM'});
    expect(Math.abs((killedBy?.epochUs ?? 0) / 1000 - Date.now())).to.be.below(patience(10_000));
    const second = await begin('trap "" TERM; echo ready; while :; do sleep 0.02; done');
    await until('its trap', out);
    const started = Date.now();
    await said('kill', '-s', '15', second.box.id);
    expect(Date.now() - started).to.be.at.least(1000); // the grace
    expect((await second.over).signal).to.equal('SIGKILL');
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('a payload that is asked to end a second time is killed', async () => {
    policy = site.policy({grace: '60s'});
    const {box, over} = await begin('trap "" TERM; echo ready; while :; do sleep 0.02; done');
    await until('its trap', () => readFileSync(join(site.directory, 'out'), 'utf8'));
    const first = tare('kill', '-s', 'TERM', box.id);
    await until('the first', () => existsSync(join(folder(), box.id, 'kills.json')));
    expect((await list())[0]?.state).to.equal('ending');
    await said('kill', '-s', 'TERM', box.id);
    expect((await over).signal).to.equal('SIGKILL');
    expect((await first).code).to.equal(0);
    expect(outcome()).to.include({status: 'killed', signal: 'SIGKILL'});
  });

  it('kill when no supervisor is left: the record has the uid that killed', async () => {
    const {box, over} = await begin('while :; do sleep 0.02; done');
    const supervisor = (): number => live()[0]?.started.wrapper.supervisor?.pid ?? 0;
    for (let killed = 0, last = 0; killed < 3; killed++) {
      last = await until('a supervisor', () => (supervisor() === last ? 0 : supervisor()));
      send(last, 'SIGKILL');
    }
    await until('no supervisor', () => !processes().some(({pid, state}) => pid === supervisor() && state !== 'Z'));
    expect((await list())[0]?.state).to.equal('running');
    expect(await said('kill', box.id)).to.equal(`${box.id} ended\n`);
    await over;
    expect(site.records().map(({state, outcome: {status, killedBy}}) => [state, status, killedBy?.signal])).to.deep.equal([
      ['final', 'killed', 'SIGKILL'],
    ]);
    expect(site.leftovers()).to.deep.equal([]);
  });

  it('exec: the payload’s namespaces, groups, environment and directory; the command’s end; dies with the box', async () => {
    const {box, over} = await begin('export LATER=1; echo ready; exec sleep 61.25', '--memory', '300MiB');
    await until('the payload', () => readFileSync(join(site.directory, 'out'), 'utf8'));
    const script =
      'cat; echo "$$ $X $Y $MARK"; pwd; grep -c . /proc/[0-9]*/comm; cat /proc/2/comm; grep NoNewPrivs /proc/self/status; exit 7';
    const child = site.start(['exec', box.id, '--policy', policy, '--env', 'X=a=b', '-e', 'Y', '--', 'sh', '-c', script], {
      env: {PATH: '/usr/bin:/bin', Y: 'caller', MARK: 'callers'},
    });
    child.stdin?.end('in\n');
    const {code, stdout, stderr} = await ending(child);
    expect(code, stderr).to.equal(7);
    const lines = stdout.split('\n');
    expect(lines[0]).to.equal('in');
    expect(lines[1]).to.match(/^\d{1,2} a=b caller $/);
    expect(lines[2]).to.equal(site.work);
    expect(lines).to.include('sleep').and.include('NoNewPrivs:\t1');
    expect((await tare('exec', box.id, '--', 'sh', '-c', 'kill -USR2 $$')).signal).to.equal('SIGUSR2');
    const missing = await tare('exec', box.id, '--', '/nonexistent');
    expect([missing.code, missing.stderr]).to.deep.equal([
      127,
      'tare: the command could not be executed: /nonexistent: No such file or directory\n',
    ]);
    const groups = (pid: number | 'self'): string[] =>
      readFileSync(`/proc/${String(pid)}/cgroup`, 'utf8')
        .split('\n')
        .filter((line) => line.includes('/tare-'));
    const staying = tare('exec', box.id, '--', 'sleep', '61.75');
    const sleeper = await until('the command', () => processes().find(({argv}) => argv[0] === 'sleep' && argv[1] === '61.75'));
    expect(groups(sleeper.pid)).to.deep.equal(groups(box.payload?.pid ?? 0));
    if (role === 'root') expect(groups(sleeper.pid)).to.not.deep.equal([]);
    await said('kill', box.id);
    expect((await over).signal).to.equal('SIGKILL');
    expect((await staying).signal).to.equal('SIGKILL');
    expect(processes().some(({argv}) => argv[1] === '61.75')).to.equal(false);
  });

  it('exec on a terminal: the command has it, in a group of its own that is in front', async function () {
    const script = program('script');
    need(this, script !== null, 'there is no script(1)');
    const {box} = await begin('sleep 60');
    const command = `${bin('tare')} exec ${box.id} --policy ${policy} -- sh -c 'test -t 0 && test -t 1 && ps -o pgid=,tpgid= -p $$; echo done'`;
    // its standard input stays open: script(1) would type its end
    const child = spawn(script ?? '', ['-qec', command, '/dev/null'], {...site.credentials, cwd: '/', stdio: 'pipe'});
    const {stdout} = await ending(child);
    const [group, foreground] = stdout.trim().split(/\s+/);
    expect(group, stdout).to.match(/^\d+$/);
    expect(foreground).to.equal(group);
    expect(stdout).to.contain('done');
    await said('kill', box.id);
  });

  it('wrong ids, applications and signals are refused, with what is right', async () => {
    const {box} = await begin('sleep 60');
    const cases: [string[], number, RegExp][] = [
      [['kill', 'ffff'], 125, /^tare: no live box of that id.*; found: ffff; `tare ps` lists them/],
      [['pause', '../../etc'], 125, /no live box .*found: \.\.\/\.\.\/etc/],
      [['resume', ''], 125, /no live box/],
      [['logs', 'a\u001B[31m'], 125, /found: a\?\[31m/],
      [['logs', box.id, '--application', 'merger'], 125, /has one payload and no applications; found: merger/],
      [['exec', box.id, '--application', 'x', '--', 'true'], 125, /has one payload/],
      [['exec', box.id], 64, /a command is wanted after --/],
      [['exec', box.id, '-e', '=x', '--', 'true'], 64, /no variable/],
      [['kill', box.id, '-s', 'NONSENSE'], 64, /is no signal; allowed: TERM/],
      [['kill'], 64, /Missing 1 required arg/],
      [['top', '--once', '--interval', 'soon'], 125, /--interval: not a duration/],
      [['ps', '-a', '--last', '0'], 64, /greater than or equal to 1/],
    ];
    await Promise.all(
      cases.map(async ([argv, code, words]) => {
        const ended = await tare(...argv);
        expect([argv, ended.code], ended.stderr).to.deep.equal([argv, code]);
        expect(ended.stderr).to.match(words).and.not.contain('\u001B');
      }),
    );
    expect((await list()).map(({id, state}) => [id, state])).to.deep.equal([[box.id, 'running']]);
    await said('kill', box.id);
  });

  // only root can be two users
  if (isRoot) {
    it('another user may do nothing to it, and sees nothing', async function () {
      need(this, STRANGER !== undefined, 'there is no other account');
      const {box} = await begin('sleep 60');
      const stranger = (...argv: string[]): Promise<Command> => {
        const child = site.start(argv, {uid: STRANGER ?? -1, gid: STRANGER ?? -1, cwd: '/'});
        child.stdin?.end();
        return ending(child);
      };
      expect((await stranger('ps', '--policy', policy)).stdout).to.match(/^ID .*\n$/);
      const refused = [['kill'], ['kill', '-s', 'USR1'], ['pause'], ['resume'], ['logs'], ['exec']].map(async (argv) => {
        const {code, stderr} = await stranger(...argv, box.id, '--policy', policy, ...(argv[0] === 'exec' ? ['--', 'true'] : []));
        expect([argv, code]).to.deep.equal([argv, 125]);
        expect(stderr).to.match(
          new RegExp(`^tare: the box ${box.id} belongs to another user; found: uid \\d+; this is uid ${String(STRANGER)};`),
        );
      });
      await Promise.all(refused);
      expect((await stranger('kill', box.id.slice(0, 8), '--policy', policy)).stderr).to.contain(
        'no live box of that id or name that is yours',
      );
      expect((await list())[0]?.state).to.equal('running');
      await said('kill', box.id);
    });
  }

  if (isRoot && role === 'user') {
    it('root may, as its owner; what a user wrote steers neither root nor root’s terminal', async () => {
      const {box, over} = await begin('echo out; exec sleep 60');
      const root = new Site('root');
      try {
        const asRoot = (...argv: string[]): Promise<Command> => {
          const dashes = argv.indexOf('--');
          const at = dashes === -1 ? argv.length : dashes;
          return root.command([...argv.slice(0, at), '--policy', policy, ...argv.slice(at)]);
        };
        const plant = (id: string): string => {
          const directory = join(folder(), id);
          mkdirSync(directory, {mode: 0o700});
          site.give(directory);
          return join(directory, 'box.json');
        };
        const as = (path: string, text: string): void => {
          writeFileSync(path, text);
          site.give(path);
        };
        execFileSync('mkfifo', [plant('aa01')]);
        symlinkSync('/etc/shadow', plant('aa02'));
        const huge = plant('aa03');
        as(huge, '');
        truncateSync(huge, 2 ** 40);
        const good = readState(join(folder(), box.id)) as unknown as Record<string, Record<string, unknown>>;
        for (const [index, text] of [
          '',
          'null',
          '[]',
          '{"__proto__": {"id": "aa13"}, "id": "aa13"}',
          '{"id": "aa14", "started": 5, "plan": null}',
          JSON.stringify({...good, id: 'aa15', plan: {...good['plan'], steps: [null, 5]}}),
          JSON.stringify({...good, id: 'aa16', plan: {steps: 'x'}, init: {pid: -1, startTicks: 'x'}, payload: {pid: 1e99}}),
          JSON.stringify(good),
        ].entries())
          as(plant(`aa1${String(index)}`), text);
        // groups by a path that the owner can change under root's feet
        const steps = [{op: 'cgroup.create', group: 'payload', version: 2, controllers: [], directory: `${site.work}/tare-aa20/payload`}];
        mkdirSync(join(site.work, 'tare-aa20/payload'), {recursive: true});
        execFileSync('mkfifo', [join(site.work, 'tare-aa20/payload/memory.current')]);
        const started = {...good['started'], payload: {name: '\u001B]0;evil\u0007\u202E'}};
        as(plant('aa20'), JSON.stringify({...good, id: 'aa20', started, plan: {...good['plan'], steps}}));

        const {stdout, stderr, code} = await asRoot('ps');
        expect([code, stderr]).to.deep.equal([0, '']);
        expect(stdout)
          .to.contain('?]0;evil??')
          .and.not.match(/[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202E]/);
        const ids = stdout
          .trimEnd()
          .split('\n')
          .slice(1)
          .map((line) => line.split(' ')[0]);
        expect(ids.sort()).to.deep.equal(['aa15', 'aa16', 'aa20', box.id.slice(0, 12)].sort());
        const ambiguous = await asRoot('kill', 'aa');
        expect([ambiguous.code, ambiguous.stderr]).to.deep.equal([125, ambiguous.stderr.replaceAll(/\p{Cc}(?!$)|\p{Cf}/gu, '!')]);
        expect(ambiguous.stderr).to.match(
          /several live boxes have an id that begins with aa, or that name; found: aa15 .*aa16 .*aa20 .*; give more of the id\n$/,
        );

        expect((await asRoot('logs', box.id)).stdout).to.equal('out\n');
        const uid = String(site.credentials.uid);
        expect((await asRoot('exec', box.id, '--', 'sh', '-c', 'id -u; echo "$0"; exit 4', 'a b')).stdout).to.equal(`${uid}\na b\n`);
        expect((await asRoot('exec', box.id, '--', 'sh', '-c', 'exit 4')).code).to.equal(4);
        expect((await asRoot('pause', box.id)).stdout).to.match(/paused/);
        expect((await asRoot('resume', box.id)).code).to.equal(0);
        const killed = await asRoot('kill', box.id);
        expect(killed.code, killed.stderr).to.equal(0);
        await over;
        const [record] = site.records();
        expect(record?.outcome).to.include({status: 'killed', reason: 'uid 0 ended it by tare kill (SIGKILL)'});
      } finally {
        root.remove();
      }
    });
  }
});
