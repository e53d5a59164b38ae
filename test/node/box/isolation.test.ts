/** What a payload may leave behind, hurt or need. */
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {createServer, type Server} from 'node:net';
import {basename, join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups, HIERARCHY, kernelSince} from '../../support/groups.js';
import {isRoot, payload, processes, Site} from '../../support/tare.js';

describeSite('the box, %s', {}, (site, role) => {
  it('a daemon that double-forks, calls setsid and ignores SIGTERM is gone when the job is', async () => {
    const {record, code} = await site.run(['--', '/bin/sh', '-c', `${payload('daemonize')} pid && while [ ! -s pid ]; do :; done`]);
    expect(code).to.equal(0);
    expect(record.outcome.killedProcesses).to.equal(1);
    expect(record.flags).to.include('killed');
    expect(processes().filter(({argv}) => argv[0]?.endsWith('/daemonize'))).to.deep.equal([]);
  });

  it('kill -9 -1 in the box hurts nothing outside', async () => {
    const bystander = spawn('/bin/sleep', ['600'], {...site.credentials, stdio: 'ignore'});
    try {
      const {signal, record} = await site.run(['--', '/bin/sh', '-c', 'sleep 60 & kill -9 -1; exit 3']);
      // the shell is the caller of kill(-1) and is spared by it (kill(2))
      expect([signal, record.outcome.exitCode]).to.deep.equal([null, 3]);
      expect(bystander.exitCode).to.equal(null);
      expect(existsSync(`/proc/${String(bystander.pid)}`)).to.equal(true);
    } finally {
      bystander.kill('SIGKILL');
    }
  });

  it('a fork bomb ends at the process limit', async () => {
    // before Linux 5.14 RLIMIT_NPROC would count all that the user has on the node
    if (!hasGroups(role) && !kernelSince(5, 14)) {
      const bomb = 'i=0; while test $i -lt 100; do sleep 600 & i=$((i + 1)); done; wait';
      const {record} = await site.run(['--processes', '50', '--', '/bin/sh', '-c', bomb]);
      expect(record.limits?.processes).to.include({value: 50, enforcement: 'watched', by: 'watch.processes'});
      expect(record.outcome).to.include({status: 'limit', limit: 'processes'});
      return;
    }
    const {stdout, record, code} = await site.run(['--processes', '50', '--', payload('forkbomb'), '--max', '500']);
    expect(code, stdout).to.equal(0);
    expect(record.limits?.processes).to.include({
      value: 50,
      enforcement: 'kernel',
      by: hasGroups(role) ? `${HIERARCHY}:pids.max` : 'RLIMIT_NPROC',
    });
    expect(Number(/forked=(\d+) errno=EAGAIN/.exec(stdout)?.[1])).to.be.within(45, 50);
  });

  it('the node is read-only, the work directory is not, /tmp is private and disk-backed', async () => {
    const script =
      'touch here && ! touch /etc/x /usr/x /var/x 2>/dev/null && echo private >/tmp/mine && ls /tmp | grep -v ^tare-test- && stat -f -c %T /tmp && ls /dev/shm | wc -l';
    writeFileSync('/tmp/tare-test-outside', '');
    const {stdout, code, stderr} = await site.run(['--', '/bin/sh', '-c', script]);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^mine\n(?!tmpfs).+\n0\n$/);
    expect(existsSync(join(site.work, 'here'))).to.equal(true);
    expect(existsSync('/tmp/mine')).to.equal(false);
  });

  it('no_new_privs, no capabilities, own PID, IPC, mount, UTS and user namespaces', async () => {
    const {stdout} = await site.run(['--', payload('probe')]);
    const inside = JSON.parse(stdout) as {no_new_privs: number | boolean; namespaces: Record<string, string>};
    expect(Number(inside.no_new_privs)).to.equal(1);
    const status = await site.run(['--', '/bin/grep', '^Cap', '/proc/self/status']);
    expect(status.stdout)
      .to.match(/CapPrm:\t0+\n/)
      .and.match(/CapEff:\t0+\n/)
      .and.match(/CapBnd:\t0+\n/);
    for (const name of ['pid', 'ipc', 'mnt', 'uts', 'user', 'net']) {
      const outside = `${name}:[${String(statSync(`/proc/self/ns/${name}`).ino)}]`;
      const there = JSON.stringify(inside.namespaces);
      if (name === 'net') expect(there).to.contain(outside);
      else expect(there).to.not.contain(outside);
    }
  });

  it('credentials in /tmp are visible, read-only; other files of /tmp are not', async () => {
    writeFileSync('/tmp/tare-test-proxy', 'proxy');
    chmodSync('/tmp/tare-test-proxy', 0o644);
    const script = 'cat "$X509_USER_PROXY"; ls /tmp | grep -Ev ^tare-test-.{6}$; ! (echo x >"$X509_USER_PROXY") 2>/dev/null';
    const {stdout, code} = await site.run(['--', '/bin/sh', '-c', script], {
      env: {...process.env, X509_USER_PROXY: '/tmp/tare-test-proxy', TMPDIR: '/tmp/nowhere'},
    });
    expect([stdout, code]).to.deep.equal(['proxytare-test-proxy\n', 0]);
  });

  it('network none leaves loopback only', async () => {
    const {stdout} = await site.run(['--network', 'none', '--', '/bin/cat', '/proc/net/dev']);
    expect(
      stdout
        .trim()
        .split('\n')
        .slice(2)
        .map((line) => line.trim().split(':')[0]),
    ).to.deep.equal(['lo']);
  });

  // only root listens there
  if (isRoot)
    it('of /run it has what the policy names, whatever its network', async () => {
      const [seen, hidden] = [`/run/tare-test-${process.pid}-seen`, `/run/tare-test-${process.pid}-hidden`];
      const sockets = await Promise.all([seen, hidden].map(listenIn));
      const connect = `perl -MSocket -e 'for (@ARGV) {socket S, AF_UNIX, SOCK_STREAM, 0; print connect(S, sockaddr_un $_) ? "connected" : $!+0, "\\n"}'`;
      const script = `${connect} ${seen}/socket ${hidden}/socket; ls /run; ! touch /run/x 2>/dev/null`;
      try {
        for (const network of ['host', 'none']) {
          const job = ['--network', network, '--', '/bin/sh', '-c', script];
          const {stdout, code} = await site.run(job, {policy: {run: [seen, '/run/tare-test-missing']}});
          expect([stdout, code], network).to.deep.equal([`connected\n2\n${basename(seen)}\n`, 0]);
        }
        const start = await site.run([site.job({workDirectory: hidden, command: ['/bin/true']})]);
        expect([start.code, start.record.outcome.code]).to.deep.equal([125, 'WORK_DIRECTORY']);
        const named = await site.run(['--', '/bin/sh', '-c', `ls ${hidden}; cat ${hidden}/ticket`], {
          env: {...process.env, KRB5CCNAME: `FILE:${hidden}/ticket`, X509_USER_PROXY: `${hidden}/socket`, BEARER_TOKEN_FILE: hidden},
        });
        expect(named.stdout).to.equal('ticket\na ticket');
      } finally {
        for (const socket of sockets) socket.close();
        for (const directory of [seen, hidden]) rmSync(directory, {recursive: true});
      }
    });

  it('a work directory below /tmp, below /dev/shm and /tmp itself', async () => {
    for (const directory of ['/tmp/tare-test-work', '/dev/shm/tare-test-work']) {
      mkdirSync(directory, {recursive: true});
      if (isRoot) chownSync(directory, 65534, 65534);
      const {stdout, code, stderr} = await site.run(['--work-directory', directory, '--', '/bin/sh', '-c', 'touch made && pwd']);
      expect([stdout, code], stderr).to.deep.equal([`${directory}\n`, 0]);
      expect(existsSync(join(directory, 'made'))).to.equal(true);
      execFileSync('/bin/rm', ['-r', directory]);
    }
  });

  it('what the payload made unreadable in /tmp is removed all the same', async () => {
    const {code} = await site.run([
      '--',
      '/bin/sh',
      '-c',
      'mkdir -p /tmp/a/b && touch /tmp/a/b/c "/tmp/ -rf" && chmod 000 /tmp/a/b /tmp/a',
    ]);
    expect(code).to.equal(0);
  });
});

