/** A policy from its documents: merged, in plain units, completed with what is built in, and free of contradictions. */

import {below, type Locate} from '../job/at.js';
import type {Valued} from '../job/job.js';
import {Problems} from '../job/problems.js';
import {checkHostname} from '../job/hostname.js';
import {parseDuration, parseSize} from '../job/quantity.js';
import type {ExportersDocument, RuleDocument} from '../schema/generated/policy-1.js';
import {BUILTIN} from './builtin.js';
import {contradictions} from './contradictions.js';
import {mergePolicies, type PolicyPart} from './merge.js';
import type {Policy, Rule} from './policy.js';
import {readPools} from './pools.js';
import {applySetting, readRuled} from './ruled.js';

/** In the order in which later files override earlier ones. No file at all is the built-in policy. */
export function policyFromDocuments(parts: readonly PolicyPart[]): Policy {
  const {document, locate} = mergePolicies(parts);
  const problems = new Problems();
  const or = <T>(written: T | undefined, pointer: string, otherwise: Valued<T>): Valued<T> =>
    written === undefined ? otherwise : {value: written, provenance: {source: 'policy', at: locate(pointer)}};
  const directory = (name: Exclude<keyof Policy['directories'], 'spools'>): Valued<string> | null => {
    const written = document.directories?.[name];
    return written === undefined ? null : {value: written, provenance: {source: 'policy', at: locate(below('/directories', name))}};
  };
  const spools = (): Valued<string[]> | null => {
    const written = document.directories?.spool;
    return written === undefined
      ? null
      : {value: typeof written === 'string' ? [written] : written, provenance: {source: 'policy', at: locate('/directories/spool')}};
  };
  const reserve = document.reserve?.memory;
  const reserveBytes =
    reserve === undefined ? undefined : (problems.attempt(() => parseSize(reserve, locate('/reserve/memory'))) ?? undefined);
  const reserveDisk = (): Policy['reserveDisk'] => {
    const {disk, inodes} = document.reserve ?? {};
    const bytes = disk === undefined ? null : problems.attempt(() => parseSize(disk, locate('/reserve/disk')));
    const source = 'policy' as const;
    return {
      bytes: bytes === null ? null : {value: bytes, provenance: {source, at: locate('/reserve/disk')}},
      inodes: inodes === undefined ? null : {value: inodes, provenance: {source, at: locate('/reserve/inodes')}},
    };
  };
  const duration = (written: string | number | undefined, pointer: string): number | null =>
    written === undefined ? null : problems.attempt(() => parseDuration(written, locate(pointer)));
  const {cache: store, maxSize} = document.imageStore ?? {};
  const blackHole = document.batch?.blackHole;
  const hostname = document.identity?.hostname;
  const machineIds = document.identity?.machineIds;
  if (hostname !== undefined)
    problems.attempt(() => {
      checkHostname(hostname, locate('/identity/hostname'));
    });
  const policy: Policy = {
    ...applySetting(BUILTIN, readRuled(document, locate, problems)),
    site: {...BUILTIN.site, ...document.site},
    reserveBytes: or(reserveBytes, '/reserve/memory', BUILTIN.reserveBytes),
    reserveDisk: reserveDisk(),
    credentials: or(document.credentials, '/credentials', BUILTIN.credentials),
    identity: {
      user: or(document.identity?.user, '/identity/user', BUILTIN.identity.user),
      allowRoot: or(document.identity?.allowRoot, '/identity/allowRoot', BUILTIN.identity.allowRoot),
      hostname: or(document.identity?.hostname, '/identity/hostname', BUILTIN.identity.hostname),
      address: or(document.identity?.address, '/identity/address', BUILTIN.identity.address),
      machineIds: or(
        machineIds === undefined ? undefined : {count: 65_536, ...machineIds},
        '/identity/machineIds',
        BUILTIN.identity.machineIds,
      ),
      pools: readPools(document.identity?.pools ?? [], locate, problems),
    },
    directories: {
      state: directory('state'),
      spools: spools(),
      scratch: directory('scratch'),
      node: directory('node'),
      exporters: directory('exporters'),
      sealed: directory('sealed'),
      log: directory('log'),
    },
    log: {...BUILTIN.log, ...document.log},
    imageStore: {
      places: document.imageStore?.places ?? [],
      cache: store === undefined ? null : {value: store, provenance: {source: 'policy', at: locate('/imageStore/cache')}},
      maxBytes: maxSize === undefined ? null : problems.attempt(() => parseSize(maxSize, locate('/imageStore/maxSize'))),
    },
    killSwitch: or(document.killSwitch, '/killSwitch', BUILTIN.killSwitch),
    batch: {
      oom: or(document.batch?.oom, '/batch/oom', BUILTIN.batch.oom),
      tasks: or(document.batch?.tasks, '/batch/tasks', BUILTIN.batch.tasks),
      blackHole:
        blackHole === undefined
          ? null
          : {
              ...blackHole,
              withinUs: duration(blackHole.within, '/batch/blackHole/within') ?? 0,
              provenance: {source: 'policy', at: locate('/batch/blackHole')},
            },
    },
    features: {
      hs06: document.features?.hs06 ?? null,
      shutdownTime: document.features?.shutdownTime ?? null,
      graceUs: duration(document.features?.grace, '/features/grace'),
    },
    benchmarks: Object.entries<number>({...document.benchmarks}).map(([name, valuePerCore]) => ({
      name,
      valuePerCore,
      at: locate(below('/benchmarks', name)),
    })),
    exporters: readExporters(document.exporters ?? {}, duration),
    rules: (document.rules ?? []).map((rule, index) => readRule(rule, index, locate, problems)),
    pauseAt: document.debug?.pauseAt ?? [],
    files: parts.map(({file}) => file),
  };
  problems.throwIfAny();
  for (const error of contradictions(policy)) problems.add(error);
  problems.throwIfAny();
  return policy;
}

/** As they are written, but for durations. */
function readExporters(
  written: ExportersDocument,
  duration: (written: string | number | undefined, pointer: string) => number | null,
): Policy['exporters'] {
  const exporters: Policy['exporters'] = {};
  for (const [name, settings] of Object.entries<object>(written as Record<string, object>)) exporters[name] = {...settings};
  if (written.auditor !== undefined)
    exporters['auditor'] = {...written.auditor, timeout: duration(written.auditor.timeout, '/exporters/auditor/timeout')};
  return exporters;
}

function readRule({name, match, refuse, ...written}: RuleDocument, index: number, locate: Locate, problems: Problems): Rule {
  const inRule: Locate = (pointer) => locate(below('/rules', index) + pointer);
  return {
    name: name ?? `rule ${index + 1}`,
    at: inRule(''),
    match: {vo: match.vo ?? null, user: match.user ?? null, queue: match.queue ?? null, pattern: match.pattern ?? null},
    refuse: refuse === undefined ? null : {value: refuse, provenance: {source: 'policy', at: inRule('/refuse')}},
    set: readRuled(written, inRule, problems),
  };
}
