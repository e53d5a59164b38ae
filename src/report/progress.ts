/** The progress of a job in one line. */

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

/** The progress of a job that waits for its image. */
export interface WaitLine {
  waitedUs: number;
  image: string;
  /** Another job unpacks it. */
  byAnother: boolean;
  /** Of the image as it is stored, read so far and in all; `of` 0: not known. */
  bytes: number;
  of: number;
}

/** One line about an image that is unpacked. */
export function formatWait({waitedUs, image, byAnother, bytes, of}: WaitLine): string {
  const time = roughDuration(Math.round(waitedUs / 1e6) * 1e6);
  if (byAnother) return `tare: ${time}, waiting for another job that unpacks ${image}`;
  const part = of === 0 ? '' : ` (${String(Math.floor((100 * bytes) / of))}%)`;
  return `tare: ${time}, unpacking ${image}: ${roughBytes(bytes)}${of === 0 ? '' : ` of ${roughBytes(of)}`}${part}`;
}

/** One line about a payload that runs. */
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
