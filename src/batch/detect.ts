/** Which batch system called, of those that there are plugins for. */

import type {BatchAdapter, BatchCall, BatchFinding, BatchJob, Effects, Plugin} from '@tare/contract';
import {PLAIN, plainJob} from './plain.js';

/** The job as its batch system tells it, by the first that knows the call. What goes wrong with it is a remark: a plugin costs no job. */
export async function readBatchJob(plugins: readonly Plugin[], call: BatchCall, effects: Effects): Promise<BatchJob> {
  const job = await readFirst(plugins, call, effects);
  const flags: string[] = [];
  // ARC's job in HTCondor is of both
  for (const system of systemsOf(plugins).filter((one) => one.detect(call))) {
    try {
      flags.push(...((await system.load()).flags?.(call, effects) ?? []));
    } catch (error) {
      job.remarks.push(`${system.name}: ${String(error)}`);
    }
  }
  return flags.length === 0 ? job : {...job, flags};
}

async function readFirst(plugins: readonly Plugin[], call: BatchCall, effects: Effects): Promise<BatchJob> {
  for (const system of systemsOf(plugins)) {
    if (!system.detect(call)) continue;
    try {
      return (await system.load()).read(call, effects);
    } catch (error) {
      return {...plainJob(), remarks: [`${system.name}: ${String(error)}`]};
    }
  }
  return plainJob();
}

/** What the caller's batch system holds of its job by itself; null where there is none that has a say. */
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

/** Who reports to the batch system of a job. */
export async function adapterOf(plugins: readonly Plugin[], job: BatchJob): Promise<BatchAdapter> {
  const system = systemsOf(plugins).find(({name}) => name === job.system);
  return system === undefined ? PLAIN : system.load();
}

const systemsOf = (plugins: readonly Plugin[]) => plugins.flatMap(({batchSystems = []}) => batchSystems);
