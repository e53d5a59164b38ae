/**
 * What a payload holds that no size of a process shows, and no walk finds: memory in files of a tmpfs, in memfds, in objects of System V, in
 * sockets, pipes and page tables; space on scratch of files that are deleted and open, and in directories that it has locked. A program of our
 * own looks (native/README.md, `tare-held`), which takes some milliseconds: so it is asked when the node's totals say that there may be something,
 * and else seldom.
 */

import type {ChildProcess} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {formatBytes} from '../job/quantity.js';
import {monotonicUs} from '../process/clock.js';
import {startTool} from '../process/tool.js';

/** Ways to hold memory, and how a reason names them. */
const WAYS = {
  tmpfs: 'file systems in memory',
  memfd: 'memfds',
  sysv: 'System V shared memory, queues and semaphores',
  sockets: 'socket buffers',
  pipes: 'pipes',
  tables: 'page tables',
} as const;
type Way = keyof typeof WAYS;
/** Pages of these can also be mapped; they are then in the proportional sizes of the processes that map them. */
const MAPPABLE: readonly Way[] = ['tmpfs', 'memfd', 'sysv'];

/** What one look found, in bytes. */
export interface Held {
  /** Bytes in each way; what is mapped besides is taken off already. */
  ways: Readonly<Record<Way, number>>;
  /** All of it. */
  bytes: number;
  /** Deleted files that are open: the bytes of each, by what names it. */
  deleted: ReadonlyMap<string, number>;
  lockedBytes: number;
  lockedFiles: number;
  /** What could not be looked at, in words of native/README.md. */
  unseen: readonly string[];
  /** CPU time that the look took. */
  cpuUs: number;
}

/** Part of a CPU that looks may take, where something may be held; the longest time between two looks; what a start of the program takes. */
const DUTY = 0.02;
const START_US = 3000;
const SELDOM_US = 10_000_000;
/** Wall time for a look: no other work waits for it, and a file system of the payload's can delay a part of it by 2 s. */
const DEADLINE_MS = 10_000;

/** What looks cost, and their highest sum, for the record. */
export interface HeldReport {
  reads: number;
  us: number;
  peakBytes: number | null;
  unseen: readonly string[];
}

/** The looks, one at a time. */
export class Holdings {
  private readonly inits: () => readonly number[];
  private readonly directories: readonly string[];
  private child: ChildProcess | null = null;
  private busy = false;
  private ended = false;
  private lastUs = monotonicUs();
  private costUs = 0;
  private reads = 0;
  private sumUs = 0;
  private peakBytes: number | null = null;
  private hideableBytes = hideableBytes();
  private readonly unseen = new Set<string>();
  /** At the last look. */
  lastBytes = 0;

  /**
   * @param inits process 1 of the box, and of all that joined it
   * @param directories of scratch, in which deleted files count
   */
  constructor(inits: () => readonly number[], directories: readonly string[] = []) {
    this.inits = inits;
    this.directories = directories;
  }

  /** Whether more than that may be held, by the last look and by how the node's totals have grown since. */
  suspects(roomBytes: number): boolean {
    const now = hideableBytes();
    const grown = now === null || this.hideableBytes === null ? 0 : Math.max(0, now - this.hideableBytes);
    return this.lastBytes + grown > roomBytes;
  }

  /** Whether to look. */
  isDue(suspicion: boolean): boolean {
    if (this.busy || this.ended) return false;
    return monotonicUs() - this.lastUs >= (suspicion ? this.costUs / DUTY : Math.max(SELDOM_US, this.costUs / DUTY));
  }

  /**
   * @param locked directories that could not be walked
   * @returns null when it could not be found out
   */
  async look(locked: readonly string[] = []): Promise<Held | null> {
    this.busy = true;
    const hideable = hideableBytes();
    const held = parseHeld(await this.ask(locked).catch(() => ''));
    this.lastUs = monotonicUs();
    this.costUs = START_US + (held?.cpuUs ?? 0);
    this.sumUs += this.costUs;
    this.reads++;
    this.busy = false;
    if (held === null) {
      if (!this.ended) this.unseen.add('all');
    } else {
      this.hideableBytes = hideable;
      this.lastBytes = held.bytes;
      this.peakBytes = Math.max(this.peakBytes ?? 0, held.bytes);
      for (const what of held.unseen) this.unseen.add(what);
    }
    return held;
  }

