/**
 * A job's summary as prmon 3.3 writes it (README of HSF/prmon, "Outputs"), for what reads `memory_monitor_summary.json`: the PanDA pilot takes
 * all of its memory for unknown when one of eight figures is missing, so nothing is written where one was not measured. No figure is made up,
 * and what prmon has and we do not is left out.
 */

import type {Converted, ExportItem, ExportRecord, Exporter, ExporterSettings, UsageFigure} from '@tare/contract';

/** prmon's names, and ours for the peak and the average. */
const MEMORY: Readonly<Record<string, [peak: UsageFigure, average: UsageFigure]>> = {
  pss: ['pssPeakBytes', 'pssAverageBytes'],
  rss: ['rssPeakBytes', 'rssAverageBytes'],
  swap: ['swapPeakBytes', 'swapAverageBytes'],
  vmem: ['vmemPeakBytes', 'vmemAverageBytes'],
};

/** Why there is no summary of it; null when there is. */
export function notForPrmon({usage, time}: ExportRecord): string | null {
  if (time.startEpochUs === null) return 'nothing was run';
  const missing = Object.values(MEMORY)
    .flat()
    .filter((figure) => usage[figure] === null);
  return missing.length === 0 ? null : `not measured: ${missing.join(', ')}`;
}

/** The summary of a record that has all figures of memory. */
export function prmonSummary({usage, time, host}: ExportRecord): Converted {
  if (time.wallUs === null) return {refused: 'its wall time is not known'};
  const memory = (which: 0 | 1): Record<string, number> =>
    Object.fromEntries(Object.entries(MEMORY).map(([name, figures]) => [name, Math.ceil((usage[figures[which]] ?? 0) / 1024)]));
  const seconds = time.wallUs / 1e6;
  const peak: Record<string, number> = {...memory(0), wtime: Math.round(seconds)};
  const average: Record<string, number> = memory(1);
  const say = (name: string, value: number | null): void => {
    if (value !== null) peak[name] = value;
  };
  say('utime', usage.cpuUserUs === null ? null : Math.round(usage.cpuUserUs / 1e6));
  say('stime', usage.cpuSystemUs === null ? null : Math.round(usage.cpuSystemUs / 1e6));
  for (const [name, bytes] of [
    ['read_bytes', usage.ioReadBytes],
    ['write_bytes', usage.ioWriteBytes],
  ] as const) {
    say(name, bytes);
    if (bytes !== null && seconds > 0) average[name] = Math.round(bytes / seconds);
  }
  const summary = {
    Avg: average,
    HW: host.cpuModel === null ? {} : {cpu: {ModelName: host.cpuModel}},
    Max: peak,
    prmon: {Version: `tare-${host.tareVersion}`},
  };
  return {text: JSON.stringify(summary, null, 4), changed: []};
}

/** Opens the exporter that writes a memory_monitor_summary.json, as prmon does, for each record. */
export function openPrmon(settings: ExporterSettings): Exporter {
  const directory = settings['directory'] as string;
  return {
    name: 'prmon',
    api: 1,
    batchRecords: 100,
    batchBytes: 1024 * 1024,
    corrections: 'deliver',
    warnings: [],
    select: notForPrmon,
    convert: ({record}) => prmonSummary(record),
    join: (texts) => texts.map((text) => `${text}\n`).join(''),
    deliver: (items: readonly ExportItem[], effects) => {
      effects.makeDirectory(directory);
      for (const {id, text} of items) effects.replace(`${directory}/${id}.memory_monitor_summary.json`, `${text}\n`);
      return Promise.resolve(items.map(() => ({is: 'delivered'})));
    },
  };
}
