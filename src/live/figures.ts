/** What a live box weighs now. Unknown is null. */

import {readKills} from '../box/kills.js';
import {readSeen} from '../box/state.js';
import type {GroupLevel} from '../cgroup/groups.js';
import type {Groups} from '../cgroup/manager.js';
import type {Weighing} from '../decide/observation.js';
import {epochUs} from '../process/clock.js';
import {isRunning, type ProcessId} from '../process/process.js';
import {readProcess, readTree, standsStill, type ProcessSample} from '../process/tree.js';
import {asksForEnd} from '../record/outcome.js';
import type {LiveBox} from './box-view.js';
import {groupsOf} from './live.js';

type BoxStanding = 'starting' | 'running' | 'paused' | 'ending';

/** What `tare ps` and `tare top` show of a box; sizes in bytes, times in µs. */
export interface Figures extends GroupLevel {
  standing: BoxStanding;
  /** Since the payload's exec. */
  ageUs: number | null;
}

/** @param box whose groups or processes can vanish meanwhile */
export function figuresOf(box: LiveBox): Figures {
  const groups = groupsOf(box);
  const ageUs = box.startEpochUs === null ? null : Math.max(0, epochUs() - box.startEpochUs);
  const {isStill, ...measured} = measure(groups, box.init, () => readSeen(box.directory)?.weighing);
  return {standing: standingOf(box, isStill), ...measured, ageUs};
}

/**
 * Measures a box by its groups, else by its processes.
 * @param noted what the wrapper noted last: a peak that no group keeps (v2 before Linux 5.19) it samples
 */
export function measure(
  groups: Groups,
  init: ProcessId | null,
  noted: () => Weighing | undefined,
): GroupLevel & {
  /** All of it is frozen, or stopped. */
  isStill: boolean;
} {
  const counted = groups.level();
  const {frozen} = groups.frozen();
  const tree = counted.cpuUs === null || counted.memoryBytes === null || frozen === null ? treeOf(init) : null;
  const sampled = tree === null ? null : byTree(tree);
  const memoryBytes = counted.memoryBytes ?? sampled?.memoryBytes ?? null;
  return {
    memoryBytes,
    memoryPeakBytes: counted.memoryPeakBytes ?? sampledPeak(memoryBytes, noted()),
    cpuUs: counted.cpuUs ?? sampled?.cpuUs ?? null,
    processes: counted.processes ?? sampled?.processes ?? null,
    isStill: frozen ?? standsStill(tree?.processes ?? []),
  };
}

/** Init and all below it. */
interface ProcessTree {
  init: ProcessSample;
  processes: ProcessSample[];
}

function treeOf(init: ProcessId | null): ProcessTree | null {
  if (init === null || !isRunning(init)) return null;
  const sample = readProcess(init.pid);
  return sample === null ? null : {init: sample, processes: readTree(init.pid)};
}

/** Sums over what lives, and what init has waited for. */
function byTree({init, processes}: ProcessTree): Omit<GroupLevel, 'memoryPeakBytes'> {
  const sum = (of: (sample: ProcessSample) => number): number => processes.reduce((total, sample) => total + of(sample), 0);
  return {
    memoryBytes: sum(({rssBytes}) => rssBytes),
    cpuUs: init.waitedUs + sum(({cpuUs, waitedUs}) => cpuUs + waitedUs),
    processes: sum(({threads}) => threads),
  };
}

/** The file can hold anything. */
function sampledPeak(memoryBytes: number | null, noted: Partial<Weighing> | undefined): number | null {
  const peak = noted?.usage?.memPeakBytes;
  return typeof peak === 'number' ? Math.max(peak, memoryBytes ?? 0) : memoryBytes;
}

function standingOf({payload, stopped, directory, startEpochUs}: LiveBox, isStill: boolean): BoxStanding {
  if (startEpochUs === null) return 'starting';
  const isAsked = readKills(directory).some(asksForEnd);
  if (stopped || isAsked || (payload !== null && !isRunning(payload))) return 'ending';
  return isStill ? 'paused' : 'running';
}
