/** Which engine builds a box: the policy's, and what follows where it cannot; and what test/engines does not try of a box by each engine. */

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {copyFileSync, existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {EnginePattern} from '@tare/contract';
import {ENGINES} from '../../../src/plugins.js';
import {describeSite} from '../../support/describe-site.js';
import {isDockerThere} from '../../support/dockerd.js';
import {kernelSince} from '../../support/groups.js';
import {need, needKernel} from '../../support/need.js';
import {below, bin, ending, isRoot, program, send, until} from '../../support/tare.js';
import {withDaemon} from '../../support/with-daemon.js';

const sh = (script: string): string[] => ['--', '/bin/sh', '-c', script];
const claims = (pattern: EnginePattern) => ENGINES.filter(({patterns}) => typeof patterns[pattern] !== 'string');
const isHere = (places: readonly string[]): boolean => places.some((place) => existsSync(place));

// libvirt’s are in libvirt.test.ts, beside what becomes of them without its daemon
for (const {name, kind, program: sought, listens} of claims('ulimit++').filter((engine) => engine.name !== 'libvirt'))
  describeSite(`a box by ${name}, %s`, {}, (site, role) => {
    const policy = {engines: [name]};
    const run = (argv: readonly string[], more: object = {}) => site.run(['--engine', name, ...argv], {policy, ...more});

    withDaemon(name);
    before(function () {
      needKernel(this, name === 'bubblewrap' || kernelSince(5, 12), `${name} needs Linux 5.12 for a box`);
      needKernel(this, !listens || kernelSince(6, 12), `${name} needs Landlock of Linux 6.12 for a box with the node's network`);
      need(this, isHere(sought.places), `${name} is not installed`);
      needKernel(this, name !== 'docker' || role === 'root', 'docker is used by root only');
      need(this, name !== 'docker' || isDockerThere(), 'no daemon of Docker is here, and dockerd is not installed');
    });

    if (role === 'root')
      it('is joined by a command of root’s without capabilities, where the payload is root', async function () {
        const rights = {...policy, identity: {allowRoot: true}};
        const able = await site.run(['--engine', name, '--user', 'root', ...sh('true')], {policy: rights});
        needKernel(this, able.record.outcome.code !== 'BOX_UNAVAILABLE', `${name} builds no box for a payload that is root`);
        const file = site.policy(rights);
        const child = site.start(['run', '--policy', file, '--user', 'root', ...sh('grep ^Cap /proc/self/status; exec sleep 60')]);
        let said = '';
        child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
        await until('the payload has spoken', () => said.includes('CapAmb'));
        const listed = await site.command(['ps', '--json', '--policy', file]);
        const [{id} = {id: ''}] = JSON.parse(listed.stdout) as {id: string}[];
        const script = 'id -u; grep ^Cap /proc/self/status; umount /proc 2>/dev/null && echo unmounted';
        const joined = await site.command(['exec', '--policy', file, id, '--', '/bin/sh', '-c', script]);
        expect(said).to.match(/^CapEff:\t0000000000000000$/m);
        expect(joined.stdout, joined.stderr).to.equal(`0\n${said}`);
        child.kill('SIGTERM');
        await ending(child);
      });

    describe('with the payload as process 1 (firstProcess)', () => {
      // without Landlock, as process 1 is, an engine that listens builds boxes with a network of their own only
      const apart = listens ? {network: 'none'} : {};
      const first = (command: string[], more: object = {}): string => site.job({command, firstProcess: true, ...apart, ...more});
      const shell = (script: string): string => first(['/bin/sh', '-c', script]);

      it('has PIDs and a /proc of its own below init, its account, and no capabilities', async function () {
        need(this, program('ps') !== null, 'ps (procps) is not installed');
        const job = first(['/bin/sh'], {limits: {memory: '102400KiB'}});
        const {code, stdout, stderr, record} = await run([job], {
          input:
            'ps -elf\nid -u\ngrep -hE "^(CapPrm|CapBnd|CapAmb|NoNewPrivs)" /proc/self/status\ntouch here /etc/x 2>/dev/null\nls here\nexit 7\n',
        });
        const [head = '', ...lines] = stdout.trimEnd().split('\n');
        const columns = head.trim().split(/\s+/);
        expect(columns, stderr).to.include.members(['PID', 'PPID', 'CMD']);
        const seen = lines.slice(0, 2).map((line) => line.trim().split(/\s+/));
        const at = (words: readonly string[], name: string): string => words[columns.indexOf(name)] ?? '';
        expect(seen.map((words) => [at(words, 'PID'), at(words, 'PPID'), words.slice(columns.indexOf('CMD')).join(' ')])).to.deep.equal([
          ['1', '0', '/bin/sh'],
          ['2', '1', 'ps -elf'],
        ]);
        expect(lines.slice(2)).to.deep.equal([
          String(site.credentials.uid ?? 65534),
          ...['CapPrm', 'CapBnd', 'CapAmb'].map((name) => `${name}:\t0000000000000000`),
          'NoNewPrivs:\t1',
          'here',
        ]);
        expect([code, record.outcome.exitCode, record.mode, record.engine?.name]).to.deep.equal([7, 7, 'box', name]);
        expect(record.limits?.memory.value).to.equal(100 * 2 ** 20);
      });

      it('what it leaves ends with it, and counts', async () => {
        const busy = 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done';
        const {code, record} = await run([
          shell(`(${busy}; : >busy; exec sleep 600.31) & (setsid sleep 600.32 &); until [ -e busy ]; do sleep 0.1; done; sleep 1; exit 3`),
        ]);
        // how many there were the kernel does not say
        expect([code, record.outcome.status, record.outcome.killedProcesses]).to.deep.equal([3, 'failed', null]);
        // the kernel tells a short time of a user's from the system's by its ticks
        expect((record.usage.cpuUserUs ?? 0) + (record.usage.cpuSystemUs ?? 0)).to.be.above(10_000);
      });

      it('is joined by a command, and has the signals that it has a handler for', async () => {
        const file = site.policy(policy);
        const script = 'trap "echo told; exit 5" USR1; echo ready; while :; do sleep 0.1; done';
        const child = site.start(['run', '--policy', file, shell(script)]);
        const over = ending(child);
        await once(child.stdout!, 'data');
        const listed = await site.command(['ps', '--json', '--policy', file]);
        const [{id} = {id: ''}] = JSON.parse(listed.stdout) as {id: string}[];
        const joined = await site.command(['exec', '--policy', file, id, '--', '/bin/sh', '-c', 'tr "\\0" " " </proc/1/cmdline; exit 4']);
        expect([joined.code, joined.stdout], joined.stderr).to.deep.equal([4, `/bin/sh -c ${script} `]);
        child.kill('SIGTERM');
        child.kill('SIGUSR1');
        const ended = await over;
        expect([ended.code, ended.stdout]).to.deep.equal([5, 'ready\ntold\n']);
      });

      it('is killed at its limit of wall time, when it ignores SIGTERM, and ends by a fault as ever', async function () {
        need(this, existsSync('/usr/bin/python3'), 'python3 is not installed');
        const late = await site.run(['--engine', name, '--wall-time', '1s', shell('sleep 600.33; sleep 600.34')], {
          policy: {...policy, grace: '1s'},
        });
        expect([late.signal, late.record.outcome.status, late.record.outcome.limit]).to.deep.equal(['SIGKILL', 'limit', 'wallTime']);
        const fault = await run([first(['/usr/bin/python3', '-c', 'import ctypes; ctypes.string_at(0)'], {limits: {coreSize: 0}})]);
        expect([fault.signal, fault.record.outcome.signal]).to.deep.equal(['SIGSEGV', 'SIGSEGV']);
      });
    });

    it('goes on when a client of a daemon is killed, and ends as its payload does', async function () {
      needKernel(this, kind !== 'child', `${name} has no daemon`);
      const record = join(site.directory, `spool/killed-${name}.json`);
      const script = 'echo ready; until test -e go; do sleep 0.1; done; rm go; exit 3';
      const child = site.start(['run', '--policy', site.policy(policy), '--record', record, ...sh(script)]);
      const over = ending(child);
      await once(child.stdout!, 'data');
      const client = below(child.pid ?? 0).find(({argv}) => sought.places.includes(argv[0] ?? ''));
      send(client?.pid ?? 0, 'SIGKILL');
      await until('the end of the client', () => !below(child.pid ?? 0).some(({pid}) => pid === client?.pid));
      writeFileSync(join(site.work, 'go'), '', {mode: 0o666});
      expect((await over).code).to.equal(3);
      const {outcome} = JSON.parse(readFileSync(record, 'utf8')) as {outcome: {status: string; exitCode: number}};
      expect(outcome).to.include({status: 'failed', exitCode: 3});
    });

    it('killed alone, leaves one record that is true, and nothing of the box', async () => {
      const copy = join(site.directory, 'spool', `killed-${name}.json`);
      const child = site.start(['run', '--policy', site.policy(policy), '--record', copy, ...sh('echo ready; sleep 2; exit 3')]);
      const over = ending(child);
      await once(child.stdout!, 'data');
      const all = below(child.pid ?? 0);
      const inside = all.filter(({argv}) => argv[0] === '/bin/sh').map(({pid}) => pid);
      send(all.find(({argv}) => sought.places.includes(argv[0] ?? ''))?.pid ?? 0, 'SIGKILL');
      await over;
      const {outcome} = JSON.parse(readFileSync(copy, 'utf8')) as {
        outcome: {status: string; exitCode: number | null; reason: string | null};
      };
      // some take the box with them, and of others init goes on
      expect(['failed 3 ', 'wrapper-failure  init was killed, and the payload with it']).to.include(
        `${outcome.status} ${String(outcome.exitCode ?? '')} ${outcome.reason ?? ''}`,
      );
      await until('nothing of the box', () => inside.every((pid) => !existsSync(`/proc/${String(pid)}`)));
    });

    if (listens)
      it('is not to be reached by a payload with the node’s network, at the socket on which it listens', async function () {
        need(this, program('python3') !== null, 'python3 is not installed');
        const script = [
          'import socket',
          'names = [line.split()[-1] for line in open("/proc/net/unix") if line.rstrip().endswith("/command")]',
          'assert names',
          'for name in names:',
          '    try: socket.socket(socket.AF_UNIX).connect("\\0" + name[1:])',
          '    except PermissionError: print("refused")',
        ].join('\n');
        const {code, stdout, stderr} = await run(['--', program('python3') ?? '', '-c', script]);
        expect(code, stderr).to.equal(0);
        expect(stdout).to.match(/^(refused\n)+$/);
      });
  });

describeSite('engines of the policy, %s', {}, (site) => {
  const obstacle = (policy: object, argv: readonly string[]) => site.run([...argv, ...sh('true')], {policy});

  it('a job that wants an engine is refused before anything starts, where the policy does not list it or it cannot do the plan', async () => {
    const forbidden = await obstacle({engines: ['bubblewrap']}, ['--engine', 'crun']);
    expect([forbidden.code, forbidden.record.outcome.code]).to.deep.equal([126, 'ENGINE_FORBIDDEN']);
    const unable = await obstacle({}, ['--engine', 'runc']);
    expect([unable.code, unable.record.outcome.code]).to.deep.equal([125, 'BOX_UNAVAILABLE']);
    expect(unable.stderr).to.match(/runc makes no user namespace without a root/);
  });
});

// in a mount namespace of its own
describeSite('an engine that fails to build the box, %s', {roles: isRoot ? ['root'] : []}, (site) => {
  it('is followed by the next one of the policy', async function () {
    const first = claims('ulimit++').find(({name, program: {places}}) => name !== 'bubblewrap' && isHere(places));
    needKernel(this, kernelSince(5, 12), 'the second engine needs Linux 5.12');
    need(this, first !== undefined, 'no second engine is installed');
    const broken = join(site.directory, 'broken');
    writeFileSync(broken, '#!/bin/sh\ncase $1 in --version) echo bubblewrap 0.11.0;; *) exit 1;; esac\n', {mode: 0o755});
    const {mode, engine, flags} = await boxedBy(broken, {engines: ['bubblewrap', first?.name]});
    expect([mode, engine.name, flags.includes('unboxed')]).to.deep.equal(['box', first?.name, false]);
  });

  it('is tried once more where a mount of the node’s went away meanwhile, and no third time', async () => {
    const real = join(site.directory, 'real');
    copyFileSync('/usr/bin/bwrap', real);
    const counted = join(site.work, 'counted');
    const words = join(site.directory, 'words');
    writeFileSync(
      words,
      `bwrap: Can't bind mount /oldroot/ on /newroot/: Unable to apply mount flags: remount "/x": No such file or directory\n`,
    );
    const unlucky = (times: number): string => {
      const fake = join(site.directory, `unlucky-${String(times)}`);
      const fails = `echo >>${counted}; if [ $(wc -l <${counted}) -le ${String(times)} ]; then cat ${words} >&2; exit 1; fi`;
      writeFileSync(fake, `#!/bin/sh\n[ "$1" = --version ] || { ${fails}; }\nexec ${real} "$@"\n`, {mode: 0o755});
      return fake;
    };
    const once = await boxedBy(unlucky(1), {box: 'required'});
    expect([once.mode, once.engine.name, once.flags.includes('unboxed')]).to.deep.equal(['box', 'bubblewrap', false]);
    rmSync(counted);
    const other = await boxedBy(unlucky(9), {box: 'optional', engines: ['bubblewrap']});
    expect([other.mode, other.flags.includes('unboxed')]).to.deep.equal(['limits-only', true]);
    expect(readFileSync(counted, 'utf8')).to.equal('\n\n');
  });

  /** The record of a job in a mount namespace in which another program is bubblewrap's. */
  async function boxedBy(bubblewrap: string, policy: object): Promise<{mode: string; engine: {name: string}; flags: string[]}> {
    const file = join(site.directory, 'spool/boxed-by.json');
    const inner = ['run', '--policy', site.policy(policy), '--record', file, ...sh('echo ran')];
    const script = 'mount --make-rprivate / && mount --bind "$0" /usr/bin/bwrap && exec "$@"';
    const argv = ['--mount', '/bin/sh', '-c', script, bubblewrap, bin('tare'), ...inner];
    const child = spawn('/usr/bin/unshare', argv, {cwd: site.work, stdio: ['ignore', 'pipe', 'pipe']});
    const {code, stdout, stderr} = await ending(child);
    expect([code, stdout], stderr).to.deep.equal([0, 'ran\n']);
    return JSON.parse(readFileSync(file, 'utf8')) as Awaited<ReturnType<typeof boxedBy>>;
  }
});
