/** What the batch system is told of an attempt that is over, and how the wrapper then ends. */

import type {BatchJob, BatchSettings, Effects, Failure, Plugin} from '@tare/contract';
import {adapterOf} from '../batch/detect.js';
import {effects} from '../batch/effects.js';
import type {JobFiles} from '../files/job-files.js';
import type {Log} from '../process/log.js';
import {isUnexecuted} from '../record/outcome.js';
import type {UsageRecord} from '../record/record.js';
import type {Seen} from '../supervise/instruments.js';
import type {Ending as Quit} from '../schema/generated/protocol.js';
import type {RunResult} from '../prepare/request.js';
import type {BoxState} from '../box/state.js';

/** How a plugin acts: with files as whose job it is, and lines in its log. */
export const effectsWith = (files: JobFiles, log: Log): Effects =>
  effects(files, (level, message, details) => {
    log[level](message, details);
  });

/** Which batch system is told, and by what means. */
export interface Told {
  batch: BatchJob;
  settings: BatchSettings;
  plugins: readonly Plugin[];
  effects: Effects;
}

/** A plugin's trouble is logged and costs nothing else. */
export async function tellBatchSystem(result: RunResult, {batch, settings, plugins, effects}: Told): Promise<RunResult> {
  const {record, failure, signals} = result;
  if (record === null) return result;
  try {
    const adapter = await adapterOf(plugins, batch);
    const {quit} =
      failure === null
        ? await adapter.reportOutcome(batch, {record, signals}, settings, effects)
        : await adapter.reportFailure(batch, {...failure, record}, settings, effects);
    return quit === null ? result : {...result, quit: 'signal' in quit ? ['signal', quit.signal] : ['code', quit.code]};
  } catch (error) {
    effects.log('error', 'the batch system could not be told', {system: batch.system, error: String(error)});
    return result;
  }
}

/** The function that tells the batch system the payload's progress. */
export async function progressTeller(
  {batch, started}: Pick<BoxState, 'batch' | 'started'>,
  plugins: readonly Plugin[],
  effects: Effects,
): Promise<(seen: Seen) => void> {
  let told = true;
  const adapter = await adapterOf(plugins, batch);
  return ({wallUs, weighing: {usage}}) => {
    const {cpuUserUs, cpuSystemUs, memPeakBytes} = usage;
    try {
      adapter.reportProgress?.(batch, {recordId: started.recordId, wallUs, cpuUserUs, cpuSystemUs, memPeakBytes}, effects);
      told = true;
    } catch (error) {
      // once each time that it begins to fail
      if (told) effects.log('warn', 'the batch system cannot be told how far the payload has come', {error: String(error)});
      told = false;
    }
  };
}

/** The box was not built, or the payload could not be executed. A limit that is too small to execute anything is an outcome. */
export function failureOf({outcome, time}: UsageRecord, quit: Quit): Omit<Failure, 'record'> | null {
  const wasExecuted = time.startEpochUs !== null && !isUnexecuted(outcome); // services may have run before
  if (wasExecuted || outcome.status === 'limit') return null;
  const fault = isUnexecuted(outcome) ? 'job' : 'node';
  return {fault, code: outcome.code ?? 'INTERNAL', message: outcome.reason ?? '', exit: quit[0] === 'code' ? quit[1] : 0};
}
