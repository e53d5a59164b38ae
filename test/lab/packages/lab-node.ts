/** The lab's machine itself as a node that systemd runs: what PrivateNode offers, where a unit is really started and a timer really fires. */
import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import {patience} from '../../support/pace.js';
import type {Said} from '../../support/private-node.js';

/** Fails where it is not the machine that was made for these tests: they install, purge, and wait for timers. */
export function requireLab(): void {
  const first = readFileSync('/proc/1/comm', 'utf8').trim();
  if (process.env['LAB_INIT'] === undefined || first !== 'systemd')
    throw new Error(`not a machine of the lab that systemd runs: process 1 is ${first}; npm run test:lab -- --way installed`);
}

/** A script in a shell of root's, or in one as a batch system starts it: in a unit of the account's, whose control groups are its own. */
export function sh(script: string, {account = 'root', seconds}: {account?: string; seconds?: number} = {}): Promise<Said> {
  const unit = ['--quiet', '--collect', '--wait', '--pipe', `--uid=${account}`, `--working-directory=/home/${account}`, '-pDelegate=yes'];
  const argv = account === 'root' ? [] : ['systemd-run', ...unit, '--', 'env', `HOME=/home/${account}`, 'LANG=C.UTF-8'];
  const [command, ...rest] = [...argv, 'bash', '-c', `exec 2>&1; ${script}`];
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, {
      cwd: '/root',
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: (seconds ?? patience(60)) * 1000,
      killSignal: 'SIGKILL',
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    child.on('error', reject).on('close', (status) => {
      resolve({text, status});
    });
  });
}

/** The same of a script that has to succeed: what it said. */
export async function says(script: string, account = 'root'): Promise<string> {
  const {status, text} = await sh(script, {account});
  expect(status, `${script}\n${text}`).to.equal(0);
  return text.trim();
}
