/** What this node can do: reads everything once, decides nothing. */

import {familyOf} from './occupants.js';
import {cached, openCache, type Cached} from './cache.js';
import {readCgroup} from './cgroup.js';
import {readContainers} from './container.js';
import {readCpu, readCpuModel} from './cpu.js';
import {readDevices} from './devices.js';
import {askVersion, readEngine, setuidEngine, type EngineInputs, type Sought, type Spawn} from './engine.js';
import type {Facts} from './facts.js';
import {fixtureTree, readAccess} from './fixture.js';
import {findHierarchies, findOtherHierarchies} from './hierarchy.js';
import {readIdentity, type Caller} from './identity.js';
import {readKernel, readNode} from './kernel.js';
import {readLandlock} from './landlock.js';
import {readMemory} from './memory.js';
import {parseMountinfo} from './mountinfo.js';
import {readNamespaces, readNewProc} from './namespaces.js';
import {readNetwork} from './network.js';
import {readRoot} from './root.js';
import {readScratch} from './scratch.js';
import {readSeccomp} from './seccomp.js';
import {readSlot} from './slot.js';
import {readStatus} from './status.js';
import {readSubordinate} from './subordinate.js';
import {realTree, type Tree} from './tree.js';
import {readViews, type Trial, type TrialKind} from './views.js';
import {readWithin, type Shim} from './within.js';

export type {Tree} from './tree.js';
export type {Trial} from './views.js';

/** What `readFacts` looks at, and what it may run for it. */
export interface FactsOptions {
  /** A directory that stands for `/`: the machine itself, or a capture of another. */
  root?: string;
  /** Engines that are looked for. */
  engines: readonly Sought[];
  /** The account that runs the wrapper. */
  caller: Caller;
  scratchDirectory: string;
  /** CPUs that live boxes are pinned to. */
  pinned: readonly number[];
  /** The shim of this very call: one among its ancestors means that the call is in a box. */
  shim?: Shim | undefined;
  /** Runs a program, for its version; without, versions are unknown (or the capture's). */
  spawn?: Spawn | undefined;
  /** Asks the kernel for the version of its Landlock; without, none is known. */
  landlock?: (() => string | null) | undefined;
  /** How to try an overlay, when the job asks for a view; absent: facts of views are not gathered. */
  trial?: Trial | undefined;
  /** The job asks for a small machine. */
  system?: boolean | undefined;
  /** Also what can give a box an address of its own, which is tried out. */
  network?: boolean;
  /** As Node.js calls it; absent: one for which there is all that Tare has. */
  processor?: string;
  /** File for facts that hold until the next boot; only for the machine itself. */
  cacheFile?: string | undefined;
}

/** The facts of this machine, or of a captured one. Reads only, but for the cache file. */
export function readFacts({root = '/', ...options}: FactsOptions): Facts {
  if (root === '/') return factsFrom(realTree('/'), {processor: process.arch, ...options});
  const access = readAccess(root);
  if (access === null) return factsFrom(realTree(root), {...options, cacheFile: undefined});
  return factsFrom(fixtureTree(root, access), {...options, cacheFile: undefined}, (_, path) => access.programs[path]?.version ?? null);
}

/** The facts that a tree gives. @param versions of engines, where no program can be asked */
export function factsFrom(tree: Tree, options: Omit<FactsOptions, 'root'>, versions?: EngineInputs['version']): Facts {
  const {caller, scratchDirectory, pinned, shim, spawn, trial, system, cacheFile} = options;
  const node = readNode(tree);
  const cache = cacheFile === undefined || node.bootId === null ? null : openCache(cacheFile, node.bootId, caller.uid);
  const kernel = readKernel(tree);
  const status = readStatus(tree);
  const mounts = parseMountinfo(tree.text('/proc/self/mountinfo') ?? '');
  const hierarchies = findHierarchies(tree, mounts);
  const engines = options.engines.map((engine) =>
    readEngine(engine, {tree, mounts, status, caller, version: versions ?? askVersion(spawn, cache)}),
  );
  const setuid = setuidEngine(engines);
  const apparmor = options.engines.map(({name, program}) => ({name, ...program.apparmor}));
  const namespaces = readNamespaces({tree, mounts, status, caller, kernel: kernel.version, setuid, apparmor});
  const identity = readIdentity(tree, caller);
  const facts: Facts = {
    within: readWithin(tree, mounts, hierarchies, shim),
    kernel,
    node,
    caller: identity,
    cgroup: readCgroup(
      tree,
      hierarchies,
      kernel.version,
      {uid: caller.uid, family: familyOf(tree, shim?.pid)},
      findOtherHierarchies(tree, mounts),
    ),
    unifiedAt: mounts.find(({point, type}) => type === 'cgroup2' && point !== '/sys/fs/cgroup')?.point ?? null,
    namespaces,
    newProc: readNewProc(mounts, namespaces, setuid),
    engines,
    seccomp: readSeccomp(status, options.processor),
    landlock: readLandlock(tree, status, options.landlock, cache),
    cpu: readCpu(
      tree,
      status,
      pinned,
      cached(cache, 'cpu model', () => readCpuModel(tree)),
    ),
    memory: readMemory(tree),
    slot: readSlot(tree, hierarchies),
    scratch: {...readScratch(tree, mounts, scratchDirectory), containers: readContainers(tree, status, namespaces)},
    views:
      trial === undefined
        ? null
        : readViews({
            ...{tree, mounts, status, caller, namespaces, scratchDirectory},
            home: identity.home,
            kernel: kernel.version,
            trial: cachedTrial(cache, trial),
          }),
    system: system === true ? readSystem(tree, identity) : null,
    network: options.network === true ? readNetwork({tree, status, caller, namespaces, setuid, spawn, cache}) : null,
    devices: readDevices(tree),
    root: readRoot(tree),
  };
  cache?.save();
  return facts;
}

/** What a small machine needs of the node; the init of its image is known later. */
const readSystem = (tree: Tree, identity: Facts['caller']): NonNullable<Facts['system']> => ({
  subordinate: readSubordinate(tree, identity),
  init: null,
});

/** A cached trial. Only a success is cached: the cause of a failure may be mended before the next boot. */
function cachedTrial(cache: Cached | null, trial: Trial): Trial {
  return (kind: TrialKind, directory, options) => {
    const key = `overlay ${kind} ${options} ${directory}`;
    if (cache?.get(key) === 'ok') return 'ok';
    const said = trial(kind, directory, options);
    if (said === 'ok') cache?.put(key, said);
    return said;
  };
}
