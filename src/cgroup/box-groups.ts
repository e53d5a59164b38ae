import type {OomVerdict} from '../record/outcome.js';
import {cpuTimes, cpuTotalUs, throttling} from './cpu.js';
import {processesBelow, reader} from './files.js';
import {isFrozen} from './freezer.js';
import type {EventFiles, Freeze, GroupLevel, Groups, GroupUsage, MemoryEvents, Part} from './groups.js';
import {ioUsage} from './io.js';
import {parseKernelLog, readKernelLog} from './kernel-log.js';
import {keyed, parseCount, sumKnown} from './keyed.js';
import {isPopulated, killAll, setFrozen, waitEmpty, type Doomed} from './kill.js';
import type {GroupTree} from './layout.js';
import {memoryEvents, withBelow} from './memory-events.js';
import {memoryCounters, memoryLevel, memoryUsage} from './memory.js';
import {unknownUsage} from './none.js';
import {pidsUsage} from './pids.js';
import {pressureUsage} from './pressure.js';
import {stallReading, type StallReading} from './stall.js';
import {verdict} from './verdict.js';

/** The groups of a box that exist. */
export class BoxGroups implements Groups {
  readonly #id: string;
  readonly #trees: readonly GroupTree[];

  constructor(id: string, trees: readonly GroupTree[]) {
    this.#id = id;
    this.#trees = trees;
  }

  has(part: Part): boolean {
    return this.#groups(part).length > 0;
  }

  joins(part: Part): string[] {
    return this.#leaves(part).map(({directory}) => `${directory}/cgroup.procs`);
  }

  entries(part: Part): string[] {
    return this.#leaves(part).map(({directory, version}) => `${directory}/${version === 1 ? 'tasks' : 'cgroup.procs'}`);
  }

  /** The groups that processes of a part are in. */
  #leaves(part: Part): {directory: string; version: 1 | 2}[] {
    return this.#trees.flatMap(({parts, jobs, version}) => {
      const directory = jobs.get(part) ?? (part === 'payload' && jobs.size > 0 ? undefined : parts.get(part));
      return directory === undefined ? [] : [{directory, version}];
    });
  }

  usage(part: Part): GroupUsage {
    const usage = {...unknownUsage};
    const times = this.#cpuTree();
    const timesPart = times?.parts.get(part);
    if (times !== undefined && timesPart) Object.assign(usage, cpuTimes(times.version, reader(timesPart)));
    const cpu = this.#holder('cpu');
    const cpuPart = cpu?.parts.get(part);
    if (cpu !== undefined && cpuPart) {
      const own = throttling(cpu.version, reader(cpuPart));
      Object.assign(usage, own, {throttledUs: sumKnown(own.throttledUs, throttling(cpu.version, reader(cpu.box)).throttledUs)});
    }
    for (const [controller, read] of [
      ['memory', memoryUsage],
      ['pids', pidsUsage],
      ['io', ioUsage],
    ] as const) {
      const tree = this.#holder(controller);
      const directory = tree?.parts.get(part);
      if (tree !== undefined && directory) Object.assign(usage, read(tree.version, reader(directory)));
    }
    const unified = this.#unified()?.parts.get(part);
    if (unified) Object.assign(usage, pressureUsage(2, reader(unified)));
    return usage;
  }

  level(part: Part = 'payload'): GroupLevel {
    const memory = this.#holder('memory');
    const pids = this.#holder('pids')?.parts.get(part);
    const own = memory?.parts.get(part);
    return {
      cpuUs: this.#cpuUs(part),
      ...(memory !== undefined && own ? memoryLevel(memory.version, reader(own)) : {memoryBytes: null, memoryPeakBytes: null}),
      processes: pids ? parseCount(reader(pids)('pids.current')) : null,
    };
  }

  cpuUs(): number | null {
    return this.#cpuUs('payload');
  }

  memoryEvents(): MemoryEvents {
    return memoryEvents(this.#holder('memory'));
  }

  kills(part: Part): {oomKills: number | null; ownLimit: number | null} {
    const tree = this.#holder('memory');
    const directory = tree?.parts.get(part);
    if (tree === undefined || directory === undefined) return {oomKills: null, ownLimit: null};
    const {oomKills} = withBelow(tree.version, directory);
    const own = memoryCounters(tree.version, reader(directory));
    return {oomKills, ownLimit: tree.version === 2 ? (own.oomLocal ?? own.oom) : own.limitHits};
  }

  verdict(before: MemoryEvents, after: MemoryEvents): OomVerdict | null {
    return verdict(before, after, () => parseKernelLog(readKernelLog() ?? '', this.#id));
  }

  processes(part: Part): number[] {
    return [...new Set(this.#groups(part).flatMap(({directory}) => processesBelow(directory)))].sort((a, b) => a - b);
  }

  kill(what: Part | 'box' = 'box'): void {
    killAll(this.#groups(what));
  }

  freeze(on: boolean): void {
    setFrozen(this.#groups('payload'), on);
  }

  frozen(): Freeze {
    const holders = this.#trees.filter(({version, controllers}) => version === 2 || controllers.has('freezer'));
    const frozen = holders.flatMap(({version, parts}) => {
      const payload = parts.get('payload');
      return payload === undefined ? [] : [isFrozen(version, reader(payload))];
    });
    const unified = this.#unified()?.parts.get('payload');
    return {
      frozen: frozen.every((one) => one === null) ? null : frozen.includes(true),
      frozenUs: unified ? keyed(reader(unified)('cgroup.stat.local'), 'frozen_usec') : null,
    };
  }

  eventFiles(): EventFiles {
    const of = (tree: GroupTree | undefined, file: string): string | null => {
      const payload = tree?.version === 2 ? tree.parts.get('payload') : undefined;
      return payload === undefined ? null : `${payload}/${file}`;
    };
    return {
      memory: of(this.#holder('memory'), 'memory.events'),
      processes: of(this.#holder('pids'), 'pids.events'),
      state: of(this.#unified(), 'cgroup.events'),
    };
  }

  processLimitHits(): number | null {
    const directory = this.#holder('pids')?.parts.get('payload');
    return directory ? keyed(reader(directory)('pids.events'), 'max') : null;
  }

  stallReading(): StallReading | null {
    const tree = this.#holder('memory');
    const directory = tree?.parts.get('payload');
    return tree !== undefined && directory ? stallReading(tree.version, reader(directory)) : null;
  }

  populated(what: Part | 'box' = 'box'): boolean {
    return isPopulated(this.#groups(what));
  }

  waitEmpty(timeoutMs: number, what: Part | 'box' = 'box'): Promise<boolean> {
    return waitEmpty(this.#groups(what), timeoutMs);
  }

  #cpuUs(part: Part): number | null {
    const tree = this.#cpuTree();
    const directory = tree?.parts.get(part);
    return tree !== undefined && directory ? cpuTotalUs(tree.version, reader(directory)) : null;
  }

  #holder(controller: string): GroupTree | undefined {
    return this.#trees.find(({controllers}) => controllers.has(controller));
  }

  #unified(): GroupTree | undefined {
    return this.#trees.find(({version}) => version === 2);
  }

  /** v1's cpuacct, or any v2 group: it knows its CPU time with the cpu controller or without. */
  #cpuTree(): GroupTree | undefined {
    return this.#holder('cpuacct') ?? this.#unified();
  }

  #groups(what: Part | 'box'): Doomed[] {
    return this.#trees.flatMap(({version, box, parts}) => {
      const directory = what === 'box' ? box : parts.get(what);
      return directory === undefined ? [] : [{version, directory}];
    });
  }
}
