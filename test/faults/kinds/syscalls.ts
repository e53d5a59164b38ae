/** System calls that fail, in one part of a wrapper or in all of it with its payload: strace(1) makes them. */

import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {patience} from '../../support/pace.js';
import type {Harm, Kind} from '../fault.js';
import {signal, sleep, type Scene} from '../scene.js';

/** By error: the calls that give it somewhere in a wrapper. */
const CALLS: Readonly<Record<string, readonly string[]>> = {
  ENOSPC: ['write', 'pwrite64', 'openat', 'mkdir', 'mkdirat', 'rename', 'renameat2', 'fsync', 'fdatasync', 'ftruncate', 'symlink', 'mount'],
  EIO: [
    'read',
    'pread64',
    'write',
    'fsync',
    'openat',
    'getdents64',
    'readlink',
    'stat',
    'newfstatat',
    'statx',
    'unlink',
    'rmdir',
    'rename',
    'close',
    'statfs',
    'sendmsg',
  ],
  EMFILE: [
    'openat',
    'socketpair',
    'socket',
    'pipe2',
    'dup',
    'dup2',
    'fcntl',
    'eventfd2',
    'epoll_create1',
    'signalfd4',
    'memfd_create',
    'inotify_init1',
    'pidfd_open',
  ],
  // brk says what the break is, and never an error: strace cannot make it fail
  ENOMEM: [
    'mmap',
    'mprotect',
    'munmap',
    'clone',
    'clone3',
    'fork',
    'vfork',
    'sendmsg',
    'recvmsg',
    'poll',
    'ppoll',
    'openat',
    'read',
    'execve',
    'wait4',
    'mremap',
    'madvise',
  ],
  EINTR: [
    'read',
    'write',
    'openat',
    'poll',
    'ppoll',
    'pselect6',
    'wait4',
    'recvmsg',
    'sendmsg',
    'futex',
    'epoll_wait',
    'epoll_pwait',
    'close',
    'fsync',
    'clock_nanosleep',
    'fcntl',
    'connect',
  ],
  EAGAIN: ['clone', 'clone3', 'fork', 'vfork', 'write', 'sendmsg', 'mlock'],
  // no pipe or file gives it: write is not among these
  ENOBUFS: ['sendmsg', 'sendto'],
  EROFS: ['openat', 'mkdir', 'rename', 'unlink', 'rmdir'],
  EACCES: ['openat', 'mkdir', 'rename', 'kill', 'execve'],
  EPERM: ['kill', 'setsid', 'prctl', 'setrlimit', 'prlimit64', 'sched_setaffinity', 'chmod', 'fchmod', 'fchown'],
};

/** What a program tries again, for ever. */
const PASSING: ReadonlySet<string> = new Set(['EINTR', 'EAGAIN']);

const TARGETS = ['supervisor', 'supervisor', 'supervisor', 'shim', 'shim', 'init', 'all'] as const;

export const failingCall: Kind = {
  name: 'syscall',
  weight: 40,
  draw(random) {
    const error = random.pick(Object.keys(CALLS));
    const call = random.pick(CALLS[error] ?? []);
    const target = random.pick(TARGETS);
    const first = random.scaled(1, target === 'supervisor' ? 600 : 60);
    // most fail once, some on and on
    const when = random.chance(0.85) || PASSING.has(error) ? String(first) : `${String(first)}+`;
    // `?`: a call that this machine does not have is none
    const options = [
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      `trace=?${call}`,
      '-e',
      'signal=none',
      '-e',
      `inject=?${call}:error=${error}:when=${when}`,
    ];
    const words = `${call} of ${target} fails with ${error}, call ${when}`;
    return {words, ...harmOf(target, options), ...(when.endsWith('+') || target === 'all' ? {sweep: true} : {})};
  },
};

function harmOf(target: (typeof TARGETS)[number], options: readonly string[]): Omit<Harm, 'words'> {
  switch (target) {
    case 'supervisor':
      return {needs: ['strace'], supervisorPrefix: ['strace', '-D', '-f', ...options]};
    case 'shim':
      return {needs: ['strace'], prefix: () => ['strace', '-D', ...options]};
    case 'all':
      return {needs: ['strace'], prefix: () => ['strace', '-D', '-f', ...options]};
    case 'init':
      return {needs: ['strace', 'root'], during: (scene) => attach(scene, options)};
  }
}

/** Stops init until it is traced. */
async function attach(scene: Scene, options: readonly string[]): Promise<void> {
  const pid = await scene.part('init');
  if (pid === null || !signal(pid, 'SIGSTOP')) return;
  const tracer = spawn('strace', [...options, '-p', String(pid)], {stdio: 'ignore'});
  // it can be gone before its parent waits for it
  const over = new Promise((resolve) => tracer.on('close', resolve).on('error', resolve));
  for (const end = Date.now() + patience(5000); Date.now() < end && !isTraced(pid);) await sleep(3);
  signal(pid, 'SIGCONT');
  // at times it stays when what it traced is gone
  const looking = setInterval(() => scene.ended !== null && tracer.kill('SIGKILL'), patience(1000));
  await over;
  clearInterval(looking);
}

function isTraced(pid: number): boolean {
  try {
    return /^TracerPid:\s+[1-9]/m.test(readFileSync(`/proc/${String(pid)}/status`, 'latin1'));
  } catch {
    return true; // gone
  }
}
