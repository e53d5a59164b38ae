/** What is said of a job while somebody waits for it, in one line. */

import {roughBytes, roughDuration} from './jobs.js';

/** Unknown is null, and not said. */
export interface ProgressLine {
  wallUs: number;
  /** CPUs that it uses now. */
  rate: number | null;
  memoryBytes: number | null;
  memoryLimitBytes: number | null;
  isPaused: boolean;
  applications: readonly {name: string; state: string}[];
}

export function formatProgress({wallUs, rate, memoryBytes, memoryLimitBytes, isPaused, applications}: ProgressLine): string {
  const limit = memoryLimitBytes === null ? '' : ` of ${roughBytes(memoryLimitBytes)}`;
  const parts = [
    roughDuration(Math.round(wallUs / 1e6) * 1e6),
    isPaused ? 'paused' : rate === null ? null : `${rate.toFixed(2)} CPUs`,
    memoryBytes === null ? null : `memory ${roughBytes(memoryBytes)}${limit}`,
    ...applications.map(({name, state}) => `${name} ${state}`),
  ];
  return `tare: ${parts.filter((part) => part !== null).join(', ')}`;
}
