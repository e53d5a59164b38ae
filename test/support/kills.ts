/**
 * SIGKILL to a process of an engine's at a step of a job: what comes of it is told truly, once, and nothing is left. A step is reached for sure: the
 * wrapper pauses there (policy: debug.pauseAt), a program of the engine's waits there (apart.ts), or the payload does.
 */

import type {ChildProcess} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {boxesIn} from '../../src/box/state-read.js';
import {namesIn} from '../../src/record/durable.js';
import type {UsageRecord} from '../../src/record/record.js';
import type {Apart} from './apart.js';
import {isAt, killAll, type Swept} from './crash.js';
import {below, ending, processes, send, until, type ProcessEntry, type Site} from './tare.js';

/** Where the job is. */
export interface Step {
  name: string;
  /** Of the wrapper, or of a sweep. */
  pause?: string;
  /** A program of the engine's waits at this word. */
  hold?: string;
  /** The bridge does not answer an init that waits for it. */
  unanswered?: true;
  /** In place of a pause: this is seen on the way there. */
  seen?: (shim: number) => boolean;
  /** The payload is told to go on before. */
  ends?: true;
  /** The payload is never told to go on: a kill ends it. */
  stays?: true;
  /** The whole wrapper is killed before, and a sweep is at work. `spares`: not the victim; `stops`: nor does that see it. */
  sweep?: 'all' | 'spares' | 'stops';
}

/** What comes of the payload. */
export type End = 'lives' | 'never ran' | 'killed' | 'lost';

export interface Kill {
  victim: string;
  step: Step;
  /** What may come of it: several where the engine's own parts race with each other. */
  ends: readonly End[];
  /** The engine keeps something that no sweep can know of, at least until its daemon starts again. */
  kept?: true;
  /** Also in a usual run. */
  usual?: true;
}

/** An engine whose processes are killed. */
export interface Killed {
  name: string;
  apart: Apart;
  /** By name. `shim`: of the wrapper; `id`: of the box. */
  victims: Readonly<Record<string, (there: {shim: number; id: string}) => ProcessEntry | undefined>>;
  /** Stops for the time of a sweep's words to it. */
  daemon?: () => number;
  /** What of it was killed is there again. */
  restore?: () => Promise<void>;
  /** The daemon, ended and started. */
  again?: () => Promise<void>;
  /** What of boxes the engine has left. */
  left: () => string[];
}

/** Until its caller knows how a job ended after a kill, s. */
const BOUND = 60;
/** The payload: what it writes down is what is true of it. */
const SCRIPT = 'echo began >>told; echo ready; until test -e go; do sleep 0.05; done; echo ended >>told; exit 3';

/** One job, and what is killed of its engine. */
class Scene {
  private readonly site: Site;
  private readonly engine: Killed;
  private readonly step: Step;
  private child: ChildProcess | null = null;
  private said = '';
  /** The payload has written down that it began, before anything was killed. */
  private began = false;
  private over: ReturnType<typeof ending> | null = null;

  constructor(site: Site, engine: Killed, step: Step) {
    this.site = site;
    this.engine = engine;
    this.step = step;
  }

  private get shim(): number {
    return this.child?.pid ?? 0;
  }

  private get id(): string {
    const boxes = join(this.site.directory, 'state/boxes');
    return (namesIn(boxes)[0] ?? '').split('.')[0] ?? '';
  }

  private tare(argv: readonly string[], pause: string | undefined): ChildProcess {
    const {name, apart} = this.engine;
    const policy = this.site.policy({engines: [name], box: 'required', debug: {pauseAt: pause === undefined ? [] : [pause]}});
    const [command = '', ...rest] = argv;
    const sub = command === 'records' ? rest.splice(0, 1) : [];
    return apart.tare(this.site, [command, ...sub, '--policy', policy, ...rest]);
  }

  start(): void {
    const {hold, pause, sweep} = this.step;
    if (hold !== undefined) this.engine.apart.hold(hold);
    this.child = this.tare(['run', '--', '/bin/sh', '-c', SCRIPT], sweep === undefined ? pause : undefined);
    this.over = ending(this.child);
    this.child.stdout?.on('data', (text: string) => (this.said += text));
    this.child.stdin?.end();
  }

  /** Waits for something of the job, which is not to end before. */
  private async until<T>(what: string, look: () => T | null | undefined | false | 0): Promise<T> {
    const early = this.over?.then(({code, stderr}) => Promise.reject(new Error(`before ${what}: ended with ${String(code)}: ${stderr}`)));
    early?.catch(() => undefined);
    return Promise.race([until(what, look, 30), ...(early === undefined ? [] : [early])]);
  }

  private go(): void {
    writeFileSync(join(this.site.work, 'go'), '', {mode: 0o666});
  }

