/** Several applications in one box, on real processes: when each starts, what it weighs, and what follows when one ends or is killed. */

import {closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import {below, ending, payload, processes, send, until, type RunOutput, type Site} from '../../support/tare.js';

const MIB = 2 ** 20;
const sh = (script: string): string[] => ['/bin/sh', '-c', script];

describeSite('several applications, %s', {timeout: patience(60_000)}, (site, role) => {
  const run = (document: Omit<JobDocument, 'schema'>, ...flags: string[]): Promise<RunOutput> => site.run([...flags, site.job(document)]);
  const outcomes = ({record}: RunOutput): object =>
    Object.fromEntries(record.applications.map(({name, outcome: {status, exitCode, signal}}) => [name, [status, signal ?? exitCode]]));

  it('a generator, two simulators and a merger: the result of one process, and the usage of the four is the job’s', async () => {
    const mcsim = `${payload('mcsim')} --seed 42`;
    const alone = await site.run(['--', ...sh(`exec ${mcsim} --events 80 --output alone`)]);
    expect(alone.code, alone.stderr).to.equal(0);
    const ended = await run({
      applications: [
        {name: 'merge', command: [payload('mcsim'), '--join', 'together', 'part-2', 'part-1'], needs: ['sim-1', 'sim-2']},
        {
          name: 'sim-1',
          command: sh(`. ./events && ${mcsim} --first 0 --events $HALF --output part-1`),
          needs: ['generate'],
        },
        {
          name: 'sim-2',
          command: sh(`. ./events && ${mcsim} --first $HALF --events $HALF --output part-2`),
          needs: ['generate'],
        },
        {name: 'generate', command: sh('echo HALF=40 > events')},
      ],
    });
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.record.pattern).to.equal('quotas++');
    expect(outcomes(ended)).to.deep.equal({
      merge: ['completed', 0],
      'sim-1': ['completed', 0],
      'sim-2': ['completed', 0],
      generate: ['completed', 0],
    });
    const read = (name: string): string => readFileSync(join(site.work, name), 'latin1');
    expect(read('together')).to.equal(read('alone'));
    const {usage, applications} = ended.record;
    const cpu = (part: {cpuUserUs: number | null; cpuSystemUs: number | null}): number =>
      (part.cpuUserUs ?? NaN) + (part.cpuSystemUs ?? NaN);
    const sum = applications.reduce((total, each) => total + cpu(each.usage), 0);
    expect(sum / cpu(usage)).to.be.within(0.98, 1.02);
    for (const {name, usage: own, starts, wallUs} of applications) {
      expect(
        [cpu(own), own.memPeakBytes, wallUs].every((figure) => (figure ?? 0) > 0),
        name,
      ).to.equal(true);
      expect(starts).to.equal(1);
    }
    expect(ended.record.flags).to.not.include('killed');
  });

  it('lines have their application’s name before them, and whole; or they are in its own files', async () => {
    const chatter = (text: string): string[] =>
      sh(`i=0; while [ $i -lt 300 ]; do echo ${text} $i; i=$((i+1)); done; echo end >&2; printf unended`);
    const applications = [
      {name: 'a', command: chatter('a'.repeat(200))},
      {name: 'b', command: chatter('b'.repeat(200))},
    ];
    const {stdout, stderr, code} = await run({applications});
    expect(code, stderr).to.equal(0);
    const lines = stdout.split('\n').slice(0, -1);
    for (const name of ['a', 'b']) {
      const own = lines.filter((line) => line.startsWith(`${name}: `));
      expect(own).to.deep.equal([...Array.from({length: 300}, (_, i) => `${name}: ${name.repeat(200)} ${String(i)}`), `${name}: unended`]);
    }
    expect(lines).to.have.length(602);
    expect(stderr.split('\n').filter(Boolean).sort()).to.deep.equal(['a: end', 'b: end']);
    const files = await run({applications, output: 'files'});
    expect([files.stdout, files.stderr]).to.deep.equal(['', '']);
    expect(readFileSync(join(site.work, 'b.out'), 'utf8').split('\n')).to.have.length(301);
    expect(readFileSync(join(site.work, 'a.err'), 'utf8')).to.equal('end\n');
  });

  it('one over the shared memory: the others run on, or do not, and the verdict names it', async () => {
    const greedy = {name: 'greedy', command: [payload('touch-memory'), '400', '--hold', '60']};
    const modest = (seconds: number) => ({
      name: 'modest',
      command: sh(`${payload('touch-memory')} 20 --hold ${String(seconds)}; echo survived`),
    });
    const limits = {memory: '200MiB'};
    const spared = await run({applications: [greedy, modest(3)], limits, onOom: 'kill-application'});
    expect(outcomes(spared), spared.stderr).to.deep.equal({greedy: ['limit', 'SIGKILL'], modest: ['completed', 0]});
    expect(spared.stdout).to.contain('modest: survived');
    expect(spared.record.applications[0]?.outcome).to.include({limit: 'memory', limitScope: 'payload'});
    expect(spared.record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(spared.record.outcome.evidence).to.match(/^greedy: /);
    expect([spared.code, spared.signal]).to.deep.equal([null, 'SIGKILL']);

    const stopped = await run({applications: [greedy, modest(patience(5))], limits});
    expect(stopped.stdout).to.not.contain('survived');
    expect(stopped.record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(stopped.record.outcome.evidence).to.contain('greedy');
    // on v2 the kernel kills all of them for that limit, elsewhere the wrapper kills the rest
    expect(stopped.record.applications[1]?.outcome.status).to.be.oneOf(['stopped', 'limit']);
    expect(stopped.record.applications[1]?.outcome.signal).to.equal('SIGKILL');
  });

  // without groups such a limit is not enforced, and the plan says so
  if (hasGroups(role)) {
    it('one over a limit of its own, far below the shared one', async () => {
      const ended = await run({
        applications: [
          {name: 'small', command: [payload('touch-memory'), '120', '--hold', '60'], memory: '60MiB'},
          {name: 'large', command: sh(`${payload('touch-memory')} 100 --hold 2`)},
        ],
        limits: {memory: '400MiB'},
        onOom: 'kill-application',
      });
      expect(outcomes(ended)).to.deep.equal({small: ['limit', 'SIGKILL'], large: ['completed', 0]});
      expect(ended.record.applications[0]?.outcome.limitScope).to.equal('application');
      expect(ended.record.outcome.reason).to.equal('over a memory limit of its own: small');
      expect(ended.record.applications[0]?.limits).to.deep.equal({cores: null, memory: 60 * MIB});
    });
  }

  it('a failure stops the others with a grace, and nothing that needs it is started; or the others go on', async () => {
    const applications = [
      {name: 'bad', command: sh('sleep 0.3; exit 3')},
      {name: 'other', command: sh('trap "echo told; exit 0" TERM; sleep 1 & wait; echo done')},
      {name: 'after', command: sh('echo never'), needs: ['bad']},
    ];
    const all = await run({applications});
    expect([all.code, outcomes(all)]).to.deep.equal([3, {bad: ['failed', 3], other: ['stopped', 0], after: ['not-started', null]}]);
    expect(all.stdout).to.equal('other: told\n');
    expect(all.record.outcome).to.include({status: 'failed', exitCode: 3});
    const goOn = await run({applications, onFailure: 'continue'});
    expect([goOn.code, outcomes(goOn)]).to.deep.equal([3, {bad: ['failed', 3], other: ['completed', 0], after: ['not-started', null]}]);
    expect(goOn.stdout).to.equal('other: done\n');
  });

  it('a service is waited for by its file or its port, and ends with the primary one; double forks too', async () => {
    const listen = "require('net').createServer().listen(Number(process.argv[1]), '127.0.0.1')";
    const ended = await run({
      applications: [
        {name: 'files', command: sh('(setsid sleep 987001 &) ; sleep 0.2; touch ready; exec sleep 987002'), ready: {file: 'ready'}},
        {name: 'ports', command: [process.execPath, '-e', listen, '28917'], ready: {port: 28917}},
        {name: 'main', command: sh('test -e ready && cat; exit 7'), needs: ['files', 'ports']},
      ],
      primary: 'main',
    });
    expect([ended.code, ended.stdout, ended.stderr]).to.deep.equal([7, '', '']);
    expect(outcomes(ended)).to.deep.equal({files: ['stopped', 'SIGTERM'], ports: ['stopped', 'SIGTERM'], main: ['failed', 7]});
    expect(processes().filter(({argv}) => argv.some((argument) => ['987001', '987002'].includes(argument)))).to.deep.equal([]);
  });

  it('one that fails is started again, and all its starts are weighed', async () => {
    const ended = await run({
      applications: [{name: 'a', command: sh('echo x >> tries; test $(wc -l < tries) = 3'), restart: {on: 'failure', limit: 5}}],
    });
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.record.applications[0]).to.include({starts: 3});
    expect(outcomes(ended)).to.deep.equal({a: ['completed', 0]});
  });

  it('are seen, joined and ended from outside', async () => {
    const policy = site.policy();
    const file = site.job({
      applications: [
        {name: 'first', command: sh('echo from first; touch up-first; exec sleep 987003'), ready: 'started'},
        {name: 'second', command: sh('trap "echo told; exit 0" TERM; touch up-second; sleep 987004 & wait'), needs: ['first']},
        {name: 'after', command: sh('echo after'), needs: ['late']},
        {name: 'late', command: sh('exec sleep 987005')},
      ],
      output: 'files',
    });
    const tare = (...argv: string[]): ReturnType<Site['command']> => site.command([argv[0] ?? '', '--policy', policy, ...argv.slice(1)]);
    const done = ending(site.start(['run', '--policy', policy, file]));
    await until('both', () => ['up-first', 'up-second'].every((name) => existsSync(join(site.work, name))));
    const [box] = JSON.parse((await tare('ps', '--json')).stdout) as {id: string; applications: {name: string; state: string}[]}[];
    expect(box?.applications.map(({name, state}) => [name, state])).to.deep.equal([
      ['first', 'running'],
      ['second', 'running'],
      ['after', 'waiting'],
      ['late', 'running'],
    ]);
    const id = box?.id ?? '';
    expect((await tare('ps')).stdout).to.contain('second');
    expect((await tare('logs', id, '--application', 'first')).stdout).to.equal('from first\n');
    expect((await tare('logs', id, '--application', 'third')).stderr).to.match(
      /no such application; found: third; allowed: first, second, after, late/,
    );
    const inside = await tare(
      'exec',
      id,
      '--application',
      'second',
      '--',
      '/bin/sh',
      '-c',
      'ls /proc | grep -c "^[0-9]"; cat /proc/self/cgroup',
    );
    expect(Number(inside.stdout.split('\n')[0]), inside.stderr).to.be.at.least(6);
    if (hasGroups(role)) expect(inside.stdout).to.match(/\/payload\/app-second\/job/);
    expect((await tare('kill', '--signal', 'TERM', id)).code).to.equal(0);
    await done;
    const record = site.records().find(({applications}) => applications.some(({name}) => name === 'late'));
    expect(record?.outcome).to.include({status: 'killed'});
    expect(record?.applications.map(({name, outcome}) => [name, outcome.status])).to.deep.equal([
      ['first', 'stopped'],
      ['second', 'stopped'],
      ['after', 'not-started'],
      ['late', 'stopped'],
    ]);
    expect(readFileSync(join(site.work, 'second.out'), 'utf8')).to.equal('told\n');
  });

  it('lines that go to the job’s file are shown of all, or of one that has ended too', async () => {
    const policy = site.policy();
    const file = site.job({
      applications: [
        {name: 'short', command: sh('echo one; echo two')},
        {name: 'long', command: sh('echo here; touch shown; exec sleep 987006'), needs: ['short']},
      ],
    });
    const out = join(site.directory, 'job.out');
    writeFileSync(out, '');
    site.give(out);
    const stdout = openSync(out, 'a');
    const done = ending(site.start(['run', '--policy', policy, file], {stdio: ['ignore', stdout, 'ignore']}));
    closeSync(stdout);
    await until('the second', () => existsSync(join(site.work, 'shown')) && readFileSync(out, 'utf8').includes('long'));
    const [box] = JSON.parse((await site.command(['ps', '--policy', policy, '--json'])).stdout) as {id: string}[];
    const logs = async (...argv: string[]): Promise<string> =>
      (await site.command(['logs', '--policy', policy, box?.id ?? '', ...argv])).stdout;
    expect(await logs()).to.equal('short: one\nshort: two\nlong: here\n');
    expect(await logs('--application', 'short')).to.equal('one\ntwo\n');
    const followed = logs('--application', 'long', '--follow');
    // another file of that name is not what the job writes to
    rmSync(out);
    writeFileSync(out, 'long: forged\n');
    await site.command(['kill', '--policy', policy, box?.id ?? '']);
    expect(await followed).to.be.oneOf(['here\n', '']);
    await done;
  });

  it('what cannot be executed is said, with its name', async () => {
    const ended = await run({
      applications: [
        {name: 'gone', command: ['/nowhere/x']},
        {name: 'b', command: sh('sleep 60')},
      ],
    });
    expect(ended.code).to.equal(127);
    expect(ended.record.applications[0]?.outcome).to.include({status: 'failed', exitCode: 127});
    expect(ended.record.applications[0]?.outcome.reason).to.match(/\/nowhere\/x/);
    // where nothing else ran, also to the caller, and there is no further attempt without a box
    const lonely: [application: {command: string[]; workDirectory?: string}, why: string][] = [
      [{command: ['/nowhere/x']}, '/nowhere/x: No such file or directory'],
      [{command: sh('echo ran'), workDirectory: '/usr'}, 'gone.out: Read-only file system'],
    ];
    for (const [application, why] of lonely) {
      const alone = await run({applications: [{name: 'gone', ...application}], output: 'files'});
      expect([alone.code, alone.stderr]).to.deep.equal([127, `tare: the payload could not be executed: gone: ${why}\n`]);
      expect(alone.record.outcome).to.include({status: 'failed', code: 'PAYLOAD_NOT_EXECUTABLE'});
      expect(alone.record.flags).to.not.include('unboxed');
    }
  });

  it('SIGTERM that comes while the next one is being started ends it; a job of which a part was not run has not completed', async () => {
    const ended = join(site.work, 'ended');
    const file = site.job({
      applications: [
        {name: 'one', command: sh(`sleep 0.7; touch ${ended}`)},
        {name: 'two', command: sh('exec sleep 30'), needs: ['one']},
      ],
    });
    const child = site.start(['run', '--policy', site.policy(), '--record', join(site.directory, 'spool', 'signalled.json'), file]);
    const done = ending(child);
    let supervisor = 0;
    await until('the first one runs', () => {
      const family = below(child.pid ?? 0);
      supervisor = family.find(({argv}) => argv.some((argument) => argument.includes('@shim=')))?.pid ?? 0;
      return supervisor > 0 && family.some(({argv}) => argv[0] === 'sleep');
    });
    send(supervisor, 'SIGSTOP'); // it will hear of the end and of the signal at once
    await until('its end', () => existsSync(ended) && !below(child.pid ?? 0).some(({comm}) => comm === 'tare-keeper'));
    send(child.pid ?? 0, 'SIGTERM');
    await until('the signal was taken', () => !/^ShdPnd:.*4...$/m.test(readFileSync(`/proc/${String(child.pid)}/status`, 'latin1')));
    send(supervisor, 'SIGCONT');
    expect((await done).signal).to.equal('SIGTERM');
    rmSync(join(site.directory, 'spool', 'signalled.json'));
  });

  it('when the wrapper is killed, the record says of each how far it had come', async () => {
    const file = site.job({
      applications: [
        {name: 'done', command: sh('exit 0')},
        {name: 'runs', command: sh('touch runs; exec sleep 60'), needs: ['done']},
        {name: 'never', command: sh('echo never'), needs: ['runs']},
      ],
    });
    const child = site.start(['run', '--policy', site.policy(), file]);
    child.stdin?.end();
    const done = ending(child);
    await until('the second one runs', () => existsSync(join(site.work, 'runs')));
    await new Promise((resolve) => setTimeout(resolve, 200)); // the supervisor hears of it
    const supervisor = below(child.pid ?? 0).find(({argv}) => argv.some((argument) => argument.includes('@shim=')));
    send(supervisor?.pid ?? 0, 'SIGSTOP'); // or it would see the shim's end and finish the record
    send(child.pid ?? 0, 'SIGKILL');
    send(supervisor?.pid ?? 0, 'SIGKILL');
    await done;
    const swept = await site.command(['records', 'sweep', '--policy', site.policy()]);
    expect(swept.stdout, swept.stderr).to.contain('1 closed');
    const record = site.records().find(({applications}) => applications[0]?.name === 'done');
    expect(record?.applications.map(({starts, outcome}) => [starts, outcome.status])).to.deep.equal([
      [1, 'completed'],
      [1, 'lost'],
      [0, 'not-started'],
    ]);
  });

  it('a supervisor that is killed is followed by one that goes on, and starts nothing twice', async () => {
    const directory = site.work;
    const recordFile = join(directory, 'record.json');
    const file = site.job({
      applications: [
        {name: 'one', command: sh('echo one >> starts; until [ -e go ]; do sleep 0.1; done')},
        {name: 'two', command: sh('echo two >> starts'), needs: ['one']},
      ],
    });
    const child = site.start(['run', '--policy', site.policy(), '--record', recordFile, file]);
    child.stdin?.end();
    const done = ending(child);
    const lines = (): string[] => {
      try {
        return readFileSync(join(directory, 'starts'), 'utf8').split('\n').filter(Boolean);
      } catch {
        return [];
      }
    };
    await until('its first start', () => lines().length === 1);
    const supervisor = below(child.pid ?? 0).find(({argv}) => argv.some((argument) => argument.includes('@shim=')));
    send(supervisor?.pid ?? 0, 'SIGKILL');
    writeFileSync(join(directory, 'go'), '');
    const {code, stderr} = await done;
    expect(code, stderr).to.equal(0);
    expect(lines()).to.deep.equal(['one', 'two']);
    const record = JSON.parse(readFileSync(recordFile, 'utf8')) as RunOutput['record'];
    expect(record.flags).to.include('supervisor-lost');
    expect(record.applications.map(({starts, outcome}) => [starts, outcome.status])).to.deep.equal([
      [1, 'completed'],
      [1, 'completed'],
    ]);
  });
});
