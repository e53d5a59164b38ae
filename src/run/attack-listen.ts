/** Runs an attack, and hears what its payload says. */

import {briefly, TareError} from '../errors.js';
import {start} from '../host/spawn.js';
import {MOST_WORDS, type Heard} from './attack-answers.js';

/** A box that has not ended by then is killed. */
export const DEADLINE_S = 120;
const MOST_BYTES = 64 * 1024;

/** @param ready is called once the payload waits for a process to enter the box, with what gives all that was said until then */
export async function listenTo(
  program: string,
  argv: readonly string[],
  cwd: string,
  ready?: (said: () => string) => Promise<void>,
): Promise<Heard> {
  let said = '';
  const joining: Promise<void>[] = [];
  const {stdout, stderr} = await ended(program, argv, cwd, (text) => {
    said = text;
    // what cannot be entered is not attacked that way, and the payload says so
    if (ready !== undefined && joining.length === 0 && /^READY\r?$/m.test(text)) joining.push(ready(() => said).catch(() => undefined));
  });
  await Promise.all(joining);
  const lines = linesOf(stdout);
  const prevented = lines.find(({section, word}) => section === '' && word === 'INFO')?.what;
  return {lines, because: becauseOf(stdout) ?? prevented ?? words(stderr) ?? 'the payload said nothing'};
}

function linesOf(text: string): Heard['lines'] {
  let section = '';
  const lines: Heard['lines'] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, begun] = /^== (\w+)$/.exec(line) ?? [];
    section = begun ?? section;
    const [, word, what] = /^(HELD|SURVIVED|INFO) (.*)$/.exec(line) ?? [];
    if (word !== undefined && what !== undefined) lines.push({section, word, what: words(what) ?? ''});
  }
  return lines;
}

/** The reason in the output of `tare run --probe`. */
function becauseOf(text: string): string | null {
  const line = text.split(/\r?\n/).find((one) => one.startsWith('{"healthy":'));
  if (line === undefined) return null;
  try {
    return words((JSON.parse(line) as {because?: unknown}).because);
  } catch {
    return null;
  }
}

/** null: nothing. */
const words = (text: unknown): string | null => briefly(text, MOST_WORDS) || null;

/** A program to its end, with nothing of the caller's environment. */
export function ended(
  program: string,
  argv: readonly string[],
  cwd: string,
  hear: (text: string) => void = () => undefined,
): Promise<{code: number | null; stdout: string; stderr: string}> {
  return new Promise((resolve, reject) => {
    const child = start(program, argv, {cwd, env: {PATH: '/usr/bin:/bin'}, stdio: ['ignore', 'pipe', 'pipe']});
    let [stdout, stderr] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < MOST_BYTES) stdout += text;
      hear(stdout);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (stderr.length < MOST_BYTES) stderr += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), (DEADLINE_S + 10) * 1000);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new TareError('NOT_BUILT', {message: `it cannot be started: ${error.message}`, where: program}));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({code, stdout, stderr});
    });
  });
}
