/**
 * Machine/Job Features (HSF-TN-2016-02): what a payload can read about its node and its own limits, one value per file. Made from the
 * limits that hold; a value that is not known has no file.
 */

import type {Inputs} from './inputs.js';
import type {PlannedLimits} from './limits.js';
import type {ModeChoice} from './mode.js';
import {bind, type Step} from './step.js';

/** The directory in the box. It lies below /dev, which is the box's own, so that the node needs no such directory. */
const PLACE_IN_BOX = '/dev/tare';
/** The directory on the node for the files of Machine/Job Features. */
export const FEATURES = '{box}/features';

type Values = Record<string, string>;

/** Plans the files of Machine/Job Features (HSF-TN-2016-02): a value that is not known has no file. */
export function planFeatures({policy, facts, call}: Inputs, limits: PlannedLimits, mode: ModeChoice): Step[] {
  if (mode.value === 'observe') return [];
  const {cores, memory, swap, wallTime, cpuTime, scratch} = limits;
  const allocated = cores.value ?? call.slot.cores?.value ?? null;
  const total = facts.cpu.online.length;
  const {hs06} = policy.features;
  const machine = written({
    total_cpu: total,
    hs06,
    shutdowntime: policy.features.shutdownTime,
    grace_secs: seconds(policy.features.graceUs),
  });
  const features: Values = {
    ...written({
      allocated_cpu: allocated === null ? null : Math.max(1, Math.floor(allocated)),
      hs06_job: hs06 === null || allocated === null ? null : (hs06 * allocated) / total,
      wall_limit_secs: seconds(wallTime.value),
      cpu_limit_secs: seconds(cpuTime.value),
      max_rss_bytes: memory.value,
      max_swap_bytes: swap.enforcement === 'none' ? null : swap.value,
      scratch_limit_bytes: scratch.value ?? call.slot.scratchBytes?.value ?? null,
      shutdowntime_job: policy.features.shutdownTime,
      grace_secs_job: seconds(policy.features.graceUs),
    }),
    jobstart_secs: '{now}',
    job_id: call.batchId ?? '{id}',
  };
  const boxed = mode.value === 'box';
  const provide: Step = {
    op: 'features.provide',
    place: boxed ? PLACE_IN_BOX : FEATURES,
    // the site's own know more of the machine
    machine: call.environment['MACHINEFEATURES'] === undefined ? machine : null,
    job: features,
    because: 'Machine/Job Features (HSF-TN-2016-02)',
  };
  const collect: Step = {op: 'parts.collect', path: `${FEATURES}/parts`, because: 'wrappers in the box report here'};
  if (!boxed) return [provide, collect];
  return [provide, collect, bind(FEATURES, PLACE_IN_BOX, ['ro'], 'facts about the box, for its payload')];
}

const seconds = (us: number | null): number | null => (us === null ? null : Math.floor(us / 1e6));

function written(values: Record<string, number | null>): Values {
  const texts = Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)] as const]));
  return Object.fromEntries(texts);
}
