import {existsSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import type {CgroupEvacuate} from '../schema/generated/plan-1.js';
import {stepBack} from './aside.js';
import {cpuTimes, cpuTotalUs, throttledUs} from './cpu.js';
import {processesBelow, reader} from './files.js';
import type {Groups, GroupUsage, Leaf, MemoryEvents, SeenPeaks, Verdict} from './groups.js';
import {ioUsage} from './io.js';
import {parseKernelLog, readKernelLog} from './kernel-log.js';
import {keyed, sumKnown} from './keyed.js';
import {killAll, setFrozen, type Doomed} from './kill.js';
import type {Tree} from './layout.js';
import {memoryEvents} from './memory-events.js';
import {memoryUsage} from './memory.js';
import {unknownUsage} from './none.js';
import {pidsUsage} from './pids.js';
import {removeBoxes} from './remove.js';
import {verdict} from './verdict.js';

/** The groups of a box that exist. */
export class BoxGroups implements Groups {
  readonly joins: Record<Leaf, string[]>;
  readonly #id: string;
  readonly #trees: readonly Tree[];
  readonly #evacuations: readonly CgroupEvacuate[];
  #seen: SeenPeaks = {memoryBytes: null, pids: null};

  constructor(id: string, trees: readonly Tree[], evacuations: readonly CgroupEvacuate[]) {
    this.#id = id;
    this.#trees = trees;
    this.#evacuations = evacuations;
    const join = (place: (tree: Tree) => string | null): string[] =>
      trees.flatMap((tree) => place(tree) ?? []).map((directory) => `${directory}/cgroup.procs`);
    this.joins = {engine: join(({leaves}) => leaves.engine), payload: join(({job, leaves}) => job ?? leaves.payload)};
  }

  usage(leaf: Leaf): GroupUsage {
    const usage = {...unknownUsage};
    const times = this.#cpuTree();
    const timesLeaf = times?.leaves[leaf];
    if (times !== undefined && timesLeaf) Object.assign(usage, cpuTimes(times.version, reader(timesLeaf)));
    const cpu = this.#holder('cpu');
    const cpuLeaf = cpu?.leaves[leaf];
    if (cpu !== undefined && cpuLeaf) {
      usage.throttledUs = sumKnown(throttledUs(cpu.version, reader(cpuLeaf)), throttledUs(cpu.version, reader(cpu.box)));
    }
    for (const [controller, read] of [
      ['memory', memoryUsage],
      ['pids', pidsUsage],
      ['io', ioUsage],
    ] as const) {
      const tree = this.#holder(controller);
      const directory = tree?.leaves[leaf];
      if (tree !== undefined && directory) Object.assign(usage, read(tree.version, reader(directory)));
    }
    return usage;
  }

  look(): boolean {
    const peakless = (controller: string, peaks: readonly string[]): Tree | undefined => {
      const tree = this.#holder(controller);
      return tree?.leaves.payload && peaks.every((file) => !existsSync(`${tree.leaves.payload ?? ''}/${file}`)) ? tree : undefined;
    };
    const memory = peakless('memory', ['memory.peak', 'memory.max_usage_in_bytes']);
    const pids = peakless('pids', ['pids.peak']);
    const {memoryBytes, pids: count} = this.#seen;
    this.#seen = {
      memoryBytes: larger(
        memoryBytes,
        memory?.leaves.payload ? memoryUsage(memory.version, reader(memory.leaves.payload)).memCurrentBytes : null,
      ),
      pids: larger(count, pids?.leaves.payload ? pidsUsage(pids.version, reader(pids.leaves.payload)).pidsNow : null),
    };
    return memory !== undefined || pids !== undefined;
  }

  seen(): SeenPeaks {
    return this.#seen;
  }

  cpuUs(): number | null {
    const tree = this.#cpuTree();
    const directory = tree?.leaves.payload;
    return tree !== undefined && directory ? cpuTotalUs(tree.version, reader(directory)) : null;
  }

  memoryEvents(): MemoryEvents {
    return memoryEvents(this.#holder('memory'));
  }

  verdict(before: MemoryEvents, after: MemoryEvents): Verdict | null {
    return verdict(before, after, () => parseKernelLog(readKernelLog() ?? '', this.#id));
  }

  processes(leaf: Leaf): number[] {
    return [...new Set(this.#groups(leaf).flatMap(({directory}) => processesBelow(directory)))].sort((a, b) => a - b);
  }

  kill(what: 'payload' | 'box' = 'box'): void {
    killAll(this.#groups(what));
  }

  freeze(on: boolean): void {
    setFrozen(this.#groups('payload'), on);
  }

  populated(what: Leaf | 'box' = 'box'): boolean {
    return this.#groups(what).some(({version, directory}) => {
      // v2 says it itself, for processes that have no number in our PID namespace too.
      const populated = version === 2 ? keyed(reader(directory)('cgroup.events'), 'populated') : null;
      return populated === null ? processesBelow(directory).length > 0 : populated === 1;
    });
  }

  async waitEmpty(timeoutMs: number, what: Leaf | 'box' = 'box'): Promise<boolean> {
    const start = performance.now();
    for (let delay = 1; this.populated(what); delay = Math.min(delay * 2, 20)) {
      const left = timeoutMs - (performance.now() - start);
      if (left <= 0) return false;
      await sleep(Math.min(delay, left));
    }
    return true;
  }

  async remove(): Promise<string[]> {
    const left = await removeBoxes(
      this.#trees.map(({box}) => box),
      this.#id,
    );
    this.#evacuations.forEach(stepBack);
    return left;
  }

  #holder(controller: string): Tree | undefined {
    return this.#trees.find(({controllers}) => controllers.has(controller));
  }

  /** v1's cpuacct, or any v2 group: it knows its CPU time with the cpu controller or without. */
  #cpuTree(): Tree | undefined {
    return this.#holder('cpuacct') ?? this.#trees.find(({version}) => version === 2);
  }

  #groups(what: Leaf | 'box'): Doomed[] {
    return this.#trees.flatMap(({version, box, leaves}) => {
      const directory = what === 'box' ? box : leaves[what];
      return directory === null ? [] : [{version, directory}];
    });
  }
}

function larger(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}
