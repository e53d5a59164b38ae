/** One fault, from a fresh site to a judged and removed one. */

import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, utimesSync} from 'node:fs';
import {basename, join} from 'node:path';
import {succeeds} from '../../src/errors.js';
import type {UsageRecord} from '../../src/record/record.js';
import {HIERARCHY} from '../support/groups.js';
import {BUSYBOX} from '../support/machine.js';
import {patience} from '../support/pace.js';
import {isRoot, program} from '../support/tare.js';
import {classify, leftOf, mayNeedSweep, records} from './checks.js';
import type {Fault, Need} from './fault.js';
import {Scene, sleep} from './scene.js';

/** A launch may take 60 s, and what waits for the kernel 30 more; a loaded machine is slower. */
const HANGS_S = 130;
/** For what dies to be dead. */
const GONE_S = 10;

/** Whether test/support/slow-fuse.py can run. */
const hasPythonFuse = (): boolean => succeeds(() => execFileSync('/usr/bin/python3', ['-c', 'import fuse'], {stdio: 'ignore'}));

const HAVE: Readonly<Record<Need, () => boolean>> = {
  root: () => isRoot,
  strace: () => program('strace') !== null,
  fuse: () => (program('fusermount') ?? program('fusermount3')) !== null && hasPythonFuse(),
  'a runtime and busybox': () => existsSync(BUSYBOX) && (program('crun') ?? program('runc')) !== null,
  'groups of memory': () => isRoot && (HIERARCHY === 'cgroup2' || existsSync('/sys/fs/cgroup/memory')),
};

export interface Met {
  result: 'held' | 'failed' | 'skipped';
  /** Whether a sweep had to finish it. */
  swept: boolean;
  /** What the fault came to, for counts: the outcome of the record. */
  outcome: string;
  wrong: string[];
  /** What the fault did not come to do. */
  said: string[];
  ms: number;
}

const live = new Set<Scene>();

/** Ends all that runs, when the program is ended. */
export function abandon(): void {
  for (const scene of live) {
    scene.kill();
    dispose(scene);
  }
}

export async function meet(fault: Fault, launchMs: number): Promise<Met> {
  const start = performance.now();
  const {harm, way} = fault;
  const met = (result: Met['result'], more: Partial<Met> = {}): Met => ({
    ...{result, swept: false, outcome: 'none', wrong: [], said: [], ms: performance.now() - start},
    ...more,
  });
  const needs: readonly Need[] = [...(harm.needs ?? []), ...(way.pattern === 'vm-lite' ? (['a runtime and busybox'] as const) : [])];
  const lacking = needs.find((need) => !HAVE[need]());
  if (lacking !== undefined && process.env.TARE_MUST_WORK === '1')
    return met('failed', {wrong: [`TARE_MUST_WORK is set, but there is no ${lacking}`]});
  if (lacking !== undefined || (way.role === 'root' && !isRoot)) return met('skipped', {outcome: lacking ?? 'root'});
  const scene = new Scene(way, launchMs);
  live.add(scene);
  try {
    await harm.before?.(scene);
    const ending = scene.start(harm);
    const looking = setInterval(() => {
      scene.look();
    }, 50);
    const during = harm.during?.(scene).catch((error: unknown) => {
      scene.said.push(String(error));
    });
    const isOver = await within(Promise.all([ending, during]), patience(HANGS_S) * 1000);
    clearInterval(looking);
    if (!isOver) {
      const wrong = [`no end after ${String(patience(HANGS_S))} s`, ...said(scene)];
      scene.kill();
      await within(ending, 10_000);
      await harm.after?.(scene);
      return met('failed', {wrong});
    }
    await harm.after?.(scene);
    return met('held', {...(await judged(scene, fault)), said: scene.said});
  } finally {
    dispose(scene);
  }
}

async function judged(scene: Scene, {harm}: Fault): Promise<Partial<Met>> {
  let {all} = records(scene.inSite('spool'));
  const isOpen = (): boolean => all.some(({state}) => state === 'started') || leftOf(scene).length > 0;
  for (let tries = 0; isOpen() && tries < 20; tries++) {
    await sleep(Math.min(5 * 2 ** tries, 200));
    ({all} = records(scene.inSite('spool')));
    if (all.some(({flags}) => flags.includes('left-behind'))) break;
    if (tries > 4 && mayNeedSweep(scene, harm, all)) break;
  }
  const swept = isOpen();
  const wrong: string[] = [];
  if (swept && !mayNeedSweep(scene, harm, all))
    wrong.push(
      `left without a word: ${[...all.filter(({state}) => state === 'started').map(() => 'a record that is started'), ...leftOf(scene).map(withNames)].join(', ')}`,
    );
  for (const end = Date.now() + patience(GONE_S) * 1000; isOpen() && Date.now() < end; await sleep(100)) {
    age(scene);
    await scene.site.command(['records', 'sweep', '--policy', scene.policyFile]);
    ({all} = records(scene.inSite('spool')));
  }
  const left = leftOf(scene);
  if (left.length > 0) wrong.push(`a sweep leaves ${left.join(', ')}`);
  wrong.push(...records(scene.inSite('spool')).wrong, ...classify(scene, harm, all));
  const [record] = all;
  return {
    result: wrong.length === 0 ? 'held' : 'failed',
    swept,
    outcome: record?.outcome.status ?? `none, exit ${String(scene.ended?.code)}`,
    wrong: wrong.length === 0 ? [] : [...wrong, ...said(scene), ...all.map(summaryOf)],
  };
}

/** A folder, with what is in it. */
function withNames(path: string): string {
  try {
    return `${path} (${readdirSync(path).join(' ') || 'empty'})`;
  } catch {
    return path;
  }
}

const summaryOf = ({state, payload, outcome, flags, time, lrms}: UsageRecord): string =>
  `${state} ${payload.name ?? ''} ${String(payload.index)} ${lrms.globalJobId} ${String(time.startEpochUs)} ${JSON.stringify(outcome)} ${flags.join(' ')}`;

const said = ({said: words, ended, supervisors, hasBegun, isDone}: Scene): string[] => [
  ...words,
  `${ended === null ? 'not ended' : (ended.signal ?? `exit ${String(ended.code)}`)}, supervisors ${String(supervisors)}, begun ${String(hasBegun)}, done ${String(isDone)}`,
  ...(ended === null ? [] : [`stderr: ${ended.stderr.slice(0, 600).trim()}`]),
];

/**
 * What a sweep leaves alone for a minute, as it may be under way: a folder that a supervisor was killed over before it had written its
 * state, and one in which an overlay was tried out. The minute is over.
 */
function age(scene: Scene): void {
  const before = Date.now() / 1000 - 120;
  const [boxes, scratch] = [scene.inSite('state/boxes'), scene.inSite('scratch')];
  const inside = (directory: string): string[] =>
    existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  const halfMade = inside(boxes).filter((box) => !existsSync(join(box, 'box.json')));
  const trials = inside(scratch).filter((path) => basename(path).startsWith('.tare-trial-'));
  for (const path of [...halfMade, ...trials]) utimesSync(path, before, before);
}

async function within(what: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, ms);
  });
  const isOver = await Promise.race([what.then(() => true as const), late]);
  clearTimeout(timer);
  return isOver;
}

function dispose(scene: Scene): void {
  live.delete(scene);
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(`${scene.site.directory}/`));
  for (const point of points.reverse()) execFileSync('umount', ['-l', point]);
  scene.site.remove();
}
