/**
 * What the node's name service says of an account: nsswitch.conf(5), with LDAP, SSSD and whatever else a site has. The only place that asks
 * it. getent(1) and id(1) are asked, since neither a compiled program nor a static one can load the modules of the node's C library; and
 * never the environment, which is the caller's word.
 */

import {closeSync, constants, openSync, readFileSync} from 'node:fs';
import {errnoOf} from '../errors.js';
import {findRow, isFilesFirst, parseRow, remoteSources, type Account} from './passwd.js';
import {childProcess, start} from './spawn.js';

/** An account with its groups, the primary one included. */
export interface Member extends Account {
  groups: number[];
}

/** No answer, so the account may exist. */
export interface Silent {
  state: 'silent';
  /** Which program failed, and how. */
  because: string;
  /** Waiting can mend it. */
  passing: boolean;
}

/** `absent`: every source of the name service was asked, and none knows the account. */
export type Answer<T> = {state: 'found'; account: T} | {state: 'absent'} | Silent;

/** What is asked of the name service beside the account itself. */
export interface Wish {
  /** The account's groups, from all sources of the name service. */
  groups?: boolean;
  /** `absent` is said only where all sources were there to be asked. That costs a process more, for an account that is not found. */
  sure?: boolean;
}

/** Number of queries after which the name service counts as silent. */
const TRIES = 3;
/** All tries together, ms. */
const WITHIN_MS = 10_000;
/** One try, where a caller cannot wait for more: a command that looks at another account's files, ms. */
const BRIEFLY_MS = 3000;
/** A process asks no more for so long after it got no answer, where it would have to stand still meanwhile, ms. */
const SILENT_MS = 30_000;
/** An answer holds for so long within one process, ms. */
export const HOLDS_MS = 3_600_000;
/** More than a useradd(8) allows; longer ones are no names, and no argument of a program. */
const LONGEST_NAME = 256;
/** A member of thousands of groups is one of LDAP's. */
const MOST_BYTES = 1 << 20;
/** getent(1): a key was not found. */
const NOT_FOUND = 2;

interface Question {
  program: 'getent' | 'id';
  argv: readonly string[];
}

interface Said {
  /** null: it was killed, late, or never there. */
  status: number | null;
  text: string;
  /** Why there is no status. */
  because: string;
  /** There is no such program. */
  missing?: boolean;
}

type Asking<T> = Generator<Question, Answer<T>, Said>;

/**
 * An account by its name or number; `groups` is empty where they were not wished for.
 * At most 3 tries within 10 s: a name service that starts anew has time to.
 */
export async function askFor(key: string, wish: Wish): Promise<Answer<Member>> {
  const until = performance.now() + WITHIN_MS;
  for (let left = TRIES; ; left--) {
    const deadline = performance.now() + (until - performance.now()) / left;
    const answer = await drive(askAll(key, wish), deadline);
    if (answer.state !== 'silent' || !answer.passing || left === 1) return answer;
    // what fails at once is not asked again at once
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, deadline - performance.now())));
  }
}

const answers = new Map<string, {account: Member; at: number}>();
let silentUntil = 0;

/** Asks synchronously: one try of 3 s, and none within 30 s after one without an answer. */
export function askNow(key: string, wish: Wish): Answer<Member> {
  const now = performance.now();
  const known = answers.get(key);
  if (known !== undefined && now - known.at < HOLDS_MS && (wish.groups !== true || known.account.groups.length > 0))
    return {state: 'found', account: known.account};
  if (now < silentUntil) return {state: 'silent', because: 'it gave no answer a moment ago', passing: true};
  const answer = driveNow(askAll(key, wish), now + BRIEFLY_MS);
  if (answer.state === 'found') answers.set(key, {account: answer.account, at: now});
  if (answer.state === 'silent') silentUntil = performance.now() + SILENT_MS;
  return answer;
}

function* askAll(key: string, {groups = false, sure = false}: Wish): Asking<Member> {
  if (key === '' || key.length > LONGEST_NAME || /[:\p{Cc}]/u.test(key)) return {state: 'absent'};
  const said = yield {program: 'getent', argv: ['passwd', '--', key]};
  if (said.status === NOT_FOUND) return sure ? yield* askSources() : {state: 'absent'};
  const found = said.status === 0 ? parseRow(said.text.split('\n')[0] ?? '') : null;
  if (found === null) return silent('getent passwd', said);
  if (!groups) return {state: 'found', account: {...found, groups: []}};
  const ids = yield {program: 'id', argv: ['-G', '--', found.name]};
  const numbers = ids.text.trim().split(/\s+/);
  if (ids.status !== 0 || !numbers.every((number) => /^\d+$/.test(number))) return silent('id -G', ids);
  return {state: 'found', account: {...found, groups: numbers.map(Number)}};
}

