/** Each engine that is here builds the same box: what a payload gets and what is left of it does not depend on the engine. */

import {spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {EnginePattern} from '@tare/contract';
import {ENGINES} from '../../../src/plugins.js';
import {describeSite} from '../../support/describe-site.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {hasGroups, kernelSince} from '../../support/groups.js';
import {need, needKernel} from '../../support/need.js';
import {below, bin, ending, installed, isRoot, payload, program, send, until} from '../../support/tare.js';

const sh = (script: string): string[] => ['--', '/bin/sh', '-c', script];
const claims = (pattern: EnginePattern) => ENGINES.filter(({patterns}) => patterns[pattern] === true);
const isHere = (places: readonly string[]): boolean => places.some((place) => existsSync(place));
const bytes = (count: number): Buffer => Buffer.from(Array.from({length: count}, (_, index) => (index * 7919 + (index >> 8)) & 0xff));
const digest = (text: Buffer): string => createHash('sha256').update(text).digest('hex');

for (const {name, program: sought} of claims('ulimit++'))
  describeSite(`a box by ${name}, %s`, {}, (site, role) => {
    const policy = {engines: [name]};
    const run = (argv: readonly string[], more: object = {}) => site.run(['--engine', name, ...argv], {policy, ...more});

    before(function () {
      needKernel(this, name === 'bubblewrap' || kernelSince(5, 12), `${name} needs Linux 5.12 for a box`);
      need(this, isHere(sought.places), `${name} is not installed`);
    });

    it('is named in the record, and ends as its payload does: by a code, by a signal, or not executed', async () => {
      const failed = await run(sh('exit 7'));
      expect([failed.code, failed.record.mode, failed.record.engine?.name]).to.deep.equal([7, 'box', name]);
      expect(failed.record.engine?.version).to.match(/^\d+\.\d+/);
      const killed = await run(sh('kill -TERM $$'));
      expect([killed.code, killed.signal, killed.record.outcome.signal]).to.deep.equal([null, 'SIGTERM', 'SIGTERM']);
      expect((await run(['--', '/nothing'])).code).to.equal(127);
    });

    it('passes standard input and output through byte for byte, and descriptors beyond them', async () => {
      const sent = bytes(3_000_000);
      const child = site.start(['run', '--policy', site.policy(policy), ...sh('cat; echo descriptor 7 >&7')], {
        stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'ignore', 'ignore', 'ignore', 'pipe'],
      });
      const parts: Buffer[] = [];
      child.stdout?.on('data', (part: Buffer) => parts.push(part));
      const seventh = (child.stdio as unknown[])[7] as NodeJS.ReadableStream;
      let said = '';
      seventh.on('data', (text: Buffer) => (said += text.toString()));
      child.stdin?.end(sent);
      await once(child, 'close');
      expect(digest(Buffer.concat(parts))).to.equal(digest(sent));
      expect(said).to.equal('descriptor 7\n');
    });

    it('has a read-only root, a /tmp of its own, devices and terminals, and nothing of the wrapper', async () => {
      const script = [
        'touch here && echo here',
        'for d in / /etc /usr /var /run /sys /dev; do touch $d/x 2>/dev/null && echo $d; done',
        'echo mine >/tmp/mine && cat /tmp/mine && echo null >/dev/null && test -c /dev/zero && test -d /dev/shm && test -e /dev/ptmx && echo devices',
        `ls ${join(site.directory, 'state')} ${join(site.directory, 'spool')} ${join(site.directory, 'scratch')} 2>/dev/null`,
        'true',
      ].join('\n');
      const {code, stdout, stderr} = await run(sh(script));
      expect([code, stdout], stderr).to.deep.equal([0, 'here\nmine\ndevices\n']);
      expect(existsSync('/tmp/mine')).to.equal(false);
    });

    it('gives the payload no privileges, its own account, and namespaces of its own', async () => {
      const {stdout} = await run(
        sh(
          'id -u; grep -E "^(CapPrm|CapBnd|CapAmb|NoNewPrivs)" /proc/self/status; for n in pid mnt ipc uts user; do readlink /proc/self/ns/$n; done',
        ),
      );
      const [uid, ...lines] = stdout.trim().split('\n');
      expect(uid).to.equal(String(site.credentials.uid ?? 65534));
      expect(lines.slice(0, 4)).to.deep.equal([
        'CapPrm:\t0000000000000000',
        'CapBnd:\t0000000000000000',
        'CapAmb:\t0000000000000000',
        'NoNewPrivs:\t1',
      ]);
      expect(lines.slice(4)).to.have.length(5);
    });

    it('has the network of the node, or none', async () => {
      expect((await run(sh('ls /sys/class/net >/dev/null && cat /proc/net/dev | wc -l'))).code).to.equal(0);
      const {stdout} = await run(['--network', 'none', ...sh('grep -c : /proc/net/dev')]);
      expect(stdout).to.equal('1\n');
    });

    it('holds a payload to its memory and its wall time', async () => {
      const wall = await run(['--wall-time', '1s', ...sh('sleep 60')]);
      expect(wall.record.outcome).to.include({status: 'limit', limit: 'wallTime'});
      const {record} = await run(['--memory', '64MiB', '--', payload('touch-memory'), '400', '--hold', '60']);
      expect(record.outcome).to.include({status: 'limit', limit: 'memory'});
      expect(record.limits?.memory.enforcement).to.equal(hasGroups(role) ? 'kernel' : 'watched');
    });

    it('runs the main job: the same bytes as without a box', async () => {
      const known = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/)[0];
      const {code, stderr} = await run(['--', payload('mcsim'), '--events', '200', '--seed', '42', '--output', 'HITS']);
      expect(code, stderr).to.equal(0);
      expect(digest(readFileSync(join(site.work, 'HITS')))).to.equal(known);
    });

    it('runs several applications (quotas++), each with its own end', async () => {
      const job = site.job({
        applications: [
          {name: 'one', command: ['/bin/sh', '-c', 'echo one; exit 3']},
          {name: 'two', command: ['/bin/sh', '-c', 'echo two']},
        ],
        onFailure: 'continue',
        output: 'files',
      });
      const {record} = await run([job]);
      expect([record.pattern, record.engine?.name]).to.deep.equal(['quotas++', name]);
      expect(record.applications.map(({outcome}) => outcome.exitCode)).to.deep.equal([3, 0]);
      expect(['one.out', 'two.out'].map((file) => readFileSync(join(site.work, file), 'utf8'))).to.deep.equal(['one\n', 'two\n']);
    });

    it('is joined by a command, passes signals on, and goes with its wrapper', async () => {
      const file = site.policy(policy);
      const child = site.start(['run', '--policy', file, ...sh('trap "echo told; exit 5" TERM; echo ready; while :; do sleep 0.1; done')]);
      const over = ending(child);
      await once(child.stdout!, 'data');
      const listed = await site.command(['ps', '--json', '--policy', file]);
      const [{id} = {id: ''}] = JSON.parse(listed.stdout) as {id: string}[];
      const joined = await site.command([
        'exec',
        '--policy',
        file,
        id,
        '--',
        '/bin/sh',
        '-c',
        'id -u; readlink /proc/1/exe >/dev/null; grep NoNewPrivs /proc/self/status; touch /etc/x 2>/dev/null; exit 4',
      ]);
      expect([joined.code, joined.stdout], joined.stderr).to.deep.equal([4, `${String(site.credentials.uid ?? 65534)}\nNoNewPrivs:\t1\n`]);
      child.kill('SIGTERM');
      const ended = await over;
      expect([ended.code, ended.stdout]).to.deep.equal([5, 'ready\ntold\n']);
    });

    it('nothing of it is left when engine, shim and supervisor are killed', async () => {
      const file = site.policy(policy);
      const child = site.start(['run', '--policy', file, ...sh('echo ready; while :; do sleep 0.1; done')]);
      const over = ending(child);
      await once(child.stdout!, 'data');
      const engine = below(child.pid ?? 0).filter(({argv}) => sought.places.includes(argv[0] ?? ''));
      expect(engine).to.not.be.empty;
      const inside = below(child.pid ?? 0)
        .filter(({argv}) => argv[0] === '/bin/sh')
        .map(({pid}) => pid);
      expect(inside).to.not.be.empty;
      for (const one of below(child.pid ?? 0)) send(one.pid, 'SIGKILL');
      await over;
      await until('nothing of the box', () => inside.every((pid) => !existsSync(`/proc/${String(pid)}`)));
      await site.command(['records', 'sweep', '--policy', file]);
    });
  });

