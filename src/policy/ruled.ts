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

export type WrittenRuled = Omit<RuleDocument, 'name' | 'match' | 'refuse'>;

export function readRuled(written: WrittenRuled, locate: Locate, problems: Problems): Setting {
  const setting: Setting = {};
  const {
    mode,
    patterns,
    defaults,
    maxima,
    enforcement,
    box,
    degraded,
    grace,
    memoryStall,
    suspendedTime,
    processMemory,
    network,
    devices,
    writable,
  } = written;
  const {run, filesystem, images, services, seccomp, scratch, cvmfs} = written;
  const valued = <T>(value: T, pointer: string): Valued<T> => ({value, provenance: {source: 'policy', at: locate(pointer)}});
  if (mode !== undefined) setting.mode = valued(readMode(mode), '/mode');
  if (patterns !== undefined) setting.patterns = valued(patterns, '/patterns');
  if (defaults !== undefined)
    setting.defaults = readLimits(defaults, 'policy.defaults', (name) => locate(below('/defaults', name)), problems);
  if (maxima !== undefined) setting.maxima = readLimits(maxima, 'policy.maxima', (name) => locate(below('/maxima', name)), problems);
  if (box !== undefined) setting.box = valued(box, '/box');
  if (degraded !== undefined) setting.degraded = valued(degraded, '/degraded');
  if (grace !== undefined) {
    const us = problems.attempt(() => parseDuration(grace, locate('/grace')));
    if (us !== null) setting.graceUs = valued(us, '/grace');
  }
  /** Undefined when absent or wrong. */
  const durationOrNever = (text: string | number | undefined, pointer: string): Valued<number | null> | undefined => {
    if (text === undefined) return undefined;
    const us = text === 'never' ? null : problems.attempt(() => parseDuration(text, locate(pointer)));
    return us === null && text !== 'never' ? undefined : valued(us, pointer);
  };
  const stall = durationOrNever(memoryStall, '/memoryStall');
  if (stall !== undefined) setting.memoryStallUs = stall;
  const looks = durationOrNever(processMemory, '/processMemory');
  if (looks !== undefined) setting.processMemoryUs = looks;
  if (suspendedTime !== undefined) setting.suspendedTime = valued(suspendedTime, '/suspendedTime');
  if (network !== undefined) setting.network = valued(network, '/network');
  if (devices !== undefined) setting.devices = valued(devices, '/devices');
  if (writable !== undefined) setting.writable = valued(writable, '/writable');
  if (run !== undefined) setting.run = valued(run, '/run');
  if (filesystem !== undefined) setting.filesystem = valued(filesystem, '/filesystem');
  if (images !== undefined) setting.images = valued(images, '/images');
  const within = services?.within;
  if (within !== undefined) {
    const us = problems.attempt(() => parseDuration(within, locate('/services/within')));
    if (us !== null) setting.servicesWithinUs = valued(us, '/services/within');
  }
  // as it was called while it was of small machines alone
  if (seccomp !== undefined) setting.seccomp = valued(seccomp === 'builtin' ? 'default' : seccomp, '/seccomp');
  if (scratch !== undefined) setting.scratch = valued({...NO_SCRATCH_RULE, ...scratch}, '/scratch');
  if (cvmfs !== undefined)
    setting.cvmfs = valued(
      readCvmfs(cvmfs, (pointer) => locate(`/cvmfs${pointer}`), problems),
      '/cvmfs',
    );
  if (enforcement !== undefined) {
    const levels: NonNullable<Setting['enforcement']> = {};
    for (const name of ENFORCED_NAMES) {
      const level = enforcement[name];
      if (level !== undefined) levels[name] = valued(level, below('/enforcement', name));
    }
    setting.enforcement = levels;
  }
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