/**
 * getent says the same of an account that does not exist and of a source that is down. Asked for root, which /etc/passwd has in the end, it
 * tells the one from the other: a source that is down is told to end the question.
 */
function* askSources(): Asking<Member> {
  for (const source of remoteSources(readText(NSSWITCH) ?? '')) {
    const service = `passwd:${source} [SUCCESS=continue UNAVAIL=return TRYAGAIN=return] files`;
    const said = yield {program: 'getent', argv: ['-s', service, 'passwd', '0']};
    if (said.status === NOT_FOUND)
      return {state: 'silent', because: `the source "${source}" of passwd in ${NSSWITCH} is not available`, passing: true};
    if (said.status !== 0) return silent(`getent -s ${source}`, said);
  }
  return {state: 'absent'};
}

function silent(what: string, {status, because, text, missing = false}: Said): Silent {
  const how = status === null ? because : status === 0 ? `said ${JSON.stringify(text.slice(0, 80))}` : `ended with ${String(status)}`;
  return {state: 'silent', because: `${what} ${how}`, passing: !missing};
}

async function drive<T>(asking: Asking<T>, deadline: number): Promise<Answer<T>> {
  let step = asking.next();
  while (step.done !== true) step = asking.next(await ask(step.value, deadline - performance.now()));
  return step.value;
}

function driveNow<T>(asking: Asking<T>, deadline: number): Answer<T> {
  let step = asking.next();
  while (step.done !== true) step = asking.next(askAtOnce(step.value, deadline - performance.now()));
  return step.value;
}

/** Environment of the programs. It has nothing of the caller's: LD_PRELOAD of a job could forge the answers. */
const ENVIRONMENT = {PATH: '/usr/bin:/bin', LC_ALL: 'C'};
const notStarted = (why: string): string => `cannot be started (${why})`;
const late = (ms: number): string => `gave no answer within ${(ms / 1000).toFixed(1)} s`;

/** Asks one program, which is killed after `leftMs`; the answer does not wait for a program that SIGKILL does not end. */
function ask({program, argv}: Question, leftMs: number): Promise<Said> {
  const ms = Math.max(1, Math.round(leftMs));
  return new Promise((resolve) => {
    const child = start(program, argv, {cwd: '/', env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore']});
    let text = '';
    const answer = (status: number | null, because: string, missing = false): void => {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.unref();
      resolve({status, text, because, missing});
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      answer(null, late(ms));
    }, ms);
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text = (text + piece).slice(0, MOST_BYTES);
    });
    child.on('error', ({code = 'no reason is known'}: NodeJS.ErrnoException) => answer(null, notStarted(code), code === 'ENOENT'));
    child.on('close', (status, signal) => answer(status, `was ended by ${signal ?? 'no signal'}`));
  });
}

function askAtOnce({program, argv}: Question, leftMs: number): Said {
  const ms = Math.max(1, Math.round(leftMs));
  const {status, stdout, error, signal} = childProcess().spawnSync(program, [...argv], {
    ...{cwd: '/', env: ENVIRONMENT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']},
    ...{timeout: ms, killSignal: 'SIGKILL', maxBuffer: MOST_BYTES},
  });
  const code = errnoOf(error);
  const because = code === 'ETIMEDOUT' || signal === 'SIGKILL' ? late(ms) : notStarted(code ?? signal ?? 'no reason is known');
  return {status: error === undefined ? status : null, text: error === undefined ? stdout : '', because, missing: code === 'ENOENT'};
}

const NSSWITCH = '/etc/nsswitch.conf';
const PASSWD = '/etc/passwd';

/**
 * The row of /etc/passwd, where the name service asks this file first and so would answer with it. No process is started for it, and it
 * holds while a directory service is down. null: the name service has to be asked.
 */
export function inFirstFile(uid: number): Account | null {
  const nsswitch = readText(NSSWITCH);
  if (nsswitch === null || !isFilesFirst(nsswitch)) return null;
  return findRow(readText(PASSWD) ?? '', uid);
}

/** @returns null when it cannot be read */
function readText(path: string): string | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return readFileSync(descriptor, 'utf8');
  } catch {
    return null;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
