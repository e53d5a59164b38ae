/**
 * The slot that the environment tells of. The environment is the job's, whatever set it: it can make a slot smaller than the caller's control
 * groups and the node are, and never larger.
 */

import type {Facts} from '../host/facts.js';
import type {Valued} from '../job/job.js';
import type {CallSlot} from './inputs.js';

/** The slot's share with what this node can give: no more cores than its limit and CPUs, no more memory than its limit and RAM. */
export function slotHere(told: CallSlot, {slot, cpu, memory}: Pick<Facts, 'slot' | 'cpu' | 'memory'>): CallSlot {
  return {
    ...told,
    cores: atMost(told.cores, [
      [slot.cores, slot.how],
      [cpu.online.length, `this node has ${String(cpu.online.length)} CPUs`],
    ]),
    memoryBytes: atMost(told.memoryBytes, [
      [slot.memoryLimitBytes, slot.how],
      [memory.totalBytes, `this node has ${String(memory.totalBytes)} bytes`],
    ]),
  };
}

function atMost(told: Valued<number> | null, bounds: readonly [value: number | null, how: string][]): Valued<number> | null {
  if (told === null) return null;
  const there = bounds.flatMap(([value, at]) => (value === null || value <= 0 ? [] : [{value, at}]));
  const tightest = there.reduce<{value: number; at: string} | null>(
    (least, one) => (least !== null && least.value <= one.value ? least : one),
    null,
  );
  if (tightest === null || told.value <= tightest.value) return told;
  return {value: tightest.value, provenance: {source: 'slot', at: `${told.provenance.at}: ${String(told.value)}, but ${tightest.at}`}};
}
