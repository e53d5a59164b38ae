/** Whether something keeps the clock of this node, as the kernel knows it: no privilege is needed to ask. */

import {runTool} from './tool.js';

/** Whether the node's clock is synchronised. */
export interface ClockFound {
  /** null: not known. */
  synchronised: boolean | null;
  /** How that was found. */
  how: string;
}

/** STA_UNSYNC of adjtimex(2), which an NTP daemon clears (chronyd: with `rtcsync`). Never throws. */
export function readClock(): ClockFound {
  const {status, stdout} = runTool('tare-clock', ['now']);
  const [, word, error] = /^(synchronised|unsynchronised) (\d+)$/m.exec(stdout) ?? [];
  if (status !== 0 || word === undefined) return {synchronised: null, how: `adjtimex: ${stdout.trim() || 'no answer'}`};
  const synchronised = word === 'synchronised';
  const seconds = Number(error) / 1e6;
  return {synchronised, how: `adjtimex: ${synchronised ? `error below ${seconds.toFixed(3)} s` : 'STA_UNSYNC is set'}`};
}
