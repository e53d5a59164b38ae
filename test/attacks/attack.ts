/** An attack: a file with a head that says how it is run, and lines of what it prints. */

import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {parse} from 'yaml';
import type {LimitsDocument} from '../../src/schema/generated/job-1.js';
import {installed, type Role} from '../support/tare.js';
import type {Supervisor} from '../support/name-service.js';

const PATTERNS = ['ulimit++', 'quotas++', 'vm-lite'] as const;
type Pattern = (typeof PATTERNS)[number];

/** How an attack is run. */
export interface Way {
  role: Role;
  pattern: Pattern;
  supervisor: Supervisor;
}

/**
 * The first lines of an attack's file, as comments, in YAML. An attack prints `HELD what`, `SURVIVED what` (it got through) or `INFO what`;
 * what is not in its own lines is judged by the driver.
 */
export interface Head {
  /** What it tries. */
  attack: string;
  /** Holes of other programs that were of its class. */
  class?: string;
  roles?: Role[];
  patterns?: Pattern[];
  limits?: LimitsDocument;
  network?: 'host' | 'none';
  /** `service`: not the payload, but a service of the small machine. */
  as?: 'service';
  /** The limit that has to stop it, where it says nothing itself. */
  stopped?: 'memory' | 'scratch' | 'processes';
  /** What of the node it needs: see NEEDS of its driver. */
  needs?: string;
  /** `itself`: the job ends when its payload does, not at its wall time. */
  ends?: 'itself';
  /** Processes of this name (argv[0]) do not outlive the box. */
  gone?: string;
  /** It may not use more cores than these. */
  cores?: number;
  /** Bytes that it prints. */
  output?: number;
  /** The node listens at an abstract socket, a pathname and a port (ATTACK_ABSTRACT, ATTACK_PATH, ATTACK_PORT). */
  listen?: boolean;
  /** The caller of the wrapper has directories and a socket open. */
  open?: boolean;
  /** So many times a command is run in the box meanwhile. */
  exec?: number;
  /** It runs once in each of these evil images (images.ts). */
  images?: string[];
  /** Takes longer than others: in CI one way is enough. */
  slow?: boolean;
}

export interface Attack extends Head {
  name: string;
  /** The program, or script, that is run. */
  file: string;
}

const FOLDER = 'test/attacks';

/** Where the attacks of a folder lie: where every account reaches them. */
export const attacksOf = (folder: 'payload' | 'outside'): Attack[] =>
  readdirSync(join(installed(), FOLDER, folder))
    .filter((name) => name.endsWith('.sh') || (folder === 'payload' && name.endsWith('.c')))
    .sort()
    .map((name) => {
      const source = join(installed(), FOLDER, folder, name);
      const stem = basename(name).replace(/\.\w+$/, '');
      const file = name.endsWith('.c') ? join(installed(), FOLDER, 'build', folder, stem) : source;
      return {...headOf(readFileSync(source, 'utf8')), name: stem, file};
    });

/** A file of the suite's that is no attack. */
export const partOf = (path: string): string => join(installed(), FOLDER, path);

/** Built by `node scripts/build.mjs attacks`. */
export const isBuilt = (): boolean => existsSync(partOf('build/payload'));

function headOf(text: string): Head {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#!')) continue;
    const comment = /^(?:\/\/|#) (.*)$/.exec(line)?.[1];
    if (comment === undefined) break;
    lines.push(comment.replace(/^(attack|class): (.*)$/, (_, key: string, words: string) => `${key}: ${JSON.stringify(words)}`));
  }
  return parse(lines.join('\n')) as Head;
}

export interface Verdict {
  word: 'HELD' | 'SURVIVED' | 'INFO';
  what: string;
}

/** The lines of an attack; an application's have its name before them. */
export const verdictsOf = (text: string): Verdict[] =>
  [...text.matchAll(/^(?:evil: )?(HELD|SURVIVED|INFO) (.*)$/gm)].map(([, word, what]) => ({
    word: word as Verdict['word'],
    what: what ?? '',
  }));

/** Two roles, three patterns, two supervisors: every two of these values meet in one of six ways. */
const PAIRWISE: readonly Way[] = [
  {role: 'root', pattern: 'ulimit++', supervisor: 'folder'},
  {role: 'user', pattern: 'ulimit++', supervisor: 'checkout'},
  {role: 'root', pattern: 'quotas++', supervisor: 'checkout'},
  {role: 'user', pattern: 'quotas++', supervisor: 'folder'},
  {role: 'root', pattern: 'vm-lite', supervisor: 'checkout'},
  {role: 'user', pattern: 'vm-lite', supervisor: 'folder'},
];
/** From a way to one of the other role and another pattern. */
const OTHER_ROLE = 3;
const ALL: readonly Way[] = (['root', 'user'] as const).flatMap((role) =>
  PATTERNS.flatMap((pattern) => (['folder', 'checkout'] as const).map((supervisor) => ({role, pattern, supervisor}))),
);

/**
 * In which ways an attack is run: in all, or in two, once in each role, and in one when it takes its time. Which they are is different from attack to
 * attack, so that together they meet every pair of role, pattern and supervisor.
 */
export function waysOf({roles, patterns, as, slow}: Head, index: number, whole: boolean): Way[] {
  const fitting = (whole ? ALL : PAIRWISE).filter(
    ({role, pattern}) =>
      (roles?.includes(role) ?? true) && (as === 'service' ? pattern === 'vm-lite' : (patterns?.includes(pattern) ?? true)),
  );
  const chosen = fitting.length === 0 ? [] : [0, OTHER_ROLE].map((more) => fitting[(index + more) % fitting.length]);
  return whole ? fitting : chosen.slice(0, slow === true ? 1 : 2).flatMap((way) => way ?? []);
}