  /** All looks so far. */
  report(): HeldReport {
    return {reads: this.reads, us: this.sumUs, peakBytes: this.peakBytes, unseen: [...this.unseen].sort()};
  }

  /** Ends a look that is under way: it uses the box's mounts, which could not be removed meanwhile. */
  end(): void {
    this.ended = true;
    this.kill();
  }

  /** What the program prints; not all of it when it did not end. */
  private ask(locked: readonly string[]): Promise<string> {
    const words = [...this.directories.flatMap((path) => ['watched', path]), ...locked.flatMap((path) => ['locked', path])];
    return new Promise((resolve) => {
      let text = '';
      const child = (this.child = startTool('tare-held', [this.inits().join(','), String(DEADLINE_MS), ...words]));
      // this process does not wait for it at its end
      child.unref();
      (child.stdout as unknown as {unref(): void} | null)?.unref();
      const timer = setTimeout(() => {
        this.kill();
        end();
      }, 2 * DEADLINE_MS).unref();
      const end = (): void => {
        clearTimeout(timer);
        this.child = null;
        resolve(text);
      };
      child.stdout?.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      child.on('error', end);
      child.on('close', end);
    });
  }

  /** The program and its children, which are its group. */
  private kill(): void {
    const {pid, exitCode} = this.child ?? {};
    if (pid !== undefined && exitCode === null) ifPossible(() => process.kill(-pid, 'SIGKILL')); // it has just ended
  }
}

/** What the program printed; null when it is not all there. */
export function parseHeld(text: string): Held | null {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const number = (name: string): number => Number(lines.find(([key]) => key === name)?.[1] ?? 0);
  if (!lines.some(([key]) => key === 'end')) return null;
  const ways = Object.fromEntries(Object.keys(WAYS).map((way) => [way, number(way)])) as Record<Way, number>;
  let mapped = number('mapped');
  for (const way of [...MAPPABLE].sort((a, b) => ways[b] - ways[a])) {
    const taken = Math.min(mapped, ways[way]);
    ways[way] -= taken;
    mapped -= taken;
  }
  return {
    ways,
    bytes: Object.values(ways).reduce((total, bytes) => total + bytes, 0),
    deleted: new Map(lines.flatMap(([key, name, bytes]) => (key === 'deleted' && name !== undefined ? [[name, Number(bytes)]] : []))),
    lockedBytes: number('locked'),
    lockedFiles: number('lockedFiles'),
    cpuUs: number('cpu'),
    unseen: lines.flatMap(([key, value]) => (key === 'unseen' && value !== undefined ? [value] : [])),
  };
}

/** The largest ways first; those that do not matter are left out. */
export function explainHeld({ways, bytes}: Held): string {
  const named = (Object.keys(WAYS) as Way[]).filter((way) => ways[way] > bytes / 20).sort((a, b) => ways[b] - ways[a]);
  return named.map((way) => `${formatBytes(ways[way])} in ${WAYS[way]}`).join(', ');
}

/**
 * Memory of the node that can belong to a payload without being in a size of a process: what files in memory have, and what no other line of
 * proc_meminfo(5) has (pipes, sockets, page tables, the kernel's own). Its growth says that something may be held; null: unknown.
 */
function hideableBytes(): number | null {
  const text = ifPossible(() => readFileSync('/proc/meminfo', 'latin1'));
  if (text === null) return null;
  const kib = (name: string): number => {
    const at = text.indexOf(`${name}:`);
    return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length + 1), 10);
  };
  const known = ['MemFree', '\nBuffers', '\nCached', 'SwapCached', 'AnonPages', 'SReclaimable'].reduce(
    (total, name) => total + kib(name),
    0,
  );
  return (kib('MemTotal') - known + kib('\nShmem')) * 1024;
}
