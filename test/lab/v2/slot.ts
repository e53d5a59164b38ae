/** A slot as HTCondor makes it since 24.8 (`X.slice` is the job's user's, the job starts in `X.slice/X.scope`), on a machine of pure v2. */

import {spawn, type ChildProcess} from 'node:child_process';
import {chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import type {Site} from '../../support/tare.js';
import {bin, ending, isRoot, until} from '../../support/tare.js';

// on disk: page cache of a file in memory cannot be dropped, and is no input or output
process.env.TMPDIR = '/var/tmp';

const ROOT = '/sys/fs/cgroup';
const NOBODY = 65534;
const CONTROLLERS = '+memory +pids +cpu +io';

/** Fails clearly on any other machine. */
export function needPureV2(): void {
  if (!isRoot) throw new Error('the slots of these tests are made by root');
  const filesystems = readFileSync('/proc/self/mountinfo', 'utf8').matchAll(/ - (cgroup2?) /g);
  const found = [...new Set([...filesystems].map(([, type]) => type))];
  const controllers = existsSync(`${ROOT}/cgroup.controllers`) ? readFileSync(`${ROOT}/cgroup.controllers`, 'utf8').trim() : '';
  if (found.join() !== 'cgroup2' || !controllers.split(' ').includes('memory'))
    throw new Error(
      `this node is not pure cgroup v2: found ${found.join(', ') || 'no control groups'} (${controllers || 'no controllers'})`,
    );
}

export interface Ran {
  record: UsageRecord;
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

let count = 0;

export class Slot {
  readonly directory: string;
  readonly site: Site;
  private readonly owned: boolean;

  /** @param limits file and value, for instance `{'memory.max': '500M'}` */
  constructor(site: Site, limits: Readonly<Record<string, string>> = {}) {
    this.site = site;
    this.owned = site.role === 'user';
    this.directory = join(ROOT, `slot${String(++count)}.slice`);
    writeFileSync(`${ROOT}/cgroup.subtree_control`, CONTROLLERS);
    mkdirSync(this.directory);
    for (const [file, value] of Object.entries(limits)) writeFileSync(join(this.directory, file), value);
    writeFileSync(join(this.directory, 'cgroup.subtree_control'), CONTROLLERS);
    if (this.owned)
      for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control']) chownSync(join(this.directory, file), NOBODY, NOBODY);
  }

  /** `tare run ARGV` in a scope of its own of the slot, as the role's user. */
  start(argv: readonly string[], policy: object = {}): {child: ChildProcess; recordFile: string} {
    const name = `job${String(++count)}`;
    const scope = join(this.directory, `${name}.scope`);
    mkdirSync(scope);
    const recordFile = join(this.site.directory, 'spool', `copy-${name}.json`);
    const as = this.owned ? ['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'] : [];
    const command = [...as, bin('tare'), 'run', '--policy', this.site.policy(policy), '--record', recordFile, ...argv];
    const join_ = 'echo $$ > "$0/cgroup.procs" && exec "$@"';
    const child = spawn('/bin/sh', ['-c', join_, scope, ...command], {cwd: this.site.work, stdio: ['ignore', 'pipe', 'pipe']});
    return {child, recordFile};
  }

  async run(argv: readonly string[], policy: object = {}): Promise<Ran> {
    return this.end(this.start(argv, policy));
  }

  async end({child, recordFile}: {child: ChildProcess; recordFile: string}): Promise<Ran> {
    const {code, signal, stdout, stderr} = await ending(child);
    if (!existsSync(recordFile)) throw new Error(`no record; exit ${String(code)} ${String(signal)}\n${stdout}\n${stderr}`);
    return {record: JSON.parse(readFileSync(recordFile, 'utf8')) as UsageRecord, code, signal, stdout, stderr};
  }

  /** The payload's group of the only box in the slot, once it has processes. */
  payload(): Promise<string> {
    return until(
      'a payload',
      () => {
        const box = readdirSync(this.directory).find((name) => name.startsWith('tare-'));
        if (box === undefined) return null;
        const payload = join(this.directory, box, 'payload');
        return existsSync(payload) && readFileSync(join(payload, 'cgroup.events'), 'utf8').includes('populated 1') ? payload : null;
      },
      60,
    );
  }

  /** All in it stands still when this ends (the kernel's admin-guide/cgroup-v2, cgroup.freeze): a busy machine takes a while. */
  async freeze(): Promise<void> {
    writeFileSync(join(this.directory, 'cgroup.freeze'), '1');
    await until('a frozen slot', () => this.read('cgroup.events').includes('frozen 1'));
  }

  thaw(): void {
    writeFileSync(join(this.directory, 'cgroup.freeze'), '0');
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), 'utf8');
  }

  async remove(): Promise<void> {
    for (const name of readdirSync(this.directory)) {
      const scope = join(this.directory, name);
      if (name.endsWith('.scope'))
        await until(`an empty ${scope}`, () => {
          rmdirSync(scope);
          return true;
        });
    }
    rmdirSync(this.directory);
  }
}