// one of them is enough for a node, and where there is none the tests of small machines say so; virtual machines: test/node/box/machine.test.ts
for (const {name} of claims('vm-lite').filter(({sealed, program: {places}}) => sealed === undefined && isHere(places)))
  describeSite(`a small machine by ${name}, %s`, {}, (site) => {
    before(function () {
      need(this, existsSync(BUSYBOX) && program('newuidmap') !== null, 'busybox-static or uidmap is not installed');
    });

    it('runs a payload beside a service, and says which engine built it', async () => {
      const image = busyboxImage(site.directory);
      const job = site.job({
        image,
        command: ['/bin/sh', '-c', 'id -u; cat /proc/1/comm; exit 6'],
        services: [{name: 'idle', command: ['/bin/sleep', '600']}],
        identity: {address: 'none'},
      });
      const {code, record, stderr} = await site.run(['--engine', name, job], {policy: {images: [image]}});
      expect([code, record.engine?.name, record.pattern], stderr).to.deep.equal([6, name, 'vm-lite']);
    });
  });

describeSite('engines of the policy, %s', {}, (site) => {
  const obstacle = (policy: object, argv: readonly string[]) => site.run([...argv, ...sh('true')], {policy});

  it('a job that wants an engine is refused before anything starts, where the policy does not list it or it cannot do the plan', async () => {
    const forbidden = await obstacle({engines: ['bubblewrap']}, ['--engine', 'crun']);
    expect([forbidden.code, forbidden.record.outcome.code]).to.deep.equal([126, 'ENGINE_FORBIDDEN']);
    const unable = await obstacle({}, ['--engine', 'runc']);
    expect([unable.code, unable.record.outcome.code]).to.deep.equal([125, 'BOX_UNAVAILABLE']);
    expect(unable.stderr).to.match(/runc is used for small machines only/);
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
    const inner = [
      'run',
      '--policy',
      site.policy({engines: ['bubblewrap', first?.name]}),
      '--record',
      join(site.directory, 'spool/next.json'),
      ...sh('echo boxed'),
    ];
    const script = 'mount --make-rprivate / && mount --bind "$0" /usr/bin/bwrap && exec "$@"';
    const argv = ['--mount', '/bin/sh', '-c', script, broken, bin('tare'), ...inner];
    const child = spawn('/usr/bin/unshare', argv, {cwd: site.work, stdio: ['ignore', 'pipe', 'pipe']});
    const {code, stdout, stderr} = await ending(child);
    expect([code, stdout], stderr).to.deep.equal([0, 'boxed\n']);
    const record = JSON.parse(readFileSync(join(site.directory, 'spool/next.json'), 'utf8')) as {
      mode: string;
      engine: {name: string};
      flags: string[];
    };
    expect([record.mode, record.engine.name, record.flags.includes('unboxed')]).to.deep.equal(['box', first?.name, false]);
  });
});