  /** Until the job is at the step. */
  async reach(): Promise<void> {
    const {name, hold, pause, unanswered, seen, ends, sweep} = this.step;
    const isEarly = ends === undefined && (hold !== undefined || pause !== undefined || seen !== undefined) && sweep === undefined;
    if (!isEarly) await this.until('the payload', () => this.said.includes('ready'));
    this.began = !isEarly;
    // a wrapper that is killed as a whole before it has noted the start cannot tell of one
    if (!isEarly) await this.until('the note of the start', () => boxesIn(join(this.site.directory, 'state'))[0]?.startEpochUs);
    if (ends === true) this.go();
    if (sweep !== undefined) return;
    if (hold !== undefined) await this.until(name, () => this.engine.apart.held());
    if (unanswered === true) {
      const bridge = below(this.shim).find(({comm}) => comm === 'tare-bridge')?.pid ?? 0;
      process.kill(bridge, 'SIGSTOP');
      this.engine.apart.release();
      await this.until('an init that waits for its bridge', () => connecting(this.id));
    }
    if (seen !== undefined) await this.until(name, () => seen(this.shim));
    else if (pause !== undefined) await this.until(pause, () => isAt(this.shim, pause));
  }

  /** SIGKILL, until it is gone. */
  async kill(victim: string): Promise<void> {
    const found = this.engine.victims[victim]?.({shim: this.shim, id: this.id});
    if (found === undefined) throw new Error(`${victim} is not there at ${this.step.name}`);
    send(found.pid, 'SIGKILL');
    await until(`the end of ${victim}`, () => !processes().some(({pid, state}) => pid === found.pid && state !== 'Z'));
  }

  /** What was stopped goes on, and a supervisor that pauses is followed by one that does not. */
  goOn(): void {
    this.engine.apart.release();
    for (const {pid, comm} of below(this.shim)) {
      if (comm === 'tare-bridge') send(pid, 'SIGCONT');
      if (comm.startsWith('@supervisor')) send(pid, 'SIGKILL');
    }
    if (this.step.stays !== true) this.go();
  }

  /** How the wrapper ended, in time. */
  async ended(): Promise<{code: number | null; stderr: string; took: number}> {
    const since = Date.now();
    const end = {over: false};
    this.over?.then(
      () => (end.over = true),
      () => undefined,
    );
    await until('the end of the wrapper', () => end.over, BOUND);
    const {code = null, stderr = ''} = (await this.over) ?? {};
    return {code, stderr, took: Date.now() - since};
  }

  /** The whole wrapper is killed; a sweep is at the step, the victim is killed, and the sweep with it where it pauses. */
  async sweepKilled(victim: string): Promise<void> {
    const {engine, shim, id} = this;
    const {name, hold, pause, sweep} = this.step;
    const daemon = pause === undefined ? engine.daemon?.() : undefined;
    const before = engine.victims[victim]?.({shim, id})?.pid;
    if (sweep === 'stops') send(before ?? 0, 'SIGSTOP');
    killAll(shim, sweep === 'all' ? [] : [before ?? 0]);
    await this.over;
    if (hold !== undefined) await until(name, () => engine.apart.held(), 30);
    if (daemon !== undefined) send(daemon, 'SIGSTOP');
    const child = this.tare(['records', 'sweep', '--json'], pause);
    const over = ending(child);
    if (pause !== undefined) await until(pause, () => isAt(child.pid ?? 0, pause), 30);
    else await until('what the daemon is told', () => processes().some(({argv}) => argv.includes('rm') && argv.includes(`tare-${id}`)), 30);
    const found = before ?? engine.victims[victim]?.({shim, id})?.pid;
    if (found === undefined) throw new Error(`${victim} is not there at ${this.step.name}`);
    send(found, 'SIGKILL');
    if (daemon !== undefined) send(daemon, 'SIGCONT');
    engine.apart.release();
    if (pause !== undefined) killAll(child.pid ?? 0);
    await over;
  }

  private async sweep(): Promise<Swept[]> {
    const child = this.tare(['records', 'sweep', '--json'], undefined);
    child.stdin?.end();
    const {stdout} = await ending(child);
    return (JSON.parse(stdout) as Swept[]).filter(({recordId}) => recordId !== null);
  }

  /** Nothing is left of box and engine, after a sweep at the most, or two where what was killed has to be there again. */
  async nothingLeft(isKept: boolean): Promise<string[]> {
    const said: string[] = [];
    const sweepAndLook = async (): Promise<boolean> => {
      const swept = await this.sweep();
      said.push(...swept.map(({result, message}) => `${result}: ${message}`));
      return !swept.some(({result}) => result === 'left');
    };
    const clean = await sweepAndLook();
    if (!clean) {
      expect(said.join('\n'), 'what is left is named').to.include(this.id);
      await this.engine.restore?.();
      expect(await sweepAndLook(), said.join('\n')).to.equal(true);
    }
    await this.engine.restore?.();
    if (isKept) await this.engine.again?.();
    const left = (): string[] => [...this.site.leftovers(), ...this.engine.apart.mounts([this.site.directory]), ...this.engine.left()];
    await until('nothing to be left', () => left().length === 0, 15).catch(() => {
      expect(left(), said.join('\n')).to.deep.equal([]);
    });
    return said;
  }

