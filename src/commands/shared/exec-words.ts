/** The words of `tare exec`: which are ours, and where the command begins. */

import {resolve} from 'node:path/posix';

/** Flags of ours that take the next word for their value. */
const WITH_VALUE = new Set(['-e', '--env', '--application', '--policy']);

/** The words of a call in two. */
export interface ExecWords {
  /** The id and our flags. */
  own: string[];
  /** Index of the first word of the command; null: there is none. */
  begin: number | null;
}

/**
 * The command begins after `--`; without that, as docker has it, with the first word that is neither a flag of ours nor the id.
 * @param argv the words after `exec`
 */
export function splitExec(argv: readonly string[]): ExecWords {
  let ids = 0;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (word === '--') return {own: argv.slice(0, index), begin: index + 1 < argv.length ? index + 1 : null};
    if (WITH_VALUE.has(word)) index++;
    else if ((!word.startsWith('-') || word === '-') && ++ids > 1) return {own: argv.slice(0, index), begin: index};
  }
  return {own: [...argv], begin: null};
}

/** The words of a call with an absolute path of the policy, for a process that starts in another directory. @param begin as of `splitExec` */
export function withWholePaths(argv: readonly string[], begin: number): string[] {
  return argv.map((word, index) => {
    if (index >= begin) return word;
    if (argv[index - 1] === '--policy') return resolve(word);
    return word.startsWith('--policy=') ? `--policy=${resolve(word.slice('--policy='.length))}` : word;
  });
}
