/** What a payload sees and changes of the node: what it is given, and nothing else. */

import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {chmodSync, chownSync, copyFileSync, existsSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {isRoot, payload, program} from '../../support/tare.js';
import type {Bench} from '../bench.js';
import {has, type Check} from '../check.js';
import {probed} from './inherited.js';

const NODE_FILES = ['ulimit++', 'quotas++'] as const;
/** Of places that can be written to, one line each. */
const writes = (...places: readonly string[]): string =>
  `for place in ${places.join(' ')}; do (: >"$place/tare-try") 2>/dev/null && rm "$place/tare-try" && echo "$place"; done; echo tried`;
/** Of files that can be opened to be written to, one line each; nothing is written. */
const opens = (...files: readonly string[]): string =>
  `for file in ${files.join(' ')}; do [ -e "$file" ] && (: >>"$file") 2>/dev/null && echo "$file"; done; echo tried`;
const PYTHON = '/usr/bin/python3';
const python = (text: string): string => `import ctypes,os,sys\nl=ctypes.CDLL(None,use_errno=True)\n${text}`;
/** keyctl(2): a new session keyring; and add_key(2), into it. By their numbers on x86-64. */
const JOIN = 'l.syscall(250,1,b"tare-check")';
const ADD = 'l.syscall(248,b"user",b"tare-check",b"secret",6,-3)';
/** On the node, gone after the body. */
async function beside(bench: Bench, argv: readonly string[], body: (pid: number) => Promise<void>): Promise<void> {
  const account = isRoot ? {uid: bench.uid, gid: bench.uid} : {};
  const child = spawn(argv[0] ?? '', argv.slice(1), {...account, stdio: 'ignore'});
  try {
    await body(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
  }
}

export const ISOLATION: readonly Check[] = [
  {
    name: 'processes of the node',
    promise: 'A payload sees the box’s own processes, and none of the node.',
    body: (bench) =>
      beside(bench, ['/bin/sleep', '604.25'], async () => {
        const {stdout} = await bench.run({script: 'cat /proc/[0-9]*/cmdline | tr "\\000" " "; echo; ls -d /proc/[0-9]* | wc -l'});
        const lines = stdout.trim().split('\n');
        expect(stdout).to.not.contain('604.25');
        // init, what the engine may have beside it, a service, the shell and what it starts
        expect(Number(lines.at(-1))).to.be.within(2, 12);
      }),
  },
  {
    name: 'System V IPC',
    promise: 'Shared memory of the node is not the box’s.',
    body: async (bench) => {
      has(program('ipcmk') !== null && program('ipcrm') !== null, 'ipcmk is not installed');
      const [, id = ''] = /: (\d+)/.exec(execFileSync('ipcmk', ['-M', '4096', '-p', '0666'], {encoding: 'utf8'})) ?? [];
      try {
        const {stdout} = await bench.run({script: 'wc -l </proc/sysvipc/shm'});
        expect(stdout.trim()).to.equal('1');
      } finally {
        execFileSync('ipcrm', ['-m', id]);
      }
    },
  },
  {
    name: 'host name',
    promise: 'A payload can change no host name, least of all the node’s.',
    body: async (bench) => {
      const before = hostname();
      const {stdout} = await bench.run({script: 'hostname tare-try 2>/dev/null && echo changed; uname -n'});
      expect(stdout).to.match(/^\S+\n$/);
      expect(stdout).to.not.contain('tare-try');
      if (bench.pattern !== 'vm-lite') expect(stdout.trim()).to.equal(before);
      expect(hostname()).to.equal(before);
    },
  },
  {
    name: 'no privileges',
    promise: 'A payload has no capability in any set, and no way to gain one.',
    ask: (bench) => ({command: [bench.payload('probe')]}),
    holds: (ran) => {
      const {cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient, no_new_privs} = probed(ran);
      for (const set of [cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient]) expect(set).to.match(/^0+$/);
      expect(no_new_privs).to.equal('1');
    },
  },
  {
    name: 'setuid programs',
    promise: 'A setuid program gives the payload nothing.',
    body: async (bench) => {
      has(isRoot, 'only root can make a program that is setuid root');
      const file = join(bench.site.work, 'setuid');
      copyFileSync(payload('probe'), file);
      chownSync(file, 0, 0);
      chmodSync(file, 0o4755);
      try {
        const ran = await bench.run({command: [file]});
        expect(probed(ran).uid.effective).to.equal(bench.uid);
      } finally {
        rmSync(file);
      }
    },
  },
  {
    name: 'no namespaces and mounts',
    promise: 'A payload makes no user namespace and mounts nothing.',
    ask: () => ({
      script:
        'unshare -U true 2>/dev/null && echo namespace; unshare -m true 2>/dev/null && echo mounts; mount -t tmpfs none /tmp 2>/dev/null && echo mount; umount /proc 2>/dev/null && echo umount; echo tried',
    }),
    holds: ({stdout}) => {
      expect(stdout).to.equal('tried\n');
    },
  },
  {
    name: 'filter on system calls',
    promise: 'The payload has Tare’s filter, and the record names it.',
    ask: (bench) => ({command: [bench.payload('probe')]}),
    holds: (ran) => {
      expect(probed(ran).seccomp).to.equal('2');
      expect(ran.record.seccomp).to.equal('default');
    },
  },
  {
    name: 'devices',
    promise: '/dev has null, zero, full, random, urandom, tty, shm and terminals; no disk, no memory and no log of the kernel.',
    ask: () => ({
      script: [
        'for one in null zero full random urandom tty ptmx; do [ -c /dev/$one ] || echo "no $one"; done',
        '[ -d /dev/shm ] || echo "no shm"; echo x >/dev/null; [ "$(head -c 4 /dev/zero | wc -c)" = 4 ] || echo "zero gives nothing"',
        'find /dev -type b 2>/dev/null; for one in mem kmem port kmsg sda vda loop-control; do [ -e /dev/$one ] && echo $one; done; echo tried',
      ].join('; '),
    }),
    holds: ({stdout}) => {
      expect(stdout).to.equal('tried\n');
    },
  },
  {
    name: 'the kernel’s files',
    promise: 'Settings of the kernel, its triggers, its memory and control groups cannot be written to.',
    ask: () => ({
      script: `${opens(
        ...['/proc/sys/kernel/core_pattern', '/proc/sys/vm/drop_caches', '/proc/sysrq-trigger', '/proc/irq/default_smp_affinity'],
        ...['/proc/kcore', '/proc/kallsyms', '/sys/kernel/uevent_helper', '/sys/power/state'],
      )}; for one in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $one/tare-try 2>/dev/null && rmdir $one/tare-try && echo $one; done; echo tried`,
    }),
    holds: ({stdout}) => {
      expect(stdout).to.equal('tried\ntried\n');
    },
  },
  {
    name: 'the node’s files',
    promise: 'The node’s files can be read, and not written to.',
    patterns: NODE_FILES,
    ask: () => ({
      script: `${writes('/', '/etc', '/usr', '/usr/bin', '/var', '/run', '/sys', '/proc', '/dev', '/opt')}; test -r /etc/passwd`,
    }),
    holds: ({code, stdout}) => {
      expect([code, stdout]).to.deep.equal([0, 'tried\n']);
    },
  },
  {
    name: 'the image stays',
    promise: 'What is written in the machine is in no file of the image afterwards.',
    patterns: ['vm-lite'],
    body: async (bench) => {
      const {image} = bench;
      const listed = (): string[] => readdirSync(image, {recursive: true, encoding: 'utf8'}).sort();
      const before = listed();
      const {code, stderr} = await bench.run({script: 'echo x >/tmp/made && echo y >/var/tmp/made; echo z >/etc/made; true'});
      expect(code, stderr).to.equal(0);
      expect(listed()).to.deep.equal(before);
    },
  },
  {
    name: 'the work directory',
    promise: 'The work directory is the node’s own: what is there is seen, and what is written stays.',
    body: async (bench) => {
      const [given, made] = ['given', 'made'].map((name) => join(bench.site.work, name)) as [string, string];
      writeFileSync(given, 'of the node\n');
      const {stdout} = await bench.run({script: 'cat given; echo x >made'});
      expect(stdout).to.equal('of the node\n');
      expect(statSync(made).uid).to.equal(bench.uid);
      for (const file of [given, made]) rmSync(file);
    },
  },
  {
    name: '/tmp',
    promise: '/tmp, /var/tmp and /dev/shm are the box’s own, empty at first, and gone at the end.',
    sample: true,
    body: async (bench) => {
      const places = ['/tmp', '/var/tmp', '/dev/shm'];
      const mark = `tare-check-${String(process.pid)}`;
      for (const place of places) writeFileSync(join(place, `${mark}-outside`), '');
      try {
        const each = places.map((place) => `ls ${place} | grep ${mark}; echo x >${place}/${mark}-inside || echo "not ${place}"`).join('; ');
        const {stdout, stderr} = await bench.run({script: `${each}; echo tried`});
        expect(stdout, stderr).to.equal('tried\n');
        expect(places.filter((place) => existsSync(join(place, `${mark}-inside`)))).to.deep.equal([]);
        expect(readdirSync(join(bench.site.directory, 'scratch'))).to.deep.equal([]);
      } finally {
        for (const place of places) rmSync(join(place, `${mark}-outside`), {force: true});
      }
    },
  },
  {
    name: 'what cannot be read in /tmp',
    promise: 'What the payload made unreadable in /tmp is removed all the same.',
    ask: () => ({script: 'mkdir -p /tmp/a/b && echo >/tmp/a/b/c && echo >"/tmp/ -rf" && chmod 000 /tmp/a/b /tmp/a'}),
    holds: ({code}, {site}) => {
      expect([code, readdirSync(join(site.directory, 'scratch'))]).to.deep.equal([0, []]);
    },
  },
  {
    name: 'the wrapper’s own files',
    promise: 'A payload finds neither state nor records nor scratch of the wrapper.',
    ask: ({site}) => ({
      script: `ls -A ${['state', 'spool', 'scratch'].map((name) => join(site.directory, name)).join(' ')} 2>/dev/null; echo tried`,
    }),
    holds: ({stdout}) => {
      expect(stdout.replaceAll(/^\S+:$\n|^\n/gm, '')).to.equal('tried\n');
    },
  },
  {
    name: 'session keyring',
    promise: 'Where root’s wrapper becomes another account the payload has an empty session keyring, otherwise the caller’s.',
    patterns: NODE_FILES,
    body: async (bench) => {
      const probe = spawnSync(PYTHON, ['-c', python(`${JOIN}\nsys.exit(0 if ${ADD}>0 else 1)`)], {stdio: 'ignore'});
      has(probe.status === 0 && process.arch === 'x64', 'keys cannot be had here, or have other numbers');
      const {stdout, said} = await bench.run({
        command: [PYTHON, '-c', python(`print("found" if l.syscall(250,10,-3,b"user",b"tare-check",0)>0 else "none")`)],
        via: (argv) => [PYTHON, '-c', python(`${JOIN}\n${ADD}\nos.execv(sys.argv[1],sys.argv[1:])`), ...argv],
      });
      expect(stdout, said).to.equal(bench.role === 'root' ? 'none\n' : 'found\n');
    },
  },
];
