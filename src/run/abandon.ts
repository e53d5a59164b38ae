/** A program that looks at what may never answer, as a repository of CVMFS: when it is late it is left alone, and costs one process. */

import {childProcess} from '../host/spawn.js';

/** A first look at a repository can fetch its catalogue. */
export const LOOK_DEADLINE_MS = 30_000;

/** What it printed; or null and why. */
export type Said = {out: string; because: null} | {out: null; because: string};

/** @param identity who runs it, where that is not the caller: root sees more than others */
export function runAbandonable(
  program: string,
  argv: readonly string[],
  {identity, deadlineMs = LOOK_DEADLINE_MS}: {identity: {uid: number; gid: number} | null; deadlineMs?: number},
): Promise<Said> {
  return new Promise((resolve) => {
    const child = childProcess().spawn(program, [...argv], {
      ...identity,
      cwd: '/',
      env: {LC_ALL: 'C'},
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let error = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
    const answer = (said: Said): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve(said);
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      answer({out: null, because: `no answer within ${String(deadlineMs / 1000)} s`});
    }, deadlineMs);
    child.on('error', ({message}) => {
      answer({out: null, because: message});
    });
    child.on('close', (code) => {
      answer(code === 0 ? {out, because: null} : {out: null, because: error.trim().split(': ').at(-1) ?? ''});
    });
  });
}
