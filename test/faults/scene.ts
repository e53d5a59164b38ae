/** One job with a site of its own, its processes, and where it has come. */

import {spawn, type ChildProcess} from 'node:child_process';
import {chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxImage} from '../support/machine.js';
import {SUPERVISORS} from '../support/name-service.js';
import {patience} from '../support/pace.js';
import {ending, Site} from '../support/tare.js';
import type {Harm, Way} from './fault.js';
import {slotOf} from './slot.js';

export type Part = 'shim' | 'supervisor' | 'engine' | 'init' | 'keeper' | 'payload';

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** How long a part is waited for: a fault that comes too late is none, and says so. */
const PART_MS = 8000;

export class Scene {
  readonly site: Site;
  readonly way: Way;
  /** What a launch of such a job takes here, ms. */
  readonly launchMs: number;
  /** Ids of its boxes, as far as they were seen. */
  readonly boxes = new Set<string>();
  /** What the fault did, for its failure. */
  readonly said: string[] = [];
  /** The policy's, for what a kind adds. */
  policyExtra: object = {};
  policyFile = '';
  /** Of the job; a kind may choose another. */
  workDirectory: string;
  ended: Ending | null = null;
  private child: ChildProcess | null = null;
  private stdout = '';
  private tellBegun = (): void => undefined;
  /** When the payload has begun, or will not any more. */
  private readonly begun = new Promise<void>((resolve) => {
    this.tellBegun = resolve;
  });

  constructor(way: Way, launchMs: number) {
    this.site = new Site(way.role);
    this.way = way;
    this.launchMs = launchMs;
    this.workDirectory = this.site.work;
  }

  get shim(): number {
    return this.child?.pid ?? 0;
  }

  /** The payload has begun; it has come to its end. Through a pipe, since its disk may be what fails. */
  get hasBegun(): boolean {
    return /\bbegun\b/.test(this.stdout);
  }
  get isDone(): boolean {
    return /\bdone\b/.test(this.stdout);
  }

  inSite(name: string): string {
    return join(this.site.directory, name);
  }

