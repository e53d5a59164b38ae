// One command on a fresh machine: restored, given its orders, read from until it has switched itself off.
import {spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import path from 'node:path';
import {prepare} from './prepare.mjs';
import {CHECKOUT_BYTES, GO_BYTES, PORTS, QEMU, qemuArguments} from './qemu.mjs';
import {PLACE, USUAL, here} from './recipe.mjs';
import {removeFolder, run, temporaryFolder} from './tools.mjs';

/** Ways in which the account of a run can be given control groups, see order/execute. */
export const DELEGATES = ['none', 'systemd', 'condor', 'condor23'];
const TIMED_OUT = 124;
const LAB_FAILED = 125;

/**
 * Runs `command` and gives its exit status; 124: it took longer than `seconds`, 125: the machine ended without one.
 * `machine` differs from the usual one in what it says. `account` and `delegate` are the account that runs it and its groups, `slotMemory` is the limit of
 * these in bytes; `checkout` comes from checkout.mjs; `out` is a folder for what the command leaves in $LAB_OUT; `console` a file for what the
 * kernel said. `streams` get standard output and standard error.
 */
export async function runInLab({
  machine: wish = {},
  command,
  account = 'root',
  delegate = 'none',
  slotMemory = '',
  checkout = null,
  environment = {},
  seconds = 600,
  out = null,
  console = null,
  streams = {out: process.stdout, err: process.stderr},
}) {
  const machine = {...USUAL, ...wish};
  const {image, snapshot} = await prepare(machine);
  const folder = temporaryFolder('run');
  const file = (name) => path.join(folder, name);
  try {
    const settings = {
      NOW: String(Date.now() / 1000),
      ...{INIT: machine.init, ACCOUNT: account, DELEGATE: delegate, SLOT_MEMORY: slotMemory},
      ...{CHECKOUT: checkout === null ? '' : PLACE, WANTS_OUT: out === null ? 'no' : 'yes'},
    };
    writeOrders(file('orders'), {settings, command, environment, over: checkout?.over ?? null});
    run('tar', ['-C', file('orders'), '--owner=0', '--group=0', '-cf', file('go'), '.']);
    run('truncate', ['-s', String(GO_BYTES), file('go')]);
    if (checkout === null) run('truncate', ['-s', String(CHECKOUT_BYTES), file('checkout')]);

    const files = out === null ? null : unpackInto(out);
    let status = '';
    const readers = {
      out: (chunk) => void streams.out.write(chunk),
      err: (chunk) => void streams.err.write(chunk),
      status: (chunk) => (status += chunk),
      files: (chunk) => void files?.write(chunk),
    };
    const ports = {};
    const servers = await Promise.all(
      PORTS.map(async (name) => {
        const server = createServer((socket) => socket.on('data', readers[name]).on('error', () => {}));
        await once(server.listen(file(name)), 'listening');
        ports[name] = `socket,path=${file(name)}`;
        return server;
      }),
    );
    const closed = servers.map((server) => new Promise((resolve) => server.on('close', resolve)));
    // The disks of the snapshot and of the checkout stay as they are: what is written goes to files that have no name.
    const disks = {
      root: `file=${snapshot}/root,snapshot=on`,
      go: `file=${file('go')},readonly=on`,
      checkout: `file=${checkout?.disk ?? file('checkout')},snapshot=on`,
    };
    const args = qemuArguments(machine, image, {disks, ports, console: file('console')});
    const qemu = spawn('setpriv', ['--pdeathsig=KILL', QEMU, ...args, '-incoming', `file:${snapshot}/state`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let troubles = '';
    qemu.stderr.on('data', (text) => (troubles += text));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      qemu.kill('SIGKILL');
    }, seconds * 1000);
    await once(qemu, 'close');
    clearTimeout(timer);
    for (const server of servers) server.close();
    await Promise.all(closed);
    await files?.end();

    if (console !== null && existsSync(file('console'))) copyFileSync(file('console'), console);
    const ended = /^(\d+)\n$/.exec(status);
    if (ended !== null) return Number(ended[1]);
    const last = existsSync(file('console')) ? readFileSync(file('console'), 'utf8').trimEnd().split('\n').slice(-20).join('\n') : '';
    streams.err.write(`${last}\n${troubles}lab: ${late ? `timed out after ${seconds} s` : 'the machine ended without a status'}\n`);
    return late ? TIMED_OUT : LAB_FAILED;
  } finally {
    removeFolder(folder);
  }
}

function writeOrders(folder, {settings, command, environment, over}) {
  mkdirSync(folder);
  const write = (name, content) => writeFileSync(path.join(folder, name), content);
  const list = (values) => values.map((value) => `${value}\0`).join('');
  write(
    'settings',
    Object.entries(settings)
      .map(([name, value]) => `${name}='${String(value).replaceAll("'", "'\\''")}'\n`)
      .join(''),
  );
  write('argv', list(command));
  write('environment', list(Object.entries(environment).map(([name, value]) => `${name}=${value}`)));
  write('seed', randomBytes(64));
  run('install', ['-m', '755', here('order/execute'), path.join(folder, 'execute')]);
  if (over !== null) run('cp', ['-a', over, path.join(folder, 'over')]);
}

/** A tar whose pieces are written to it; what it does not like it says itself. */
function unpackInto(folder) {
  mkdirSync(folder, {recursive: true});
  const tar = spawn('tar', ['-C', folder, '--no-same-owner', '-xf', '-'], {stdio: ['pipe', 'inherit', 'inherit']});
  const ended = once(tar, 'close');
  tar.stdin.on('error', () => {});
  return {
    write: (chunk) => tar.stdin.write(chunk),
    end: () => {
      tar.stdin.end();
      return ended;
    },
  };
}
