/** Every word of docker's that docs/howto/docker.md promises, against a live job and one that has ended. */
import {closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {readState} from '../../../src/box/state-read.js';
import type {JobRow} from '../../../src/report/jobs.js';
import {killAll} from '../../support/crash.js';
import {describeSite} from '../../support/describe-site.js';
import {patience} from '../../support/pace.js';
import {ending, isRoot, processes, until, type RunOutput} from '../../support/tare.js';

type Command = Omit<RunOutput, 'record'>;

describeSite('docker’s words, %s', {mayLeave: true, timeout: patience(40_000)}, (site, role) => {
  let policy: string;
  /** Ids of the box that lives, and of the one that has ended. */
  let live: string;
  let over: string;
  const file = (name: string): string => join(site.directory, name);

  const tare = (...argv: string[]): Promise<Command> => site.command([...argv.slice(0, 1), '--policy', policy, ...argv.slice(1)]);
  const said = async (...argv: string[]): Promise<string> => {
    const {code, stdout, stderr} = await tare(...argv);
    expect([argv, code], stderr).to.deep.equal([argv, 0]);
    return stdout;
  };
  const refused = async (...argv: string[]): Promise<string> => {
    const {code, stderr} = await tare(...argv);
    expect([argv, code], stderr).to.deep.equal([argv, 125]);
    return stderr;
  };
  const boxes = (): ReturnType<typeof readState>[] => {
    try {
      return readdirSync(file('state/boxes')).map((id) => readState(join(file('state/boxes'), id)));
    } catch {
      return []; // not yet, or just not any more
    }
  };
  const start = (name: string, script: string, output = name): Promise<Command> => {
    const streams = ['out', 'err'].map((stream) => openSync(file(`${output}.${stream}`), 'w')) as [number, number];
    site.give(file(`${output}.out`), file(`${output}.err`));
    const job = site.start(['run', '--policy', policy, '--name', name, '--memory', '300MiB', '--', '/bin/sh', '-c', script], {
      stdio: ['ignore', ...streams],
    });
    for (const stream of streams) closeSync(stream);
    return ending(job);
  };

  before(async function () {
    this.timeout(patience(60_000));
    policy = site.policy({grace: '1s', logs: {keep: 'all', maxSize: '1KiB'}});
    const ended = await start('fails', 'echo one; echo two; echo oops >&2; touch /tmp/made; exit 7');
    expect(ended.code, readFileSync(file('fails.err'), 'utf8')).to.equal(7);
    void start('stays', 'echo first; echo second; echo third; touch /tmp/made; while :; do sleep 0.1; done');
    live = (await until('a payload', () => boxes().find(({payload}) => payload !== null))).id;
    await until('its words', () => readFileSync(file('stays.out'), 'utf8').includes('third'));
    over = site.records().find(({payload}) => payload.name === 'fails')?.boxId ?? '';
    expect(over).to.match(/^[0-9a-f]{16}$/);
  });
  after(async () => {
    await tare('kill', live);
    await until('nothing to be left', () => processes().every(({argv}) => !argv.some((each) => each.includes(site.directory))));
  });

  it('ps, ps -a, -q, -n, --filter, --no-trunc, --format json', async () => {
    expect(await said('ps'))
      .to.contain('stays')
      .and.not.contain('fails');
    const all = await said('ps', '-a');
    expect(all).to.match(new RegExp(`^${live.slice(0, 12)} +stays .* running$`, 'm'));
    expect(all).to.match(new RegExp(`^${over.slice(0, 12)} +fails .* failed \\(7\\), \\S+ ago$`, 'm'));
    expect(await said('ps', '-q')).to.equal(`${live}\n`);
    expect(await said('ps', '-aq')).to.equal(`${live}\n${over}\n`);
    expect(await said('ps', '-q', '-n', '1', '--filter', 'status=exited')).to.equal(`${over}\n`);
    expect(await said('ps', '-a', '-q', '-f', 'name=stay')).to.equal(`${live}\n`);
    expect(await said('ps', '--no-trunc')).to.contain(live);
    const rows = (await said('ps', '-a', '--format', 'json')).trimEnd().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as JobRow).id)).to.deep.equal([live, over]);
    expect((await tare('ps', '--filter', 'color=red')).code).to.equal(64);
  });

  it('logs of both, by id, by its beginning, by name; -f, -n; what was kept when the file is gone', async () => {
    for (const word of [live, live.slice(0, 6), 'stays']) expect(await said('logs', word)).to.equal('first\nsecond\nthird\n');
    expect(await said('logs', '--tail', '1', 'stays')).to.equal('third\n');
    for (const word of [over, over.slice(0, 12), 'fails']) expect(await said('logs', word)).to.equal('one\ntwo\n');
    expect(await said('logs', '-f', '-n', '1', 'fails')).to.equal('two\n');
    expect(await said('logs', '--stderr', 'fails')).to.equal('oops\n');
    expect(await refused('logs', 'fails', '--application', 'x')).to.match(/has one payload and no applications; found: x/);
    const before = readFileSync(file('fails.out'));
    rmSync(file('fails.out'));
    writeFileSync(file('fails.out'), 'of somebody else\n');
    expect(await said('logs', 'fails')).to.equal('one\ntwo\n');
    rmSync(file('fails.out'));
    expect(await said('logs', 'fails')).to.equal('one\ntwo\n');
    writeFileSync(file('fails.out'), before);
  });

  it('diff of the live one; of an ended one nothing is left to compare', async () => {
    expect(await said('diff', 'stays')).to.contain('A /tmp/made');
    expect(await refused('diff', 'fails')).to.match(/no live box of that id or name/);
  });

  it('exec with and without --, -it', async () => {
    expect(await said('exec', live, '--', 'cat', '/proc/self/comm')).to.equal('cat\n');
    expect(await said('exec', '-it', 'stays', 'echo', 'a b', '--', 'c')).to.equal('a b -- c\n');
    expect((await tare('exec', '-e', 'X=3', 'stays', 'sh', '-c', 'exit $X')).code).to.equal(3);
    expect(await refused('exec', 'fails', 'true')).to.match(/no live box/);
  });

  it('inspect of both', async () => {
    const [first, second] = JSON.parse(await said('inspect', 'stays', 'fails')) as Record<string, unknown>[];
    expect(first).to.include({id: live, name: 'stays', live: true, kept: null});
    expect(first?.['plan']).to.have.property('limits');
    expect(second).to.include({id: over, name: 'fails', live: false, plan: null, kept: join(file('state/logs'), over)});
    expect(await said('inspect', '-f', 'record.outcome.exitCode', 'fails')).to.equal('7\n');
    expect(await said('inspect', '--field', 'row.state', 'stays', 'fails')).to.equal('running\nfailed (7)\n');
    expect(await refused('inspect', '-f', 'record.exit', 'fails')).to.match(/no record\.exit; allowed there: /);
    expect(await refused('inspect', 'none')).to.match(
      /^tare: no job of that id or name.*, live or ended; found: none; `tare ps -a` lists them/,
    );
  });

  it('stats and top', async () => {
    expect(await said('stats', '--no-stream')).to.match(new RegExp(`^${live.slice(0, 12)} +stays +\\S+ +\\d.* 300 MiB .* running$`, 'm'));
    const [row, ...others] = JSON.parse(await said('stats', '--no-stream', '--json', 'stays')) as (JobRow & {cpus: number})[];
    expect(others).to.deep.equal([]);
    expect(row).to.include({id: live});
    expect(row?.cpus).to.be.within(0, 4);
    expect(await said('top', 'stays')).to.match(/^ *\d+ +\d+ +\S +1 +\S+ \S+ +\S+ +\/bin\/sh -c echo first/m);
    expect(await refused('stats', '--no-stream', 'fails')).to.match(/no live box/);
  });

  it('events of one, and of all', async () => {
    expect(await said('events', 'stays')).to.match(/^\S+Z executed /m);
    expect(await said('events')).to.match(new RegExp(`^\\S+Z ${live.slice(0, 12)} stays executed `, 'm'));
    expect(await said('events', '--since', '0s')).to.equal('');
    const lines = (await said('events', '--since', '1h', '--json')).trimEnd().split('\n');
    for (const line of lines) expect(JSON.parse(line)).to.include({box: live, name: 'stays'});
  });

  it('pause, resume, images, search, records show', async () => {
    expect(await said('pause', 'stays')).to.match(/ paused \(/);
    expect(await said('ps', '-q', '-f', 'status=paused')).to.equal(`${live}\n`);
    await said('resume', 'stays');
    expect(await said('images')).to.equal((await site.command(['images', 'list', '--policy', policy])).stdout);
    expect((await tare('search', 'no such image')).code).to.equal(1);
    expect(JSON.parse((await site.command(['records', 'show', '--json', '--policy', policy, 'fails'])).stdout)).to.include({boxId: over});
  });

  it('a name of two live jobs is no guess; an id is one', async () => {
    const second = start('stays', 'while :; do sleep 0.1; done', 'second');
    const {id} = await until('another payload', () => boxes().find((box) => box.id !== live && box.payload !== null));
    expect(await refused('kill', 'stays')).to.match(/several live boxes have an id that begins with stays, or that name; found: /);
    await said('kill', id);
    expect((await second).signal).to.equal('SIGKILL');
    expect(await said('logs', 'stays')).to.equal('first\nsecond\nthird\n');
  });

  it('logs of a job whose wrapper was killed: a sweep keeps them in its place', async () => {
    const job = start('crashed', 'echo last words; while :; do sleep 0.1; done');
    const box = await until('another payload', () =>
      boxes().find(({started, payload}) => started.payload.name === 'crashed' && payload !== null),
    );
    await until('its words', () => readFileSync(file('crashed.out'), 'utf8'));
    killAll(box.started.wrapper?.shim?.pid ?? 0);
    await job;
    const swept = await site.command(['records', 'sweep', '--policy', policy]);
    expect([swept.code, swept.stderr]).to.deep.equal([0, '']);
    expect(await said('ps', '-a', '-f', 'name=crashed')).to.match(/ lost(?:, .*)?$/m);
    rmSync(file('crashed.out'));
    expect(await said('logs', 'crashed')).to.equal('last words\n');
  });

  it('nothing of what went to a pipe', async () => {
    const child = site.start(['run', '--policy', policy, '--name', 'piped', '--', 'echo', 'x']);
    child.stdin?.end();
    expect((await ending(child)).stdout).to.equal('x\n');
    expect(await refused('logs', 'piped')).to.match(/is not kept; found: it went to a pipe, /);
  });

  if (isRoot && role === 'user')
    it('root reads it as its owner: a note leads to nothing that the owner could not read', async () => {
      const asRoot = (...argv: string[]): Promise<Command> => site.command([...argv, '--policy', policy], {uid: 0, gid: 0});
      expect((await asRoot('logs', over)).stdout).to.equal('one\ntwo\n');
      expect((await asRoot('ps', '-aq', '-f', 'name=fails')).stdout).to.equal(`${over}\n`);
      const secret = file('secret');
      writeFileSync(secret, 'of root', {mode: 0o600});
      const {dev, ino, birthtimeNs} = statSync(secret, {bigint: true});
      const path = join(file('state/logs'), over, 'note.json');
      const note = JSON.parse(readFileSync(path, 'utf8')) as {streams: object};
      const stream = {
        ...{path: secret, device: Number(dev), inode: Number(ino), born: String(birthtimeNs)},
        begin: 0,
        end: 7,
        head: 0,
        tail: 0,
      };
      writeFileSync(path, JSON.stringify({...note, streams: {stdout: stream, stderr: null}}));
      const {code, stdout, stderr} = await asRoot('logs', over);
      expect([code, stdout], stderr).to.deep.equal([125, '']);
      expect(stderr).to.match(/secret is gone or another file/);
      writeFileSync(path, JSON.stringify(note));
    });

  it('by default nothing is kept, and logs says how it would be', async () => {
    const kept = policy;
    policy = site.policy({});
    try {
      await start('unkept', 'echo x');
      expect(await refused('logs', 'unkept')).to.match(
        /^tare: the job [0-9a-f]{16} has ended, and nothing is kept of its output; found: logs\.keep is none in the policy; .*with logs\.keep: failed or all in the policy/,
      );
    } finally {
      policy = kept;
    }
  });
});
