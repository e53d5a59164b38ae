/** What is looked at while the payload runs: limits that the kernel does not enforce, and what is weighed. */

import {formatDuration} from '../job/quantity.js';
import type {Inputs} from './inputs.js';
import type {PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import type {Step} from './step.js';

/** How often a watch looks, in ms. */
const WATCH_PERIOD_MS = 250;

/** Watches of limits. */
export function planWatches({facts, policy}: Inputs, limits: PlannedLimits, mode: ModeChoice): Step[] {
  if (mode.value === 'observe') return [];
  const steps: Step[] = [];
  const graceUs = policy.graceUs.value;
  const {memory, wallTime, cpuTime, processes} = limits;
  if (memory.value !== null && memory.by === 'watch.memory') {
    steps.push({op: 'watch.memory', limitBytes: memory.value, periodMs: WATCH_PERIOD_MS, because: memory.because});
  } else if (memory.value !== null && !(facts.cgroup.controllers.memory?.files.includes('memory.oom.group') ?? false)) {
    const fact = facts.cgroup.controllers.memory;
    steps.push({
      op: 'watch.oom',
      directory: `${fact?.parent ?? ''}/tare-{id}/payload`,
      version: fact?.version ?? 1,
      periodMs: WATCH_PERIOD_MS,
      because: 'the kernel kills one process only here; the rest is killed as soon as it is seen',
    });
  }
  const stall = policy.memoryStallUs;
  if (memory.by === 'cgroup2:memory.max' && stall.value !== null) {
    const because = `no progress at the memory limit without a kill (${stall.provenance.at})`;
    steps.push({op: 'watch.memoryStall', afterUs: stall.value, graceUs, because});
  }
  if (wallTime.value !== null) {
    const {value: suspended, provenance} = policy.suspendedTime;
    const because = `${wallTime.because}; suspended time ${suspended} (${provenance.at})`;
    steps.push({op: 'watch.wallTime', limitUs: wallTime.value, graceUs, suspended, because});
  }
  if (cpuTime.value !== null) steps.push({op: 'watch.cpuTime', limitUs: cpuTime.value, graceUs, because: cpuTime.because});
  if (processes.value !== null && processes.by === 'watch.processes') {
    steps.push({op: 'watch.processes', limit: processes.value, periodMs: WATCH_PERIOD_MS, because: processes.because});
  }
  return steps;
}

/** How often the payload’s processes are weighed; nothing where the policy says never. */
export function planWeighing({policy: {processMemoryUs}}: Inputs): Step[] {
  const {value, provenance} = processMemoryUs;
  if (value === null) return [];
  const because = `read every ${formatDuration(value)} at most, for the record (${provenance.at})`;
  return [{op: 'weigh.processes', periodMs: Math.max(1, Math.round(value / 1000)), because}];
}
