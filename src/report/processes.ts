/** The processes of one job as a table: `tare top ID`. */

import {roughBytes, roughDuration} from './jobs.js';
import {renderTable, type TableOptions} from './table.js';

/** One process; sizes in bytes, times in µs. */
export interface ProcessRow {
  pid: number;
  parent: number;
  /** As proc_pid_stat(5) has it: R, S, T, Z, … */
  state: string;
  threads: number;
  rssBytes: number;
  cpuUs: number;
  command: string;
}

/** Processes as a table for people, one row for each; a command that is longer than the terminal is broken. */
export const renderProcesses = (processes: readonly ProcessRow[], options: TableOptions = {}): string =>
  renderTable(
    [
      {header: 'PID', align: 'right'},
      {header: 'PPID', align: 'right'},
      {header: 'S'},
      {header: 'THREADS', align: 'right'},
      {header: 'MEMORY', align: 'right'},
      {header: 'CPU TIME', align: 'right'},
      {header: 'COMMAND', wrap: true},
    ],
    processes.map(({pid, parent, state, threads, rssBytes, cpuUs, command}) => [
      String(pid),
      String(parent),
      state,
      String(threads),
      roughBytes(rssBytes),
      roughDuration(cpuUs),
      command,
    ]),
    options,
  );
