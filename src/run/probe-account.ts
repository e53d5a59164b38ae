/** Tries a box as an account of this node, in a process of that account's own: what it says of its own folders is that account's word. */

import {promisify} from 'node:util';
import {briefly, TareError} from '../errors.js';
import {groupOf} from '../files/as-owner.js';
import {policyWords} from '../files/documents.js';
import {askNow} from '../host/name-service.js';
import {childProcess} from '../host/spawn.js';
import type {HealthProbe, ProbedBox} from '../node-state/health.js';
import {epochUs, monotonicUs} from '../process/clock.js';
import {NATIVE} from '../process/native.js';

/** Arguments of a small job: the probe compares how its limits are enforced. */
const ASKED = ['--memory', '256MiB', '--cores', '1', '--wall-time', '5m', '--processes', '100', '--', '/bin/true'];
const MOST_BYTES = 64 * 1024;
const MOST_WORDS = 1000;
const MOST_ENTRIES = 50;

/** The result of a probe with an account. */
export interface ProbedAs extends HealthProbe {
  /** Whether the box got less than the policy wants. */
  less: boolean;
}

/**
 * @param uid whose box is tried; root becomes that account
 * @param deadlineMs after that it counts as not answered, and is killed
 * @param timeouts how many before it were not answered
 */
export async function probeAs(uid: number, policyFile: string | null, deadlineMs: number, timeouts = 0): Promise<ProbedAs> {
  const at = epochUs();
  const beganUs = monotonicUs();
  const made = (rest: Pick<ProbedAs, 'healthy' | 'because'> & Partial<ProbedAs>): ProbedAs => ({
    ...{uid, user: null, at, timeouts: 0, tookUs: Math.max(0, Math.round(monotonicUs() - beganUs)), got: null, wanted: null, less: true},
    ...rest,
  });
  const self = process.getuid?.() ?? -1;
  try {
    const run = promisify(childProcess().execFile);
    const argv = ['run', '--probe', ...policyWords(policyFile), ...ASKED];
    const {stdout, stderr} = await run(NATIVE, argv, {
      ...(uid === self ? {} : {uid, gid: groupOf(uid)}),
      cwd: '/',
      env: {PATH: '/usr/bin:/bin'},
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
      maxBuffer: MOST_BYTES,
    });
    const said = read(stdout);
    return said === null ? made({healthy: false, because: words(stderr) || 'it said nothing'}) : made(said);
  } catch (error) {
    const {stdout = '', stderr = '', message, killed} = error as Error & {stdout?: string; stderr?: string; killed?: boolean};
    if (killed === true)
      return made({healthy: null, timeouts: timeouts + 1, because: `it did not end in ${String(Math.round(deadlineMs / 1000))} s`});
    const said = read(stdout);
    return said === null ? made({healthy: false, because: words(stderr) || words(message)}) : made(said);
  }
}

/** A person waits for it. */
const DOCTORS_DEADLINE_MS = 60_000;

/**
 * Tries a box for `tare doctor`, as the calling account, or as another one by its name or number.
 * @throws TareError USER_UNKNOWN, USER_FORBIDDEN
 */
export function tryBox(user: string | null, policyFile: string | null): Promise<ProbedAs> {
  const self = process.getuid?.() ?? -1;
  const uid = user === null ? self : uidOf(user);
  if (uid !== self && self !== 0)
    throw new TareError('USER_FORBIDDEN', {
      message: 'only root may start a box as another account',
      where: '--user',
      found: user ?? '',
      remedy: 'run it as root, or as that account without --user',
    });
  return probeAs(uid, policyFile, DOCTORS_DEADLINE_MS);
}

function uidOf(user: string): number {
  const answer = askNow(user, {});
  if (answer.state === 'found') return answer.account.uid;
  if (/^\d{1,10}$/.test(user)) return Number(user);
  if (answer.state === 'absent')
    throw new TareError('USER_UNKNOWN', {message: 'no such account on this node', where: '--user', found: user});
  throw new TareError('NAME_SERVICE_SILENT', {
    message: `the node’s name service does not say who ${user} is`,
    where: '--user',
    found: answer.because,
    remedy: `mend the name service of this node: \`getent passwd ${user}\` has to answer`,
  });
}

const words = (text: unknown): string => briefly(text, MOST_WORDS);

function read(text: string): Pick<ProbedAs, 'healthy' | 'because' | 'user' | 'got' | 'wanted' | 'less'> | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const said = (parsed ?? {}) as Record<string, unknown>;
  if (typeof said['healthy'] !== 'boolean') return null;
  return {
    healthy: said['healthy'],
    less: said['less'] === true,
    because: words(said['because']) || null,
    user: words(said['user']).slice(0, 100) || null,
    got: box(said['got']),
    wanted: box(said['wanted']),
  };
}

function box(said: unknown): ProbedBox {
  if (typeof said !== 'object' || said === null) return null;
  const {mode, flags, limits} = said as Record<string, unknown>;
  const entries = typeof limits === 'object' && limits !== null ? Object.entries(limits as Record<string, unknown>) : [];
  return {
    mode: words(mode) || null,
    flags: Array.isArray(flags) ? flags.slice(0, MOST_ENTRIES).map(words) : [],
    limits: Object.fromEntries(entries.slice(0, MOST_ENTRIES).map(([name, level]) => [words(name), words(level)])),
  };
}
