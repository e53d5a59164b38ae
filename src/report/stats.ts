/** What live jobs use now, as a table: `tare stats`. */

import {roughBytes, shortId, type JobRow} from './jobs.js';
import {clip, known, percent, renderTable, right, UNKNOWN, type Column, type TableOptions} from './table.js';

/** A live job with what it read from and wrote to block devices, bytes; null: not known. */
export interface StatsRow extends JobRow {
  ioReadBytes: number | null;
  ioWriteBytes: number | null;
}

/** @param rates CPUs that each job used since the last look, by its id */
export function renderStats(jobs: readonly StatsRow[], rates: ReadonlyMap<string, number>, options: TableOptions = {}): string {
  const columns: Column[] = [
    {header: 'ID'},
    {header: 'NAME'},
    right('%CPU'),
    right('MEMORY'),
    right('LIMIT'),
    right('%MEM'),
    right('READ'),
    right('WRITTEN'),
    right('TASKS'),
    {header: 'STATE'},
  ];
  const rows = jobs.map((job) => {
    const {id, name, memoryBytes, memoryLimitBytes, ioReadBytes, ioWriteBytes, processes, state} = job;
    const share = memoryBytes === null || !memoryLimitBytes ? null : memoryBytes / memoryLimitBytes;
    return [
      shortId(job) ?? UNKNOWN,
      clip(name ?? UNKNOWN),
      known(rates.get(id ?? '') ?? null, percent),
      known(memoryBytes, roughBytes),
      known(memoryLimitBytes, roughBytes),
      known(share, percent),
      known(ioReadBytes, roughBytes),
      known(ioWriteBytes, roughBytes),
      known(processes, String),
      state,
    ];
  });
  return renderTable(columns, rows, options);
}
