/** What is watched while the payload runs, and what is weighed. */

import {formatBytes, formatDuration} from '../job/quantity.js';
import type {SomeSteps} from './def.js';

/** Rows of the watches. */
export const WATCH_STEPS = {
  'watch.memory': {by: ['watch'], section: 'Watches', rows: ({limitBytes}) => [['memory', formatBytes(limitBytes)]]},
  'watch.oom': {by: ['watch'], section: 'Watches', rows: () => [['out of memory', '-']]},
  'watch.memoryStall': {by: ['watch'], section: 'Watches', rows: ({afterUs}) => [['stall at the memory limit', formatDuration(afterUs)]]},
  'watch.wallTime': {by: ['watch'], section: 'Watches', rows: ({limitUs}) => [['wall time', formatDuration(limitUs)]]},
  'watch.cpuTime': {by: ['watch'], section: 'Watches', rows: ({limitUs}) => [['CPU time', formatDuration(limitUs)]]},
  'watch.scratch': {by: ['watch'], section: 'Watches', rows: ({limitBytes}) => [['scratch', formatBytes(limitBytes)]]},
  'watch.processes': {by: ['watch'], section: 'Watches', rows: ({limit}) => [['processes', String(limit)]]},
  'weigh.processes': {by: ['watch'], section: 'Watches', rows: ({periodMs}) => [['memory of processes', formatDuration(periodMs * 1000)]]},
  'weigh.scratch': {by: ['watch'], section: 'Watches', rows: ({directories}) => [['scratch, weighed only', directories.join(', ')]]},
} satisfies SomeSteps;