  /** Starts the job. */
  start(harm: Harm): Promise<Ending> {
    const programs = harm.supervisorPrefix === undefined ? SUPERVISORS[this.way.supervisor] : this.programs(harm.supervisorPrefix);
    const {mode, pattern} = this.way;
    const machine = pattern === 'vm-lite' ? {images: [`${this.site.directory}/*`], services: {within: `${String(patience(60))}s`}} : {};
    this.policyFile = this.site.policy({mode, ...machine, ...this.policyExtra});
    const argv = [...(harm.prefix?.(this) ?? []), join(programs, 'tare'), 'run', '--policy', this.policyFile, this.job()];
    const env = {...process.env, ...slotOf(this)};
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      cwd: this.site.work,
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
      ...this.site.credentials,
    });
    this.child = child;
    child.stdout.on('data', (text: Buffer) => {
      this.stdout += text.toString();
      if (this.hasBegun) this.tellBegun();
    });
    return ending(child).then((ended) => {
      this.tellBegun();
      return (this.ended = ended);
    });
  }

  /** Its descriptor: a child beside the shell, and an end that the shell chooses. */
  private job(): string {
    const {pattern, payload} = this.way;
    const seconds = (payload.ms / 1000).toFixed(3);
    const script = `echo begun; sleep ${seconds} & wait $!; echo done; exit ${String(payload.exit)}`;
    const command = ['/bin/sh', '-c', script];
    const what =
      pattern === 'ulimit++'
        ? {command}
        : pattern === 'vm-lite'
          ? {image: this.image(), services: [{name: 'service', command: ['/bin/sleep', '1000']}], network: 'none', command}
          : {
              applications: [
                {name: 'one', command},
                {name: 'two', command: ['/bin/sleep', seconds]},
              ],
            };
    return this.site.job({pattern, workDirectory: this.workDirectory, ...what});
  }

  private image(): string {
    return busyboxImage(this.inSite('image'), {init: false});
  }

  /** A folder of programs in which each supervisor is started with words before it, and counted. */
  private programs(prefix: readonly string[]): string {
    const folder = this.inSite('programs');
    const of = SUPERVISORS[this.way.supervisor];
    const shim = this.way.supervisor === 'folder' ? of : join(of, '../native/build');
    const lines = readFileSync(join(shim, 'tare.supervisor'), 'utf8').split('\n');
    const [interpreter = '', ...scripts] = lines.map((line) => (line === '' || line.startsWith('/') ? line : join(shim, line)));
    mkdirSync(folder);
    copyFileSync(join(shim, 'tare'), join(folder, 'tare'));
    const supervisors = this.inSite('supervisors');
    writeFileSync(supervisors, '');
    chmodSync(supervisors, 0o666);
    const traced = join(folder, 'supervisor');
    writeFileSync(traced, `#!/bin/sh\necho >>'${supervisors}'\nexec ${prefix.join(' ')} '${interpreter}' "$@"\n`);
    writeFileSync(join(folder, 'tare.supervisor'), [traced, ...scripts].join('\n'));
    for (const file of ['tare', 'supervisor']) chmodSync(join(folder, file), 0o755);
    return folder;
  }

  /** How many supervisors were started, where a kind counts them. */
  get supervisors(): number {
    try {
      return readFileSync(this.inSite('supervisors'), 'latin1').length;
    } catch {
      return 0;
    }
  }

  /** A time in the job's life: from its start on in parts of a launch; -1: when its payload has begun. */
  async until(moment: number): Promise<void> {
    if (moment >= 0) return sleep(moment * this.launchMs);
    // told by an event: on a busy machine the payload is over before a look at intervals has seen it
    await this.begun;
  }

  /** The number of a part, as soon as it is there; null: it never was. */
  async part(part: Part): Promise<number | null> {
    const pid = await this.waitFor(() => partsOf(this.shim)[part] ?? null);
    if (pid === null) this.said.push(`there was no ${part}`);
    return pid;
  }

  private async waitFor<T>(look: () => T | null): Promise<T | null> {
    for (const end = Date.now() + patience(PART_MS); this.ended === null && Date.now() < end; await sleep(4)) {
      const found = look();
      if (found !== null) return found;
    }
    return null;
  }

  /** Notes which boxes there are. */
  look(): void {
    try {
      for (const name of readdirSync(this.inSite('state/boxes'))) this.boxes.add(name.split('.')[0] ?? name);
    } catch {
      // none yet, or the fault took the folder
    }
  }

  kill(): void {
    for (const pid of familyOf(this.shim)) signal(pid, 'SIGKILL');
  }
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export function signal(pid: number, name: NodeJS.Signals | number): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false; // gone
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** proc_pid_task(5): those of all its threads. */
const childrenOf = (pid: number): number[] => {
  let threads: string[] = [];
  try {
    threads = readdirSync(`/proc/${String(pid)}/task`);
  } catch {
    // gone
  }
  return threads.flatMap((thread) =>
    read(`/proc/${String(pid)}/task/${thread}/children`)
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
};

/** A process and all below it. */
function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}

function partsOf(shim: number): Partial<Record<Part, number>> {
  const parts: Partial<Record<Part, number>> = {shim};
  for (const child of childrenOf(shim)) {
    const argv = read(`/proc/${String(child)}/cmdline`).split('\0');
    const isTracer = argv[0]?.endsWith('strace') === true;
    // not what traces it
    if (argv.some((word) => word.startsWith('@shim='))) {
      if (!isTracer && !/(?:^|\/)sh$/.test(argv[0] ?? '')) parts.supervisor ??= child;
    } else if (!isTracer) parts.engine ??= child;
  }
  if (parts.engine === undefined) return parts;
  const child = parts.engine;
  // without an engine the shim's child becomes init itself
  const isInit = read(`/proc/${String(child)}/cmdline`)
    .split('\0')
    .includes('tare-init');
  if (isInit) delete parts.engine;
  const init = isInit ? child : childrenOf(child)[0];
  if (init === undefined) return parts;
  parts.init = init;
  const below = childrenOf(init);
  const isKeeper = (pid: number): boolean =>
    childrenOf(pid).some((child) => /^(?:sh|sleep)$/.test(read(`/proc/${String(child)}/comm`).trim()));
  const isShell = (pid: number): boolean => read(`/proc/${String(pid)}/comm`).trim() === 'sh';
  const keeper = below.find((pid) => !isShell(pid) && isKeeper(pid));
  const payload = [...below, ...below.flatMap(childrenOf)].find(isShell);
  return {...parts, ...(keeper === undefined ? {} : {keeper}), ...(payload === undefined ? {} : {payload})};
}
