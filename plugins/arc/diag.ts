/**
 * Figures for a job's `.diag`, which A-REX's accounting is made of: whole seconds and kB, the last line of a key counts. Each is there twice:
 * as ARC knows it, for a job that is killed before its script ends; and as `tare_KEY`, which neither GNU time nor a scan of a batch system
 * replaces, and from which the job's script (or a callout of A-REX) makes the last word. Never `exitcode`: a scan takes the first for the job's. Pure.
 */

import type {Progress} from '@tare/contract';

/** What A-REX takes from a job's `.diag` file; null: the line is left out. */
export type Figures = Omit<Progress, 'recordId'>;

/** Begins what belongs together. */
const MARKER = 'tare_record=';
/** Bytes of what is written again and again in its place: more than its longest text. */
const ROOM = 512;

function figureLines({wallUs, cpuUserUs, cpuSystemUs, memPeakBytes}: Figures): string[] {
  const seconds = (us: number | null): string | null => (us === null ? null : `${String(Math.round(us / 1e6))}s`);
  const all: [key: string, value: string | null][] = [
    ['WallTime', seconds(wallUs)],
    ['UserTime', seconds(cpuUserUs)],
    ['KernelTime', seconds(cpuSystemUs)],
    ['MaxResidentMemory', memPeakBytes === null ? null : `${String(Math.ceil(memPeakBytes / 1024))}kB`],
  ];
  const known = all.flatMap(([key, value]) => (value === null ? [] : [`${key}=${value}`]));
  return [...known, ...known.map((line) => `tare_${line}`)];
}

/** How far the job has come: always as long, so that it can be written over. */
export function progressBlock(recordId: string, figures: Figures): string {
  const lines = [MARKER + recordId, ...figureLines(figures), 'tare_room='].join('\n');
  return `${lines.padEnd(ROOM - 1)}\n`;
}

/** Offset in bytes of this record's progress in the file; null: it has none yet. */
export function progressOffset(diag: string, recordId: string): number | null {
  const line = `${MARKER}${recordId}\n`;
  const at = diag.startsWith(line) ? 0 : diag.indexOf(`\n${line}`) + 1;
  if (at === 0 && !diag.startsWith(line)) return null;
  return Buffer.byteLength(diag.slice(0, at));
}

/** The last word. `reason`: why the job failed, for people; one line. */
export function finalBlock(recordId: string, figures: Figures, reason: string | null): string {
  const why = reason === null ? [] : [`tare_reason=${reason.replaceAll(/[\s\p{Cc}]+/gu, ' ').slice(0, 300)}`];
  return `${[MARKER + recordId, ...figureLines(figures), ...why].join('\n')}\n`;
}
