/**
 * A box that is only tried, as the account that runs this: with its own directories, its policy and its slot. Its record is written to a
 * folder of its own, read from there, and removed; it is in no spool, is not counted and not exported.
 */

import {closeSync, constants, fsyncSync, openSync, rmSync, statSync, unlinkSync, writeSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {randomName} from '../builtin.js';
import {applyRules} from '../policy/match.js';
import {placesOf} from '../policy/places.js';
import {ENFORCED_NAMES, type EnforcedName, type Enforcement, type Policy, type Setting} from '../policy/policy.js';
import type {Provenance} from '../job/job.js';
import {canonicalJson} from '../plan/canonical.js';
import type {AttemptContext} from '../prepare/attempt-context.js';
import type {AttackedAs, RunResult, Trial} from '../prepare/request.js';
import {isOwn, makeDirectory, namesIn} from '../record/durable.js';
import {readRecordText} from '../record/read.js';
import type {UsageRecord} from '../record/record.js';

/** What a box had, or what the policy wants it to have. */
interface TriedBox {
  mode: string | null;
  flags: string[];
  /** By name, how it is enforced. */
  limits: Record<string, string>;
}

/** What a trial of a box found. */
export interface Tried {
  /** Whether a job of this account would run. */
  healthy: boolean;
  /** Whether the job would run with less than the policy wants. */
  less: boolean;
  user: string | null;
  got: TriedBox | null;
  wanted: TriedBox | null;
  /** What is less than wanted, and why. */
  because: string | null;
}

/** A trial of which nothing is known yet. */
export const newTrial = (attacks: AttackedAs | null = null): Trial => ({
  ...{attacks, user: null, spools: [], policy: null, plan: null, off: null},
});

const PREFIX = 'probe-';
/** What a trial that was killed has left. */
const STALE_MS = 3_600_000;

/**
 * The policy as it is tried: its own folder for the record, and no demand on the enforcement of a limit, which is compared afterwards:
 * where a limit is enforced by less, the rest is still to be seen.
 */
export function policyOfTrial(policy: Policy, attempt: AttemptContext, trial: Trial): Policy {
  const {state, spools} = placesOf(policy, attempt.caller.uid);
  trial.user = attempt.caller.name;
  trial.spools = spools;
  trial.policy = applyRules(policy, {vo: null, user: attempt.caller.name, queue: null, pattern: 'ulimit++'}).policy;
  clearStale(state);
  const provenance = {source: 'policy' as const, at: 'a probe'};
  const none = {value: 'none' as const, provenance};
  const lowered = Object.fromEntries(ENFORCED_NAMES.map((name) => [name, none])) as Record<EnforcedName, typeof none>;
  const undemanding = (set: Setting): Setting => ({...set, ...(set.enforcement === undefined ? {} : {enforcement: lowered})});
  const attacked = attackedAs(trial.attacks, provenance);
  return {
    ...policy,
    ...attacked,
    enforcement: lowered,
    rules: policy.rules.map((rule) => ({...rule, set: {...undemanding(rule.set), ...attacked}})),
    directories: {...policy.directories, spools: {value: [join(state, `${PREFIX}${attempt.id}`)], provenance}},
    batch: {...policy.batch, blackHole: null},
    pauseAt: [],
  };
}

/** What the jobs of attacks need; what is held against them is the site's. */
function attackedAs(attacks: AttackedAs | null, provenance: Provenance): Setting {
  if (attacks === null) return {};
  return {
    mode: {value: attacks.bare ? 'observe' : 'enforce', provenance},
    network: {value: ['host', 'none'], provenance},
    filesystem: {value: ['node', 'shared', 'private'], provenance},
    images: {value: [join(attacks.directory, '*')], provenance},
    ...(attacks.engine === null ? {} : {engines: {value: [attacks.engine], provenance}}),
  };
}

/** Jobs run without Tare, so there is no box to be tried. */
export function notTried(trial: Trial, because: string): RunResult {
  trial.off = because;
  return {quit: ['code', 0], record: null, path: null, messages: [], failure: null, signals: []};
}

/** What came of it. Removes the record and its folder. */
export function examineTrial({record, path, failure, messages}: RunResult, trial: Trial): Tried {
  const {user, off, policy, plan} = trial;
  if (off !== null) return {healthy: true, less: true, user, got: null, wanted: null, because: `${off}: jobs run without Tare`};
  const unread = path === null ? 'its record was not written' : readBack(path, record);
  if (failure?.fault === 'policy')
    return {healthy: true, less: false, user, got: null, wanted: null, because: `the policy refuses its jobs: ${failure.message}`};
  const faults = [
    ...(failure === null ? [] : [`${failure.code}: ${failure.message}`]),
    ...(failure === null && record?.outcome.status !== 'completed'
      ? [record?.outcome.reason ?? `it ended as ${record?.outcome.status ?? 'nobody knows'}`]
      : []),
    ...(failure === null && unread !== null ? [[unread, ...messages].join('; ')] : []),
  ];
  const refusing = trial.spools.flatMap((spool) => tryPlace(spool) ?? []);
  const less = refusing.length > 0 && refusing.length < trial.spools.length ? refusing : [];
  if (trial.spools.length > 0 && refusing.length === trial.spools.length) faults.push(`no spool takes a record: ${refusing.join('; ')}`);
  const got = record === null || failure !== null ? null : boxOf(record);
  const wanted = policy === null || plan === null || record === null ? null : wantedOf(policy, record);
  if (got !== null && wanted !== null) less.push(...lacking(got, wanted, plan?.mode.because ?? ''));
  const said = [...faults, ...less];
  return {healthy: faults.length === 0, less: said.length > 0, user, got, wanted, because: said.length === 0 ? null : said.join('; ')};
}

function boxOf({mode, flags, limits}: UsageRecord): TriedBox {
  const enforced = Object.entries(limits ?? {}).flatMap(([name, {value, enforcement}]) => (value === null ? [] : [[name, enforcement]]));
  return {mode, flags, limits: Object.fromEntries(enforced) as Record<string, string>};
}

/** The box that the policy wants, with the limits that the tried box had. */
function wantedOf(policy: Policy, record: UsageRecord): TriedBox {
  const {limits} = boxOf(record);
  // a box around isolates already, and where the policy only observes nothing is to be isolated
  const mode = record.flags.includes('nested') || record.mode === 'observe' ? record.mode : 'box';
  const levels = ENFORCED_NAMES.filter((name) => name in limits).map((name) => [name, policy.enforcement[name].value]);
  return {mode, flags: [], limits: record.mode === 'observe' ? {} : (Object.fromEntries(levels) as Record<string, string>)};
}

const RANK: Readonly<Record<string, number>> = {none: 0, watched: 1, kernel: 2} satisfies Record<Enforcement, number>;

function lacking(got: TriedBox, wanted: TriedBox, because: string): string[] {
  const mode = got.mode === wanted.mode ? [] : [`${got.mode ?? 'no box'}, and the policy wants ${wanted.mode ?? 'none'}: ${because}`];
  const limits = Object.entries(wanted.limits).flatMap(([name, level]) => {
    const found = got.limits[name] ?? 'none';
    return (RANK[found] ?? 0) < (RANK[level] ?? 0) ? [`the limit on ${name} is ${enforcedAs(found)}, and the policy wants ${level}`] : [];
  });
  return [...mode, ...limits];
}

const enforcedAs = (level: string): string => (level === 'none' ? 'not enforced' : level);

/** @returns what is wrong with the record as a reader finds it, or null */
function readBack(path: string, record: UsageRecord | null): string | null {
  try {
    const text = readRecordText(path)?.text;
    if (text === undefined) return `its record is gone: ${path}`;
    return record !== null && canonicalJson(JSON.parse(text) as object) === canonicalJson(record)
      ? null
      : `its record is not what was written: ${path}`;
  } catch (error) {
    return `its record cannot be read: ${(error as Error).message}`;
  } finally {
    const folder = dirname(path);
    if (basename(folder).startsWith(PREFIX)) rmSync(folder, {recursive: true, force: true});
  }
}

function clearStale(state: string): void {
  for (const name of namesIn(state).filter((one) => one.startsWith(PREFIX))) {
    try {
      if (statSync(join(state, name)).mtimeMs < Date.now() - STALE_MS) rmSync(join(state, name), {recursive: true, force: true});
    } catch {
      // it is gone, or not ours
    }
  }
}

/** Enough that a full disk is seen. */
const SOME = Buffer.alloc(4096);

/** Whether a file can be made there, by one that is removed at once. @returns why not, or null */
export function tryPlace(directory: string, uid = process.getuid?.() ?? -1): string | null {
  const path = join(directory, `.tare-probe-${randomName(8)}.tmp`);
  let made = false;
  try {
    makeDirectory(directory, 0o755);
    if (!isOwn(directory, uid)) return `${directory}: others may remove what is in it; it has to be sticky, or one's own`;
    const {O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW} = constants;
    const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    made = true;
    try {
      writeSync(descriptor, SOME);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    return null;
  } catch (error) {
    return `${directory}: ${(error as Error).message}`;
  } finally {
    if (made) {
      try {
        unlinkSync(path);
      } catch {
        // the directory may have become unwritable meanwhile
      }
    }
  }
}
