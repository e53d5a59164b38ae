/** The program that stands for a box’s network in user mode: started, waited for, and asked which addresses it gave. */

import type {ChildProcess} from 'node:child_process';
import {chownSync, closeSync, openSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {childProcess} from '../host/spawn.js';
import type {BoxNetwork} from '../network/identity.js';
import {userModeArgv} from '../network/user-mode.js';
import {IDENTITY} from '../plan/network.js';
import {inBox, stepOf, type StepOf} from '../plan/step.js';
import {formatAddress} from '../policy/addresses.js';
import {killGroup, processId, statFields, type ProcessId} from '../process/process.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {COMMAND_MS, failed} from './network-command.js';
import {textOf} from './network-files.js';

/** What a network of user mode is started for. */
export interface Connecting {
  plan: Plan;
  id: string;
  connection: BoxNetwork;
  boxDirectory: string;
  /** Process 1 of the box: in its network namespace. */
  initPid: number;
  /** cgroup.procs files of the box's engine group. */
  joins: readonly string[];
}

/** @returns the program, once it is ready, and the addresses that it gave. @throws TareError NETWORK_FAILED */
export async function startUserNetwork(
  step: StepOf<'network.user'>,
  {plan, initPid, joins, boxDirectory}: Connecting,
): Promise<{helper: ProcessId; addresses: string[]}> {
  const place = inBox(IDENTITY, boxDirectory);
  const system = plan.pattern.value === 'vm-lite';
  // the namespaces of a small machine are the caller's
  const owner = system ? undefined : stepOf(plan, 'identity.take');
  const [pidFile, said] = [join(place, 'pid'), join(place, 'said')];
  for (const path of [pidFile, said]) {
    writeFileSync(path, '', {mode: 0o600});
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  }
  // bubblewrap is in the network's namespace and in the one that owns it; what it nests inside owns nothing, and init hides itself
  const around = system ? initPid : Number(statFields(initPid)?.[1]);
  const namespaces = {user: `/proc/${around}/ns/user`, net: `/proc/${around}/ns/net`};
  const asRoot = owner === undefined && process.getuid?.() === 0;
  const argv = userModeArgv(step, {namespaces, pidFile, initPid, asRoot});
  const output = openSync(said, 'r+');
  try {
    const child = childProcess().spawn('/bin/sh', argv, {
      cwd: '/',
      env: {LC_ALL: 'C', PATH: '/usr/bin:/bin'},
      stdio: ['pipe', output, output, 'pipe'],
      detached: true,
      ...(owner === undefined ? {} : {uid: owner.uid, gid: owner.gid}),
    });
    const ready = readiness(child, step.by);
    for (const path of joins) writeFileSync(path, String(child.pid));
    child.stdin?.end('\n');
    if (!(await ready)) {
      if (child.pid !== undefined) killGroup(child.pid);
      throw failed(step.program, textOf(said));
    }
    child.unref();
    const helper = processId(step.by === 'pasta' ? Number(textOf(pidFile)) : (child.pid ?? 0));
    if (helper === null) throw failed(step.program, `it is gone; ${textOf(said)}`);
    return {helper, addresses: addressesSeenBy(around)};
  } finally {
    closeSync(output);
  }
}

/** What a process's network namespace has, but for the loopback's (proc_pid_net(5): fib_trie, if_inet6): pasta gives others where the node has none. */
function addressesSeenBy(pid: number): string[] {
  const lines = textOf(`/proc/${pid}/net/fib_trie`).split('\n');
  const four = lines.flatMap((line, index) => (line.includes('/32 host LOCAL') ? (/[\d.]+$/.exec(lines[index - 1] ?? '') ?? []) : []));
  const six = textOf(`/proc/${pid}/net/if_inet6`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([address = '', , , scope, , device]) =>
      scope === '00' && device !== 'lo' ? [formatAddress({family: 6, value: BigInt(`0x${address}`)})] : [],
    );
  return [...new Set([...four.filter((address) => !address.startsWith('127.')), ...six])];
}

/** pasta goes into the background when it is ready; slirp4netns says so on descriptor 3. */
function readiness(child: ChildProcess, by: 'pasta' | 'slirp4netns'): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), COMMAND_MS);
    const done = (ready: boolean): void => {
      clearTimeout(timer);
      resolve(ready);
    };
    child.on('error', () => done(false));
    child.on('exit', (code) => done(by === 'pasta' && code === 0));
    child.stdin?.on('error', () => undefined);
    const line = child.stdio[3] as NodeJS.ReadableStream & {destroy?: () => void; unref?: () => void};
    line.on('data', () => {
      done(by === 'slirp4netns');
      line.destroy?.();
    });
    line.unref?.();
  });
}