if (isRoot)
  describe('identity under root', () => {
    it('runs as the owner of the work directory, else as the policy says, never as root', async () => {
      const site = new Site('root');
      try {
        const own = await site.run(['--', '/usr/bin/id', '-u']);
        expect(own.stdout).to.equal('65534\n');
        const daemon = await site.run(['--user', 'daemon', '--', '/bin/sh', '-c', 'id -u; touch /tmp/mine; stat -c %u /tmp/mine']);
        expect(daemon.stdout).to.equal('1\n1\n');
        expect(daemon.record.user.local).to.equal('daemon');
        const root = await site.run(['--user', 'root', '--', '/usr/bin/id']);
        expect([root.code, root.record.outcome.code]).to.deep.equal([126, 'USER_FORBIDDEN']);
        const allowed = await site.run(['--user', 'root', '--', '/usr/bin/id', '-u'], {policy: {identity: {allowRoot: true}}});
        expect([allowed.code, allowed.stdout]).to.deep.equal([0, '0\n']);
        // it is the node's root: what decides by the account alone would obey it
        const writes =
          'for file in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/irq/default_smp_affinity /proc/sysrq-trigger; do ' +
          '[ -e "$file" ] && ( : >>"$file" ) 2>/dev/null && echo "$file"; done; echo tried';
        const node = await site.run(['--user', 'root', '--', '/bin/sh', '-c', writes], {policy: {identity: {allowRoot: true}}});
        expect([node.code, node.stdout]).to.deep.equal([0, 'tried\n']);
        const unknown = await site.run(['--user', 'nobody-knows', '--', '/usr/bin/id']);
        expect([unknown.code, unknown.record.outcome.code]).to.deep.equal([125, 'USER_UNKNOWN']);
      } finally {
        site.remove();
      }
    });

    it('an unprivileged caller cannot name another account', async () => {
      const site = new Site('user');
      try {
        const {code, record} = await site.run(['--user', 'daemon', '--', '/usr/bin/id']);
        expect([code, record.outcome.code]).to.deep.equal([126, 'USER_FORBIDDEN']);
      } finally {
        site.remove();
      }
    });
  });

/** A service of the node that accepts every process; with a credential beside its socket. */
async function listenIn(directory: string): Promise<Server> {
  mkdirSync(directory);
  writeFileSync(join(directory, 'ticket'), 'a ticket');
  const server = createServer((socket) => socket.destroy());
  server.listen(join(directory, 'socket'));
  await once(server, 'listening');
  chmodSync(join(directory, 'socket'), 0o666);
  return server;
}
