/** Boxes of one engine, pattern and role, for the checks: what is asked in the words of the pattern, and how it ended. */

import {execFileSync, type ChildProcess, type StdioOptions} from 'node:child_process';
import {chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Engine, EnginePattern} from '@tare/contract';
import type {UsageRecord} from '../../src/record/record.js';
import type {JobDocument} from '../../src/schema/generated/job-1.js';
import {BUSYBOX, busyboxImage} from '../support/machine.js';
import {patience} from '../support/pace.js';
import {bin, installed, isRoot, payload, until, type Role, type RunOutput, type Site} from '../support/tare.js';
import {NotClaimed} from './check.js';

/** What a payload is, and what it is given. */
export interface Ask extends Pick<JobDocument, 'limits' | 'network' | 'workDirectory' | 'environment' | 'cvmfs' | 'name'> {
  /** Of /bin/sh: dash, or BusyBox's. */
  script?: string;
  /** In place of a script. */
  command?: readonly string[];
  /** In place of both: several, each by itself, whose outputs are not looked at. */
  applications?: JobDocument['applications'];
  /** Behind the policy of the bench. */
  policy?: object;
  input?: string | Buffer;
  env?: Record<string, string>;
  stdio?: StdioOptions;
  /** The wrapper's argv becomes this: another program starts it. */
  via?: (argv: readonly string[]) => readonly string[];
  /** Leads a process group of its own. */
  detached?: true;
}

/** How it ended. Outputs are the payload's, byte for byte: with several applications, those of its files. */
export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: Buffer;
  stdout: string;
  stderr: string;
  /** What the wrapper itself has said. */
  said: string;
  record: UsageRecord;
  /** From the call to the end of all that holds its outputs, ms. */
  took: number;
}

/** A box that has been started. */
export interface Live {
  child: ChildProcess;
  /** Of the wrapper. */
  pid: number;
  ended: Promise<Ran>;
  /** What the payload has written so far. */
  said: () => string;
}

const UNAVAILABLE = 'BOX_UNAVAILABLE';
/** Checks without which an engine's small machines are asked for less. */
const [SERVICES, NODES_NETWORK] = ['services in the record', 'network of the node'];
/** In the job of several applications; its outputs go to files of this name. */
const APPLICATION = 'one';
/** What a payload writes when a check may go on. */
const READY = 'ready';
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

export class Bench {
  readonly engine: Engine;
  readonly pattern: EnginePattern;
  readonly role: Role;
  readonly site: Site;
  /** Of the engine, as the last record has it. */
  version: string | null = null;
  private count = 0;

  constructor(engine: Engine, pattern: EnginePattern, {role, site}: {role: Role; site: Site}) {
    this.engine = engine;
    this.pattern = pattern;
    this.role = role;
    this.site = site;
  }

  /** The account of the payload. */
  get uid(): number {
    return this.site.credentials.uid ?? (isRoot ? 65_534 : (process.getuid?.() ?? 0));
  }

  /** Of the small machine; made when it is first asked for. */
  get image(): string {
    const image = join(this.site.directory, 'image');
    if (existsSync(image)) return image;
    busyboxImage(image);
    const applets = execFileSync(BUSYBOX, ['--list'], {encoding: 'utf8'}).trim().split('\n');
    for (const name of applets) {
      const path = join(image, 'bin', name);
      if (name !== 'busybox' && !existsSync(path)) symlinkSync('/bin/busybox', path);
    }
    const payloads = join(installed(), 'fixtures/payloads/build');
    for (const name of readdirSync(payloads).filter((each) => existsSync(join(installed(), 'fixtures/payloads', `${each}.c`))))
      copyFileSync(join(payloads, name), join(image, 'bin', name));
    return image;
  }

  /** A program of fixtures/payloads, where the payload finds it. */
  payload(name: string): string {
    return this.pattern === 'vm-lite' ? `/bin/${name}` : payload(name);
  }

  /** BusyBox, where the payload finds it. */
  get busybox(): string {
    return this.pattern === 'vm-lite' ? '/bin/busybox' : BUSYBOX;
  }

  /** A file with the policy that lists this engine alone. */
  policy(more: object = {}): string {
    const images = this.pattern === 'vm-lite' ? [this.image] : [];
    return this.site.policy({
      ...{engines: [this.engine.name], box: 'required', images, services: {within: `${String(patience(60))}s`}},
      ...more,
    });
  }

  /** The job, as the pattern has it. */
  document({script, command = ['/bin/sh', '-c', script ?? 'true'], ...ask}: Ask): object {
    const {limits, network, workDirectory, environment, cvmfs, name} = ask;
    const given = Object.entries({limits, network, workDirectory, environment, cvmfs, name}).filter(([, value]) => value !== undefined);
    const common = {pattern: this.pattern, ...Object.fromEntries(given)};
    if (ask.applications !== undefined) return {...common, applications: ask.applications, onFailure: 'continue', output: 'files'};
    if (this.pattern === 'ulimit++') return {...common, command};
    if (this.pattern === 'quotas++')
      return {...common, applications: [{name: APPLICATION, command}], primary: APPLICATION, output: 'files'};
    const {unclaimed = {}} = this.engine.words;
    const services = SERVICES in unclaimed ? {} : {services: [{name: 'idle', command: ['/bin/sleep', '86400']}]};
    const identity = NODES_NETWORK in unclaimed && network === undefined ? {identity: {address: 'none'}} : {};
    return {...common, image: this.image, ...services, ...identity, command};
  }

