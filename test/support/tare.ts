/** Runs the real wrapper for a test: built, as root or as an unprivileged user, with folders of its own. */

import {execFileSync, spawn, type ChildProcess, type SpawnOptions} from 'node:child_process';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  type Dirent,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {homedir, tmpdir} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {UsageRecord} from '../../src/record/record.js';
import {patience} from './pace.js';

/** `root` with the machine's control groups, `user` without any: the two normal cases of a worker node. */
export type Role = 'root' | 'user';
const NOBODY = 65534;
export const isRoot = process.getuid?.() === 0;
/** Roles that this test run can play, or the one of them that TARE_ROLE names. */
export const ROLES: readonly Role[] = (isRoot ? (['root', 'user'] as const) : (['user'] as const)).filter(
  (role) => role === (process.env.TARE_ROLE ?? role),
);

const checkout = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

export interface RunOutput {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  record: UsageRecord;
}

/** Whom a program is started as; empty: as whom starts it. */
export interface Credentials {
  uid?: number;
  gid?: number;
}

export interface WrapOptions {
  policy?: object;
  offered?: Record<string, object>;
  cwd?: string;
  env?: Record<string, string>;
}

/**
 * A place for tests: state, spool and work directories of the role, and the policy that names them. It is made when it is first asked for a path;
 * after `remove`, the next time makes another one.
 */
export class Site {
  readonly role: Role;
  /** What starts a program on a node that has more than this one, and as whom; null: nothing does. */
  around: ((argv: readonly string[], credentials: Credentials) => readonly string[]) | null = null;
  private readonly parent: string;
  private made: string | null = null;
  private count = 0;

  /** @param parent where its directory is made: by default one that is private in a box */
  constructor(role: Role, parent = tmpdir()) {
    this.role = role;
    this.parent = parent;
  }

  get directory(): string {
    this.made ??= this.make();
    return this.made;
  }

  get work(): string {
    return join(this.directory, 'work');
  }

  /** The account that runs the wrapper in this role. */
  get credentials(): Credentials {
    return this.role === 'user' && isRoot ? {uid: NOBODY, gid: NOBODY} : {};
  }

  /** A policy file that extends the folders of this site. */
  policy(extra: object = {}): string {
    const file = join(this.directory, `policy-${String(this.count++)}.json`);
    const directories = {
      state: join(this.directory, 'state'),
      spool: join(this.directory, 'spool'),
      scratch: join(this.directory, 'scratch'),
      node: join(this.directory, 'node'),
    };
    writeFileSync(
      file,
      JSON.stringify({schema: 'tare/policy/v1', site: {name: 'TEST-SITE'}, directories, killSwitch: join(this.directory, 'off'), ...extra}),
    );
    return file;
  }

  /** A job descriptor in a file. */
  job(document: object): string {
    const file = join(this.directory, `job-${String(this.count++)}.json`);
    writeFileSync(file, JSON.stringify({schema: 'tare/job/v1', ...document}));
    return file;
  }

  /** `tare ARGV`, started and not awaited. Standard streams are pipes unless said otherwise. */
  start(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return this.spawn([bin('tare'), ...argv], {cwd: this.work, stdio: ['pipe', 'pipe', 'pipe'], ...options});
  }

  /** A program of the site's account. */
  spawn(argv: readonly string[], options: SpawnOptions): ChildProcess {
    const {uid, gid, ...more} = {...this.credentials, ...options};
    const account = {...(uid === undefined ? {} : {uid}), ...(gid === undefined ? {} : {gid})};
    const [program = '', ...words] = this.around?.(argv, account) ?? argv;
    return spawn(program, words, this.around === null ? {...more, ...account} : more);
  }

  /** `tare ARGV` to its end. */
  async command(argv: readonly string[], options: SpawnOptions = {}): Promise<Omit<RunOutput, 'record'>> {
    const child = this.start(argv, options);
    child.stdin?.end();
    return ending(child);
  }

  /** As a wrapper of this site's account that failed just now would have left it. */
  failed(): void {
    const node = join(this.directory, this.role === 'root' && isRoot ? 'node' : 'state/node');
    mkdirSync(join(node, 'reports'), {recursive: true});
    const uid = this.credentials.uid ?? process.getuid?.() ?? 0;
    const report = join(node, 'reports', String(uid));
    writeFileSync(report, `${String(Date.now())} failed ENGINE_FAILED ab12\n`, {mode: 0o600});
    this.give(node, join(node, 'reports'), report);
  }

  /** Makes files the role's. */
  give(...paths: readonly string[]): void {
    for (const path of paths) this.own(path);
  }

  /** `tare run ARGV` to its end, with the record that it left. */
  async run(
    argv: readonly string[],
    {policy = {}, input = '', ...options}: SpawnOptions & {policy?: object; input?: string} = {},
  ): Promise<RunOutput> {
    const recordFile = join(this.directory, 'spool', `copy-${String(this.count++)}.json`);
    const child = this.start(['run', '--policy', this.policy(policy), '--record', recordFile, ...argv], options);
    child.stdin?.end(input);
    const {code, signal, stdout, stderr} = await ending(child);
    if (!existsSync(recordFile)) throw new Error(`no record; exit ${String(code)} ${String(signal)}\n${stdout}\n${stderr}`);
    const record = JSON.parse(readFileSync(recordFile, 'utf8')) as UsageRecord;
    rmSync(recordFile);
    return {code, signal, stdout, stderr, record};
  }

