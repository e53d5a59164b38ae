// A machine that has booted once and waits for its orders: every run starts there.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync, renameSync, rmSync} from 'node:fs';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {CHECKOUT_BYTES, GO_BYTES, PORTS, QEMU, qemuArguments} from './qemu.mjs';
import {run} from './tools.mjs';

const SECONDS = 180;

/** QEMU with more than one processor now and then ends on an assertion of its own while a machine boots (iotlb_to_section, seen with 10.0). */
const ATTEMPTS = 3;

/** Fills an empty folder with `root` (the disk) and `state` (all the rest) of a booted machine. */
export async function takeSnapshot(machine, image, folder) {
  for (let attempt = 1; ; attempt++) {
    const {signal, said} = await boot(machine, image, folder);
    if (existsSync(path.join(folder, 'state'))) return;
    if (signal !== 'SIGABRT' || attempt === ATTEMPTS)
      throw new Error(`the machine did not come up: ${signal ?? 'see its console'}\n${said}`);
    process.stderr.write('(QEMU failed, once more) ');
  }
}

/** Starts the machine to where it waits; `state` is there only if it came so far. */
async function boot(machine, image, folder) {
  const file = (name) => path.join(folder, name);
  run('cp', ['--sparse=always', '--reflink=auto', path.join(image, 'root.ext4'), file('root')]);
  run('truncate', ['-s', String(GO_BYTES), file('go')]);
  run('truncate', ['-s', String(CHECKOUT_BYTES), file('checkout')]);
  const disks = {root: `file=${file('root')}`, go: `file=${file('go')},readonly=on`, checkout: `file=${file('checkout')}`};
  const ports = Object.fromEntries(PORTS.map((name) => [name, 'null']));
  const qemu = spawn(
    'setpriv',
    ['--pdeathsig=KILL', QEMU, ...qemuArguments(machine, image, {disks, ports, console: file('console')}), '-monitor', 'stdio'],
    {
      stdio: ['pipe', 'ignore', 'pipe'],
    },
  );
  let said = '';
  qemu.stderr.on('data', (text) => (said += text));
  qemu.stdin.on('error', () => {}); // it has ended: seen below
  let late = false;
  const ended = once(qemu, 'close');
  const console = () => (existsSync(file('console')) ? readFileSync(file('console'), 'utf8') : '');
  const deadline = performance.now() + SECONDS * 1000;
  while (!console().includes('LAB-READY') && qemu.exitCode === null && qemu.signalCode === null && performance.now() < deadline)
    await sleep(100);
  if (console().includes('LAB-READY')) {
    await sleep(300);
    qemu.stdin.end(`migrate file:${file('state.new')}\nquit\n`);
  } else {
    late = qemu.kill('SIGKILL');
  }
  const [code, signal] = await ended;
  const last = console().trimEnd().split('\n').slice(-20).join('\n');
  if (code === 0 && existsSync(file('state.new'))) renameSync(file('state.new'), file('state'));
  for (const name of ['go', 'checkout', 'console']) rmSync(file(name), {force: true});
  return {signal: late ? null : signal, said: `${last}\n${said}`};
}
