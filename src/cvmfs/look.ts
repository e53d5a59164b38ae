/**
 * Looks at a repository, by the static program: this process never touches one. A look that hangs in the kernel is left alone, with its
 * process; a look that is asked for meanwhile gets the same answer.
 */

import type {ChildProcess} from 'node:child_process';
import {accountOrOwn, type Account} from '../plan/account.js';
import {readAnswer, type Answer} from './answer.js';

/** Starts the static program as `tare-repository`, with a pipe for its output. */
export type Start = (argv: readonly string[]) => ChildProcess;

/** Arguments of `tare-repository`. */
export interface Question {
  root: string;
  repository: string;
  /** Where answers are kept for others; empty: nowhere. */
  file: string;
  /** How old another's answer may be. */
  ageUs: number;
  deadlineUs: number;
  /** In whose mounts it is; absent: in ours. */
  mounter?: number | undefined;
  /** The account that looks; null: this process's own. */
  identity: Account | null;
}

/** The tool keeps the deadline itself; this is for a tool that cannot. */
const SLACK_MS = 2000;

/** Looks at one repository. Never rejects. */
export function look(start: Start, question: Question): Promise<Answer> {
  const {root, repository, file, ageUs, deadlineUs, identity, mounter} = question;
  return new Promise((resolve) => {
    let text = '';
    const child = start([
      file,
      String(Math.round(ageUs)),
      String(Math.round(deadlineUs)),
      accountOrOwn(identity),
      root,
      repository,
      ...(mounter === undefined ? [] : [String(mounter)]),
    ]);
    const answer = (more: string): void => {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.unref();
      resolve(readAnswer(text + more));
    };
    const timer = setTimeout(
      () => {
        child.kill('SIGKILL');
        answer(`late\tyes\nus\t${String(deadlineUs)}\n`);
      },
      deadlineUs / 1000 + SLACK_MS,
    );
    child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
    child.on('error', ({message}) => answer(`error\t${message}\n`));
    child.on('close', () => answer(''));
  });
}