  /** `tare-wrap ARGV` to its end, as a batch system calls it, with nothing but what its environment has. */
  wrap(
    argv: readonly string[],
    {policy = {}, offered = {}, cwd = this.work, env = {}}: WrapOptions = {},
  ): Promise<Omit<RunOutput, 'record'>> {
    const [program = '', ...words] = this.wrapper(argv, {policy, offered});
    return ending(spawn(program, words, {cwd, stdio: ['ignore', 'pipe', 'pipe'], env: {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env}}));
  }

  /**
   * The same as words, for the site's role: a node whose policy this is, in a view of /etc of its own, which only root can make. `offered`: policies
   * that the node offers to jobs, by name.
   */
  wrapper(argv: readonly string[], {policy = {}, offered = {}}: Pick<WrapOptions, 'policy' | 'offered'> = {}): string[] {
    const etc = join(this.directory, `etc-${String(this.count++)}`);
    mkdirSync(join(etc, 'tare/policies'), {recursive: true});
    renameSync(this.policy(policy), join(etc, 'tare/policy.yaml'));
    for (const [name, extra] of Object.entries(offered)) renameSync(this.policy(extra), join(etc, 'tare/policies', name));
    const {uid, gid} = this.credentials;
    const become = uid === undefined ? [] : ['setpriv', `--reuid=${String(uid)}`, `--regid=${String(gid)}`, '--clear-groups'];
    const script = 'mount -t overlay -o "lowerdir=$1:/etc" overlay /etc && shift && exec "$@"';
    return ['unshare', '--mount', 'sh', '-c', script, 'sh', etc, ...become, bin('tare-wrap'), ...argv];
  }

  /** The records in the spool. */
  records(): UsageRecord[] {
    const spool = join(this.directory, 'spool');
    return readdirSync(spool)
      .filter((name) => /^[0-9a-f-]{36}\.json$/.test(name))
      .map((name) => JSON.parse(readFileSync(join(spool, name), 'utf8')) as UsageRecord);
  }

  /** Ids of all boxes that there were here, from their records. */
  private boxes(): string[] {
    return this.records().map(({lrms}) => lrms.globalJobId.split('#')[1] ?? '');
  }

  /** What a finished job must not leave: folders of boxes, groups, processes. */
  leftovers(): string[] {
    const list = (directory: string): string[] =>
      existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
    return [
      ...list(join(this.directory, 'state/boxes')),
      ...list(join(this.directory, 'scratch')),
      ...list(join(this.directory, 'spool')).filter((path) => path.endsWith('.tmp')),
      ...groups().filter((path) => this.boxes().some((id) => path.endsWith(`/tare-${id}`))),
      ...processesOf(this.directory, this.boxes()),
    ];
  }

  remove(): void {
    if (this.made !== null) rmSync(this.made, {recursive: true, force: true});
    this.made = null;
  }

  private make(): string {
    const directory = mkdtempSync(join(this.parent, 'tare-test-'));
    chmodSync(directory, 0o755);
    for (const name of ['state', 'spool', 'scratch']) this.own(mkdir(join(directory, name)));
    const work = mkdir(join(directory, 'work'));
    if (isRoot) chownSync(work, NOBODY, NOBODY);
    return directory;
  }

  private own(path: string): void {
    const {uid, gid} = this.credentials;
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
  }
}

function mkdir(directory: string): string {
  mkdirSync(directory);
  return directory;
}

/** Collects a child's output to its end. */
export function ending(child: ChildProcess): Promise<{code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string}> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({code, signal, stdout, stderr});
    });
  });
}

/** Groups named tare-ID in any hierarchy. */
export function groups(): string[] {
  const found: string[] = [];
  const search = (directory: string, depth: number): void => {
    for (const entry of entriesOf(directory)) {
      if (!entry.isDirectory()) continue;
      const path = join(directory, entry.name);
      if (/^tare-[0-9a-f]+$/.test(entry.name)) found.push(path);
      else if (depth > 0) search(path, depth - 1);
    }
  };
  if (existsSync('/sys/fs/cgroup')) search('/sys/fs/cgroup', 5);
  return found;
}

/** None where it has just been removed. */
function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, {withFileTypes: true});
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export interface ProcessEntry {
  pid: number;
  comm: string;
  argv: string[];
  state: string;
  parent: number;
}

/** All processes that can be seen. */
export function processes(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const [state = '', parent = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const comm = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
        return [
          {
            pid: Number(name),
            comm,
            argv: readFileSync(`/proc/${name}/cmdline`, 'latin1').split('\0').slice(0, -1),
            state,
            parent: Number(parent),
          },
        ];
      } catch {
        return [];
      }
    });
}

