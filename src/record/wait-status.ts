/** Raw wait statuses (wait(2)): an exit code or a signal, never both. */

import {constants} from 'node:os';

/** Numbers of signals; each is also the raw wait status of a process that it ended, since neither leaves a core. */
export const {SIGKILL, SIGTERM} = constants.signals;

/** How a process ended; one of the two is null. */
export interface ExitStatus {
  exitCode: number | null;
  /** Signal number, null when it exited. */
  signal: number | null;
}

/** Decodes a status of wait(2) of a process that has ended; a core dump's bit is ignored. */
export function decodeWaitStatus(raw: number): ExitStatus {
  const signal = raw & 0x7f;
  return signal === 0 ? {exitCode: (raw >> 8) & 0xff, signal: null} : {exitCode: null, signal};
}

const SIGNAL_NAMES = new Map<number, string>();
for (const [name, number] of Object.entries(constants.signals)) if (!SIGNAL_NAMES.has(number)) SIGNAL_NAMES.set(number, name);
/** First real-time signal as the kernel numbers them (signal(7)). */
const SIGRTMIN = 32;

/** SIGKILL for 9; real-time signals by their distance from the kernel's first. */
export function signalName(signal: number): string {
  return SIGNAL_NAMES.get(signal) ?? (signal >= SIGRTMIN ? `SIGRTMIN+${String(signal - SIGRTMIN)}` : `signal ${String(signal)}`);
}

/** `exit status 1`, `SIGKILL`. */
export function endText(raw: number): string {
  const {exitCode, signal} = decodeWaitStatus(raw);
  return signal === null ? `exit status ${String(exitCode)}` : signalName(signal);
}