  /** The only record, and that it says what is true of the payload. */
  async truth(): Promise<{record: UsageRecord; end: End}> {
    const records = this.site.records();
    expect(records.map(({state}) => state)).to.have.length(1);
    const [record] = records as [UsageRecord];
    const {outcome, time, usage} = record;
    const file = join(this.site.work, 'told');
    const told = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const what = JSON.stringify([outcome, time, told]);
    for (const figure of [usage.cpuUserUs, usage.cpuSystemUs, usage.memPeakBytes, time.wallUs]) expect(figure ?? 0, what).to.be.at.least(0);
    const verified = await ending(this.tare(['records', 'verify'], undefined));
    expect(verified, verified.stderr).to.include({code: 0, stdout: '1 records, 0 wrong\n'});
    const end = endOf(record);
    if (end === 'never ran') expect([told, time.startEpochUs], what).to.deep.equal(['', null]);
    // a payload that is killed has been executed by its time, and need not have come to its first line
    else {
      const isTrue = told.startsWith('began\n') || (told === '' && end === 'killed' && !this.began);
      expect([isTrue, typeof time.startEpochUs], what).to.deep.equal([true, 'number']);
    }
    if (end === 'lives') expect(told, what).to.equal('began\nended\n');
    return {record, end};
  }

  /** What a test that failed has left. */
  clear(): void {
    this.engine.apart.release();
    for (const {pid} of below(this.shim)) send(pid, 'SIGKILL');
    for (const {pid, argv} of processes())
      if (pid !== process.pid && argv.some((word) => word.includes(this.site.directory))) send(pid, 'SIGKILL');
  }
}

/** What is process 1 of a box and waits for its bridge. */
const connecting = (id: string): ProcessEntry | undefined =>
  processes().find(({pid, argv}) => {
    try {
      return argv[1] === 'tare-connect' && readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8').includes(id);
    } catch {
      return false; // gone
    }
  });

/** What a record says of its payload. @throws AssertionError for one that says nothing of the kind */
function endOf({state, outcome, time}: UsageRecord): End {
  if (state === 'lost') return 'lost';
  expect(state).to.equal('final');
  if (outcome.status === 'failed') {
    expect(outcome.exitCode).to.equal(3);
    return 'lives';
  }
  expect([outcome.status, typeof outcome.reason], JSON.stringify(outcome)).to.deep.equal(['wrapper-failure', 'string']);
  return time.startEpochUs === null ? 'never ran' : 'killed';
}

/** What the caller is told. */
const CODES: Readonly<Record<End, readonly (number | null)[]>> = {lives: [3], 'never ran': [125], killed: [null, 125], lost: [null]};

/** One kill, and all that is true afterwards. */
export async function survives(site: Site, engine: Killed, {victim, step, ends, kept}: Kill): Promise<void> {
  const scene = new Scene(site, engine, step);
  try {
    scene.start();
    await scene.reach();
    const outcome: {code: number | null; stderr: string; took: number} = {code: null, stderr: '', took: 0};
    if (step.sweep !== undefined) await scene.sweepKilled(victim);
    else {
      await scene.kill(victim);
      scene.goOn();
      Object.assign(outcome, await scene.ended());
    }
    const {end: first} = step.sweep !== undefined ? {end: null} : await scene.truth();
    const said = await scene.nothingLeft(kept === true);
    const {record, end} = await scene.truth();
    if (process.env.TARE_TEST_PROGRESS === '1')
      console.log(JSON.stringify([engine.name, victim, step.name, end, outcome, record.outcome.reason, record.flags, said]));
    expect(first ?? end, 'a sweep changes no record that is final').to.equal(end);
    expect(ends, JSON.stringify(record.outcome)).to.include(end);
    expect(CODES[end], outcome.stderr).to.include(outcome.code);
  } finally {
    scene.clear();
    await engine.restore?.();
    if (engine.left().length > 0) await engine.again?.();
  }
}

/** Steps that each engine has. */
export const READY: Step = {name: 'init has connected', pause: 'supervisor-ready'};
export const RUNNING: Step = {name: 'the payload runs'};
export const ENDED: Step = {name: 'the payload has ended', ends: true, pause: 'supervisor-ended'};
export const REMOVED: Step = {name: 'the box is removed', ends: true, pause: 'supervisor-removed'};

/** Each of them killed at a step. */
export const all = (step: Step, victims: readonly string[], ends: readonly End[]): Kill[] =>
  victims.map((victim) => ({victim, step, ends}));

/** Also in a usual run. */
export const usually = (kills: readonly Kill[]): Kill[] => kills.map((one) => ({...one, usual: true}));
/** The engine keeps something. */
export const kept = (kills: readonly Kill[]): Kill[] => kills.map((one) => ({...one, kept: true}));
