/** A program that looks at what may never answer, as a repository of CVMFS: when it is late it is left alone, and costs one process. */

import {start} from './spawn.js';

/** A first look at a repository can fetch its catalogue. */
export const LOOK_DEADLINE_MS = 30_000;
const MOST_OUT = 1 << 16;

/** How a program ended, and what it wrote: standard output as bytes. */
export interface Answer {
  /** Exit status; null when it was killed, late or never there. */
  code: number | null;
  out: Buffer;
  /** The last thing that it said of what went wrong. */
  error: string;
  /** All that it said of it, up to 4 KiB. */
  said: string;
  late: boolean;
}

/** A program that sets namespaces and account for another one, and executes it. */
export interface Through {
  program: string;
  argv0: string;
  args: readonly string[];
}

/**
 * @param identity the account that runs it; null: the caller. Root can read more than others
 * @param options `enough`: so many bytes are asked for, and then it is ended; `through`: what becomes it, and takes the identity
 */
export function runAbandonable(
  program: string,
  args: readonly string[],
  identity: {uid: number; gid: number} | null,
  {enough = MOST_OUT, deadlineMs = LOOK_DEADLINE_MS, through = null}: {enough?: number; deadlineMs?: number; through?: Through | null} = {},
): Promise<Answer> {
  return new Promise((resolve) => {
    const child = start(through?.program ?? program, through === null ? args : [...through.args, program, ...args], {
      ...(through === null ? identity : {argv0: through.argv0}),
      // docker(1) would take root's context, which may be another daemon than that of the boxes
      ...{cwd: '/', env: {LC_ALL: 'C', HOME: '/', XDG_CONFIG_HOME: '/'}},
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const pieces: Buffer[] = [];
    let bytes = 0;
    let said = '';
    const answer = (code: number | null, error: string, late = false): void => {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve({code, out: Buffer.concat(pieces), error, said, late});
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      answer(null, `no answer within ${String(deadlineMs / 1000)} s`, true);
    }, deadlineMs);
    child.stdout?.on('data', (piece: Buffer) => {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes < enough) return;
      child.kill('SIGKILL');
      answer(0, '');
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(0, 4096)));
    child.on('error', ({message}) => answer(null, message));
    child.on('close', (code) => answer(code, said.split('\n')[0]?.trim().split(': ').at(-1) ?? ''));
  });
}
