/** Which batch system called, of those that there are plugins for. */

import type {BatchAdapter, BatchCall, BatchFinding, BatchJob, Effects, Plugin, Read, Slot} from '@tare/contract';
import {PLAIN, plainJob} from './plain.js';

/**
 * The job as its batch system tells it, by the first that knows the call. Others that know it too (ARC's job in Slurm is of both) lower the slot
 * and add their flags: a variable that a job sets can make its slot smaller, and not larger. What goes wrong is a remark: a plugin costs no job.
 */
export async function readBatchJob(plugins: readonly Plugin[], call: BatchCall, effects: Effects): Promise<BatchJob> {
  const jobs: BatchJob[] = [];
  const flags: string[] = [];
  const remarks: string[] = [];
  for (const system of systemsOf(plugins).filter((one) => one.detect(call))) {
    try {
      const adapter = await system.load();
      jobs.push(adapter.read(call, effects));
      flags.push(...(adapter.flags?.(call, effects) ?? []));
    } catch (error) {
      remarks.push(`${system.name}: ${String(error)}`);
    }
  }
  const [job = plainJob(), ...others] = jobs;
  return {
    ...job,
    slot: others.map(({slot}) => slot).reduce(smallerOf, job.slot),
    remarks: [...job.remarks, ...remarks],
    ...(flags.length === 0 ? {} : {flags}),
  };
}

/** The smaller values of two descriptions of one slot; the name is the first's. */
function smallerOf(one: Slot, other: Slot): Slot {
  const smaller = (a: Read<number> | null, b: Read<number> | null): Read<number> | null =>
    a === null || (b !== null && b.value < a.value) ? b : a;
  return {
    name: one.name ?? other.name,
    cores: smaller(one.cores, other.cores),
    memoryBytes: smaller(one.memoryBytes, other.memoryBytes),
    scratchBytes: smaller(one.scratchBytes, other.scratchBytes),
    gpus: smaller(one.gpus, other.gpus),
    wallTimeUs: smaller(one.wallTimeUs, other.wallTimeUs),
    cpuTimeUs: smaller(one.cpuTimeUs, other.cpuTimeUs),
  };
}

/** The limits that the caller's batch system enforces itself; null: no batch system, or it enforces none. */
export async function examineBatch(
  plugins: readonly Plugin[],
  call: BatchCall,
  effects: Pick<Effects, 'readText'>,
): Promise<BatchFinding | null> {
  for (const system of systemsOf(plugins).filter((one) => one.detect(call))) {
    const finding = (await system.load()).examine?.(call, effects);
    if (finding !== undefined) return finding;
  }
  return null;
}

/** The adapter of a job's batch system, which reports to it. */
export async function adapterOf(plugins: readonly Plugin[], job: BatchJob): Promise<BatchAdapter> {
  const system = systemsOf(plugins).find(({name}) => name === job.system);
  return system === undefined ? PLAIN : system.load();
}

const systemsOf = (plugins: readonly Plugin[]) => plugins.flatMap(({batchSystems = []}) => batchSystems);
