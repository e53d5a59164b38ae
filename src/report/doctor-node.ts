/** Doctor’s rows about the node itself: its kernel, its size, the slot, and whether Tare is there and switched on. */

import type {Facts} from '../host/facts.js';
import {formatBytes} from '../job/format.js';
import {checkRow, type Check} from './check.js';
import type {DoctorTools} from './doctor-inputs.js';

/** Whether the kill switch is off. */
export const checkKillSwitch = ({file, on}: {file: string; on: boolean}): Check =>
  checkRow('kill switch', !on, {
    found: on ? `on: ${file} exists` : `off: there is no ${file}`,
    costs: 'every job is executed without box, limits and record',
    remedy: `remove ${file} when it is no longer needed`,
  });

/** Whether the kernel's release can be read, without which nothing else is told. */
export const checkKernel = ({kernel: {release}}: Facts): Check =>
  checkRow('kernel', release !== '', {found: release || 'unknown', costs: 'nothing can be said of this node', remedy: 'mount /proc'});

/** Whether CPUs are known; their number and model. */
export function checkCores({cpu}: Facts): Check {
  const {online, allowed, model} = cpu;
  const found = `${String(allowed.length)} of ${String(online.length)}${model === null ? '' : `, ${model}`}`;
  return checkRow('cores', allowed.length > 0, {found, costs: 'jobs cannot be pinned', remedy: 'mount /proc and /sys'});
}

/** Whether the node's memory is known; its size and swap. */
export function checkMemory({memory}: Facts): Check {
  const found = `${formatBytes(memory.totalBytes)}, swap ${memory.swapBytes === 0 ? 'none' : formatBytes(memory.swapBytes)}`;
  return checkRow('memory', memory.totalBytes > 0, {found, costs: 'the node’s size is unknown', remedy: 'mount /proc'});
}

/** No limit is no fault: many sites have none, and the batch system may say it in other ways. */
export function checkSlot({slot}: Facts): Check {
  const parts = [
    slot.memoryLimitBytes === null ? null : `memory ${formatBytes(slot.memoryLimitBytes)}`,
    slot.cores === null ? null : `${String(slot.cores)} cores`,
    slot.processes === null ? null : `${String(slot.processes)} processes`,
  ].filter((part) => part !== null);
  return {
    name: 'slot',
    state: 'ok',
    found: parts.join(', ') || slot.how,
    costs: 'the slot is known by the batch system’s word alone',
    remedy: null,
  };
}

/** Whether the static program is there and can be executed. */
export const checkNative = ({native: {path, because}}: DoctorTools): Check =>
  checkRow('static program', path !== null, {
    found: path ?? because ?? 'not found',
    costs: 'no job can be run',
    remedy: 'install Tare from its distribution, or run npm run build:native',
  });
