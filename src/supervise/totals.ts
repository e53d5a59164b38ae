/** What the whole node is busy with. Starts no program, as systeminformation would for each look. */

import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {cpus, hostname, loadavg} from 'node:os';

/** Unknown is null. */
export interface NodeTotals {
  node: string;
  cpus: number | null;
  /** Of all CPUs, since the last look. */
  cpuShare: number | null;
  load: number | null;
  memoryTotalBytes: number | null;
  /** What could not be had by dropping caches. */
  memoryUsedBytes: number | null;
  swapUsedBytes: number | null;
}

/** Measures the node between two looks. */
export class Totals {
  private last = cpuTimes();

  /** What the node did since the last look; the first since this was made. */
  look(): NodeTotals {
    const now = cpuTimes();
    const spent = now.all - this.last.all;
    const idle = now.idle - this.last.idle;
    this.last = now;
    const memory = readMeminfo();
    return {
      node: hostname(),
      cpus: now.count === 0 ? null : now.count,
      cpuShare: spent > 0 ? 1 - idle / spent : null,
      load: loadavg()[0] ?? null,
      memoryTotalBytes: memory('MemTotal'),
      memoryUsedBytes: difference(memory('MemTotal'), memory('MemAvailable')),
      swapUsedBytes: difference(memory('SwapTotal'), memory('SwapFree')),
    };
  }
}

function cpuTimes(): {count: number; all: number; idle: number} {
  const all = cpus().map(({times}) => times);
  const idle = all.reduce((sum, times) => sum + times.idle, 0);
  return {count: all.length, all: all.reduce((sum, {user, nice, sys, irq}) => sum + user + nice + sys + irq, idle), idle};
}

/** proc_meminfo(5) */
function readMeminfo(): (key: string) => number | null {
  const text = ifPossible(() => readFileSync('/proc/meminfo', 'latin1')) ?? ''; // then nothing is known
  return (key) => {
    const kib = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  };
}

const difference = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a - b);
