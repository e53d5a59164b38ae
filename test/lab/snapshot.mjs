// A machine that has booted once and waits for its orders: every run starts there.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync, renameSync, rmSync} from 'node:fs';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {CHECKOUT_BYTES, GO_BYTES, PORTS, QEMU, qemuArguments} from './qemu.mjs';
import {run} from './tools.mjs';

const SECONDS = 180;

/** Fills an empty folder with `root` (the disk) and `state` (all the rest) of a booted machine. */
export async function takeSnapshot(machine, image, folder) {
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
  const ended = once(qemu, 'close');
  const console = () => (existsSync(file('console')) ? readFileSync(file('console'), 'utf8') : '');
  const deadline = performance.now() + SECONDS * 1000;
  while (!console().includes('LAB-READY') && qemu.exitCode === null && qemu.signalCode === null && performance.now() < deadline)
    await sleep(100);
  if (console().includes('LAB-READY')) {
    await sleep(300);
    qemu.stdin.end(`migrate file:${file('state.new')}\nquit\n`);
  } else {
    qemu.kill('SIGKILL');
  }
  await ended;
  if (!existsSync(file('state.new')))
    throw new Error(`the machine did not come up\n${console().trimEnd().split('\n').slice(-20).join('\n')}\n${said}`);
  renameSync(file('state.new'), file('state'));
  for (const name of ['go', 'checkout', 'console']) rmSync(file(name));
}