/** A process and all below it. */
export function below(pid: number): ProcessEntry[] {
  const all = processes();
  const family = all.filter((one) => one.pid === pid);
  for (let before = 0; before < family.length;) {
    before = family.length;
    family.push(...all.filter((one) => !family.includes(one) && family.some((parent) => parent.pid === one.parent)));
  }
  return family;
}

/** A signal to a process that may be gone. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it is
  }
}

/** Processes that belong to a site: by their argv, or by what of it is bound into their box. */
function processesOf(directory: string, boxes: readonly string[]): string[] {
  const names = new Set(boxes.map((id) => `tare-${id}`));
  return processes()
    .filter(({pid, state}) => pid !== process.pid && state !== 'Z')
    .filter(
      ({pid, argv, comm}) =>
        argv.some((argument) => argument.includes(directory) || names.has(argument)) || (comm === 'tare-init' && isIn(directory, pid)),
    )
    .map(({pid, argv}) => `process ${String(pid)}: ${argv.join(' ')}`);
}

/** Whether something of a site is mounted for a process, as for those in a box of it. */
export const isIn = (directory: string, pid: number): boolean => boundInto(pid).some((root) => root.includes(basename(directory)));

/** What of their file systems its mounts show. Not where: a mount of one test's is below `/` in the boxes of all that run at the time. */
function boundInto(pid: number): string[] {
  try {
    const mounts = readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8')
      .trimEnd()
      .split('\n');
    return mounts.map((line) => line.split(' ')[3] ?? '');
  } catch {
    return []; // gone
  }
}

/** Waits until something holds, or fails; on a slow machine longer. */
export async function until<T>(what: string, look: () => T | null | undefined | false | 0, seconds = 10): Promise<T> {
  for (const deadline = Date.now() + patience(seconds) * 1000; Date.now() < deadline;) {
    const found = look();
    if (found) return found;
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  throw new Error(`waited ${String(patience(seconds))} s for ${what}`);
}

let copy: string | null = null;

/**
 * The checkout; or a copy of what runs, where an unprivileged user cannot reach the checkout (in a home directory, say), or where it lies
 * below a directory that is private in the box. scripts/test.mjs names a place (TARE_INSTALLED), so that the files of a suite share one copy.
 */
export function installed(): string {
  copy ??= reachable(checkout) ? checkout : copyOf(checkout);
  return copy;
}

function copyOf(from: string): string {
  const shared = process.env.TARE_INSTALLED;
  const place = shared ?? placeForCopy();
  if (shared === undefined) {
    process.on('exit', () => {
      rmSync(place, {recursive: true, force: true});
    });
  }
  const ready = join(place, 'checkout');
  if (existsSync(ready)) return ready;
  const fresh = mkdtempSync(join(place, 'copy-'));
  for (const each of [place, fresh]) chmodSync(each, 0o755);
  const there = RUN_FROM.filter((name) => existsSync(join(from, name)));
  // hard links where both lie on one file system: a copy has hundreds of MB
  const script = 'cd "$1" && shift && { cp -al --parents "$@" 2>/dev/null || cp -a --parents "$@"; }';
  execFileSync('/bin/sh', ['-c', script, 'copy', from, ...there, fresh]);
  try {
    renameSync(fresh, ready);
  } catch {
    rmSync(fresh, {recursive: true}); // another file of the suite was first
  }
  return ready;
}

const RUN_FROM = [
  ...['bin', 'build', 'dist', 'native/build', 'fixtures', 'configs', 'package.json', 'oclif.manifest.json', 'node_modules'],
  ...['src', 'plugins', 'test', 'tsconfig.json'],
];

function placeForCopy(): string {
  for (const base of ['/srv', '/opt', '/var/lib', homedir()]) {
    try {
      return mkdtempSync(join(base, 'tare-installed-'));
    } catch {
      // not ours to write to
    }
  }
  throw new Error(`an unprivileged user cannot run what lies in ${checkout}, and there is no place for a copy`);
}

function reachable(path: string): boolean {
  if (/^\/(?:var\/)?tmp\//.test(path)) return false;
  if (!isRoot) return true;
  for (let at = path; at !== '/'; at = dirname(at)) if ((statSync(at).mode & 0o001) === 0) return false;
  return true;
}

/** A program to test: that of the folder for worker nodes, which is what ships; TARE_BIN names another directory of programs, as the checkout's `bin`. */
export const bin = (name: 'tare' | 'tare-wrap'): string => join(reached(process.env.TARE_BIN ?? join(checkout, 'dist/tare/bin')), name);

/** A path of the checkout where everybody can reach it; any other path as it is. */
const reached = (path: string): string => (path.startsWith(`${checkout}/`) ? join(installed(), path.slice(checkout.length)) : path);

/** A payload program of fixtures/payloads. */
export const payload = (name: string): string => join(installed(), 'fixtures/payloads/build', name);

/** A program of the system, or null. */
export function program(name: string): string | null {
  for (const directory of ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin']) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not there
    }
  }
  return null;
}
