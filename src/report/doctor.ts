/** What this node lacks, what that costs its jobs, and what to do about it. */

import type {Pattern} from '../job/job.js';
import type {Check} from './check.js';
import {checkBox, checkNetwork, checkSubordinate} from './doctor-box.js';
import {checkBatch, checkCgroups} from './doctor-cgroups.js';
import {checkFuse, checkScratch, checkScratchLimit, checkViews} from './doctor-files.js';
import type {DoctorInputs} from './doctor-inputs.js';
import {checkCores, checkKernel, checkKillSwitch, checkMemory, checkNative, checkSlot} from './doctor-node.js';
import {isCounted, classify, PATTERNS, type PatternVerdict} from './doctor-patterns.js';
import {checkNode} from './node-checks.js';

/** What `tare doctor` found out from facts and policy. */
export interface Diagnosis {
  checks: Check[];
  patterns: Record<Pattern, PatternVerdict>;
  /** Every pattern that the policy allows can be run here, and the disks have the room that it keeps. */
  healthy: boolean;
  /** The file that switches Tare off; null: it is not there. Jobs run all the same, so the node is no less healthy. */
  switchedOffBy: string | null;
}

/** All rows, in the order in which they are shown. */
export function diagnose(inputs: DoctorInputs): Diagnosis {
  const {facts, policy, tools, batch, node, killSwitch} = inputs;
  const patterns = {} as Record<Pattern, PatternVerdict>;
  for (const pattern of PATTERNS) patterns[pattern] = classify(pattern, inputs);
  return {
    checks: [
      ...(killSwitch === undefined ? [] : [checkKillSwitch(killSwitch)]),
      checkKernel(facts),
      ...(batch == null ? [] : [checkBatch(batch, facts)]),
      ...checkCgroups(facts),
      ...checkBox(inputs),
      checkFuse(facts),
      checkScratch(facts),
      ...(facts.views === null ? [] : [checkViews(facts.views)]),
      ...checkSubordinate(facts),
      checkScratchLimit(facts),
      ...(facts.network === null ? [] : checkNetwork(facts.network, facts, policy)),
      checkCores(facts),
      checkMemory(facts),
      checkSlot(facts),
      checkNative(tools),
      ...(node === undefined ? [] : checkNode(node)),
    ],
    patterns,
    healthy: (node?.shortages ?? []).length === 0 && PATTERNS.every((pattern) => !isCounted(pattern, policy) || patterns[pattern].runnable),
    switchedOffBy: killSwitch?.on === true ? killSwitch.file : null,
  };
}
