/** The part of a policy that a rule can set anew, read the same way from the policy itself and from each of its rules. */

import {below, type Locate} from '../job/at.js';
import type {Valued} from '../job/job.js';
import {readLimits} from '../job/limits.js';
import type {Problems} from '../job/problems.js';
import {parseDuration} from '../job/quantity.js';
import type {CvmfsDocument, Mode as WrittenMode, RuleDocument} from '../schema/generated/policy-1.js';
import {DEFAULT_CVMFS} from './builtin.js';
import {readCvmfsMount} from './cvmfs-mount.js';
import {ENFORCED_NAMES, type CvmfsRule, type Mode, type Ruled, type ScratchRule, type Setting} from './policy.js';

const LEAST_DEADLINE_US = 100e3;
const NO_SCRATCH_RULE: ScratchRule = {fromSlot: false, workDirectory: false, inMemory: false};

/** The part as a document writes it. */
export type WrittenRuled = Omit<RuleDocument, 'name' | 'match' | 'refuse'>;

/** @param locate where the policy says something, by its pointer below the policy or the rule */
export function readRuled(written: WrittenRuled, locate: Locate, problems: Problems): Setting {
  return {...readAsWritten(written, locate), ...readRequired(written, locate), ...readMeasured(written, locate, problems)};
}

const valued = <T>(value: T, locate: Locate, pointer: string): Valued<T> => ({value, provenance: {source: 'policy', at: locate(pointer)}});

/** What is taken as it is written. */
function readAsWritten(written: WrittenRuled, locate: Locate): Setting {
  const setting: Setting = {};
  const given = <T>(value: T, pointer: string): Valued<T> => valued(value, locate, pointer);
  const {mode, patterns, box, degraded, suspendedTime, network, devices, writable, run, filesystem, images, engines, seccomp, scratch} =
    written;
  if (mode !== undefined) setting.mode = given(readMode(mode), '/mode');
  if (patterns !== undefined) setting.patterns = given(patterns, '/patterns');
  if (box !== undefined) setting.box = given(box, '/box');
  if (degraded !== undefined) setting.degraded = given(degraded, '/degraded');
  if (suspendedTime !== undefined) setting.suspendedTime = given(suspendedTime, '/suspendedTime');
  if (network !== undefined) setting.network = given(network, '/network');
  if (devices !== undefined) setting.devices = given(devices, '/devices');
  if (writable !== undefined) setting.writable = given(writable, '/writable');
  if (run !== undefined) setting.run = given(run, '/run');
  if (filesystem !== undefined) setting.filesystem = given(filesystem, '/filesystem');
  if (images !== undefined) setting.images = given(images, '/images');
  if (engines !== undefined) setting.engines = given(engines, '/engines');
  // as it was called while it was of small machines alone
  if (seccomp !== undefined) setting.seccomp = given(seccomp === 'builtin' ? 'default' : seccomp, '/seccomp');
  if (scratch !== undefined) setting.scratch = given({...NO_SCRATCH_RULE, ...scratch}, '/scratch');
  return setting;
}

/** Which enforcement the policy demands, limit by limit. */
function readRequired({enforcement}: WrittenRuled, locate: Locate): Setting {
  if (enforcement === undefined) return {};
  const levels: NonNullable<Setting['enforcement']> = {};
  for (const name of ENFORCED_NAMES) {
    const level = enforcement[name];
    if (level !== undefined) levels[name] = valued(level, locate, below('/enforcement', name));
  }
  return {enforcement: levels};
}

/** Limits, times, and repositories, in plain units. What is wrong is a problem, and not set. */
function readMeasured(written: WrittenRuled, locate: Locate, problems: Problems): Setting {
  const setting: Setting = {};
  const {defaults, maxima, grace, memoryStall, processMemory, services, cvmfs} = written;
  const duration = (text: string | number | undefined, pointer: string): Valued<number> | undefined => {
    const us = text === undefined ? null : problems.attempt(() => parseDuration(text, locate(pointer)));
    return us === null ? undefined : valued(us, locate, pointer);
  };
  const durationOrNever = (text: string | number | undefined, pointer: string): Valued<number | null> | undefined =>
    text === 'never' ? valued(null, locate, pointer) : duration(text, pointer);
  if (defaults !== undefined)
    setting.defaults = readLimits(defaults, 'policy.defaults', (name) => locate(below('/defaults', name)), problems);
  if (maxima !== undefined) setting.maxima = readLimits(maxima, 'policy.maxima', (name) => locate(below('/maxima', name)), problems);
  const graceUs = duration(grace, '/grace');
  if (graceUs !== undefined) setting.graceUs = graceUs;
  const stall = durationOrNever(memoryStall, '/memoryStall');
  if (stall !== undefined) setting.memoryStallUs = stall;
  const looks = durationOrNever(processMemory, '/processMemory');
  if (looks !== undefined) setting.processMemoryUs = looks;
  const within = duration(services?.within, '/services/within');
  if (within !== undefined) setting.servicesWithinUs = within;
  if (cvmfs !== undefined)
    setting.cvmfs = valued(
      readCvmfs(cvmfs, (pointer) => locate(`/cvmfs${pointer}`), problems),
      locate,
      '/cvmfs',
    );
  return setting;
}

/** A setting over another: limits and enforcement name by name, everything else as a whole. */
export function applySetting<T extends Ruled>(base: T, setting: Setting): T {
  return {
    ...base,
    ...setting,
    defaults: {...base.defaults, ...setting.defaults},
    maxima: {...base.maxima, ...setting.maxima},
    enforcement: {...base.enforcement, ...setting.enforcement},
  };
}

function readCvmfs(written: CvmfsDocument, locate: Locate, problems: Problems): CvmfsRule {
  const {allowed, required, deadline, shareFor, onFailure, minimumRevision, root, mount} = written;
  const duration = (text: string | number | undefined, pointer: string, otherwise: number): number =>
    text === undefined ? otherwise : (problems.attempt(() => parseDuration(text, locate(pointer))) ?? otherwise);
  return {
    allowed: allowed ?? DEFAULT_CVMFS.allowed,
    required: required ?? DEFAULT_CVMFS.required,
    // an answer takes some time
    deadlineUs: Math.max(LEAST_DEADLINE_US, duration(deadline, '/deadline', DEFAULT_CVMFS.deadlineUs)),
    shareUs: duration(shareFor, '/shareFor', DEFAULT_CVMFS.shareUs),
    onFailure:
      onFailure === undefined || typeof onFailure === 'string'
        ? {waitUs: 0, then: onFailure ?? 'refuse'}
        : {waitUs: duration(onFailure.wait, '/onFailure/wait', 0), then: onFailure.then ?? 'refuse'},
    minimumRevision: Object.entries(minimumRevision ?? {}).map(([pattern, revision]) => ({pattern, revision})),
    root: root?.replace(/\/+$/, '') ?? DEFAULT_CVMFS.root,
    mount: mount === undefined ? null : readCvmfsMount(mount, (pointer) => locate(`/mount${pointer}`), problems),
  };
}

function readMode(written: WrittenMode): Mode {
  return typeof written === 'string' ? written : {observe: {share: written.observe.share ?? null, slots: written.observe.slots ?? []}};
}