  /** To its end. @throws NotClaimed where the engine says beforehand that it cannot */
  async run(ask: Ask): Promise<Ran> {
    const ran = await this.start(ask).ended;
    if (ran.record.outcome.code === UNAVAILABLE) await this.refused(ask, ran);
    this.built(ran);
    return ran;
  }

  /** A box of this engine was what it ran in. */
  protected built({said, record: {mode, pattern, engine}}: Ran): void {
    expect([mode, pattern, engine?.name], said).to.deep.equal(['box', this.pattern, this.engine.name]);
    this.version = engine?.version ?? null;
  }

  /** Started, and not awaited. */
  start(ask: Ask, policy = this.policy(ask.policy)): Live {
    const {directory, work} = this.site;
    const record = join(directory, 'spool', `copy-${String(this.count++)}.json`);
    const fileOf = (stream: 'out' | 'err'): string => join(ask.workDirectory ?? work, `${APPLICATION}.${stream}`);
    for (const stream of ['out', 'err'] as const) rmSync(fileOf(stream), {force: true});
    const words = [bin('tare'), 'run', '--policy', policy, '--record', record, this.site.job(this.document(ask))];
    const began = Date.now();
    const child = this.site.spawn(ask.via?.(words) ?? words, {
      ...{cwd: work, env: {PATH, ...ask.env}, stdio: ask.stdio ?? ['pipe', 'pipe', 'pipe']},
      detached: ask.detached === true,
    });
    child.stdin?.on('error', () => undefined).end(ask.input ?? ''); // who has no standard input does not read it
    const [out, err] = [child.stdout, child.stderr].map((stream) => {
      const parts: Buffer[] = [];
      stream?.on('data', (part: Buffer) => parts.push(part));
      return () => Buffer.concat(parts);
    }) as [() => Buffer, () => Buffer];
    const written = (stream: 'out' | 'err'): Buffer => {
      if (this.pattern !== 'quotas++') return stream === 'out' ? out() : err();
      return existsSync(fileOf(stream)) ? readFileSync(fileOf(stream)) : Buffer.alloc(0);
    };
    const ended = new Promise<Ran>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        const said = err().toString();
        if (!existsSync(record)) {
          reject(new Error(`no record; exit ${String(code)} ${String(signal)}: ${said}`));
          return;
        }
        const text = readFileSync(record, 'utf8');
        rmSync(record);
        resolve({
          ...{code, signal, said, out: written('out'), stdout: written('out').toString(), stderr: written('err').toString()},
          ...{record: JSON.parse(text) as UsageRecord, took: Date.now() - began},
        });
      });
    });
    ended.catch(() => undefined); // who waits for it sees it
    return {child, pid: child.pid ?? 0, ended, said: () => written('out').toString()};
  }

  /** The raw wait status of the wrapper: JavaScript has no name for real-time signals, and does not tell of a core. */
  async status(ask: Ask): Promise<number> {
    const own = join(this.site.directory, 'own');
    if (!existsSync(own)) {
      mkdirSync(own);
      this.site.give(own);
      chmodSync(own, 0o755);
    }
    const file = join(own, `status-${String(this.count++)}`);
    await this.start({...ask, via: (argv) => [payload('caller'), '--status', file, '--', ...argv]}).ended;
    return Number(readFileSync(file, 'utf8'));
  }

  /** A box whose payload has written `ready`. */
  async live(ask: Ask, policy?: string): Promise<Live> {
    const live = this.start(ask, policy);
    const over: string[] = [];
    live.ended.then(
      ({said, record: {outcome}}) => over.push(`${outcome.reason ?? outcome.status}: ${said}`),
      (error: unknown) => over.push(String(error)),
    );
    await until('the payload to be ready', () => live.said().includes(READY) || over.length > 0, 60);
    if (!live.said().includes(READY)) throw new Error(`it ended before its payload was ready: ${over.join('')}`);
    return live;
  }

  /** The id of the only live box. */
  id(): string {
    const [id = '', ...others] = readdirSync(join(this.site.directory, 'state/boxes')).filter((name) => /^[0-9a-f]+$/.test(name));
    expect(others).to.deep.equal([]);
    return id;
  }

  /** `tare ARGV` of the same account. */
  tare(policy: string, [command = '', ...argv]: readonly string[]): Promise<Omit<RunOutput, 'record'>> {
    return this.site.command([command, '--policy', policy, ...argv]);
  }

  /** Why `tare plan` refuses such a job; null: it does not. */
  async refusal(ask: Ask): Promise<string | null> {
    const {code, stderr} = await this.site.command(['plan', '--policy', this.policy(ask.policy), this.site.job(this.document(ask))]);
    if (code === 0) return null;
    const [, reason = stderr.trim()] = new RegExp(`the box cannot be built: (?:${this.engine.name} )?([^\\n;]+)`).exec(stderr) ?? [];
    return reason;
  }

  /** What the plan refuses is not claimed; what fails later is a failure. */
  private async refused(ask: Ask, {said}: Ran): Promise<never> {
    const reason = await this.refusal(ask);
    if (reason === null) throw new Error(`the plan promises it, and then: ${said}`);
    throw new NotClaimed(reason);
  }
}
