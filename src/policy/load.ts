/** A policy from its documents: merged, in plain units, completed with what is built in, and free of contradictions. */

import {below, type Locate} from '../job/at.js';
import {checkHostname} from '../job/hostname.js';
import type {Valued} from '../job/job.js';
import {Problems} from '../job/problems.js';
import type {ExportersDocument, RuleDocument} from '../schema/generated/policy-1.js';
import {BUILTIN} from './builtin.js';
import {contradictions} from './contradictions.js';
import {mergePolicies, type MergedPolicy, type PolicyPart} from './merge.js';
import type {Policy, Rule} from './policy.js';
import {readPools} from './pools.js';
import {Reader} from './reader.js';
import {applySetting, readRuled} from './ruled.js';

type Merged = MergedPolicy['document'];

/** The policy of some files, of which later ones override earlier ones. Without a file it is the built-in policy. */
export function policyFromDocuments(parts: readonly PolicyPart[]): Policy {
  const {document, locate} = mergePolicies(parts);
  const problems = new Problems();
  const reader = new Reader(locate, problems);
  const reserveBytes = reader.size(document.reserve?.memory, '/reserve/memory') ?? undefined;
  const hostname = document.identity?.hostname;
  if (hostname !== undefined) problems.attempt(() => checkHostname(hostname, locate('/identity/hostname')));
  const policy: Policy = {
    ...applySetting(BUILTIN, readRuled(document, locate, problems)),
    site: {...BUILTIN.site, ...document.site},
    reserveBytes: reader.or(reserveBytes, '/reserve/memory', BUILTIN.reserveBytes),
    reserveDisk: readReserveDisk(document, reader),
    credentials: reader.or(document.credentials, '/credentials', BUILTIN.credentials),
    identity: readIdentity(document, reader),
    directories: readDirectories(document, reader),
    log: {...BUILTIN.log, ...document.log},
    logs: readLogs(document, reader),
    imageStore: {
      places: document.imageStore?.places ?? [],
      cache: reader.given(document.imageStore?.cache, '/imageStore/cache'),
      maxBytes: reader.size(document.imageStore?.maxSize, '/imageStore/maxSize'),
    },
    killSwitch: reader.or(document.killSwitch, '/killSwitch', BUILTIN.killSwitch),
    batch: readBatch(document, reader),
    features: {
      hs06: document.features?.hs06 ?? null,
      shutdownTime: document.features?.shutdownTime ?? null,
      graceUs: reader.duration(document.features?.grace, '/features/grace'),
    },
    benchmarks: Object.entries<number>({...document.benchmarks}).map(([name, valuePerCore]) => ({
      name,
      valuePerCore,
      at: locate(below('/benchmarks', name)),
    })),
    exporters: readExporters(document.exporters ?? {}, reader),
    rules: (document.rules ?? []).map((rule, index) => readRule(rule, index, locate, problems)),
    pauseAt: document.debug?.pauseAt ?? [],
    files: parts.map(({file}) => file),
  };
  problems.throwIfAny();
  for (const error of contradictions(policy)) problems.add(error);
  problems.throwIfAny();
  return policy;
}

function readReserveDisk({reserve}: Merged, reader: Reader): Policy['reserveDisk'] {
  const bytes = reader.size(reserve?.disk, '/reserve/disk') ?? undefined;
  return {bytes: reader.given(bytes, '/reserve/disk'), inodes: reader.given(reserve?.inodes, '/reserve/inodes')};
}

function readIdentity({identity}: Merged, reader: Reader): Policy['identity'] {
  const machineIds = identity?.machineIds === undefined ? undefined : {count: 65_536, ...identity.machineIds};
  return {
    user: reader.or(identity?.user, '/identity/user', BUILTIN.identity.user),
    allowRoot: reader.or(identity?.allowRoot, '/identity/allowRoot', BUILTIN.identity.allowRoot),
    hostname: reader.or(identity?.hostname, '/identity/hostname', BUILTIN.identity.hostname),
    address: reader.or(identity?.address, '/identity/address', BUILTIN.identity.address),
    machineIds: reader.or(machineIds, '/identity/machineIds', BUILTIN.identity.machineIds),
    pools: readPools(identity?.pools ?? [], reader.locate, reader.problems),
  };
}

function readLogs({logs}: Merged, reader: Reader): Policy['logs'] {
  return {
    keep: logs?.keep ?? BUILTIN.logs.keep,
    maxBytes: reader.size(logs?.maxSize, '/logs/maxSize') ?? BUILTIN.logs.maxBytes,
    totalBytes: reader.size(logs?.totalSize, '/logs/totalSize') ?? BUILTIN.logs.totalBytes,
    forUs: reader.duration(logs?.keepFor, '/logs/keepFor') ?? BUILTIN.logs.forUs,
  };
}

function readDirectories({directories}: Merged, reader: Reader): Policy['directories'] {
  const directory = (name: Exclude<keyof Policy['directories'], 'spools'>): Valued<string> | null =>
    reader.given(directories?.[name], below('/directories', name));
  const spool = directories?.spool;
  return {
    state: directory('state'),
    spools: reader.given(typeof spool === 'string' ? [spool] : spool, '/directories/spool'),
    scratch: directory('scratch'),
    node: directory('node'),
    exporters: directory('exporters'),
    sealed: directory('sealed'),
    log: directory('log'),
  };
}

function readBatch({batch}: Merged, reader: Reader): Policy['batch'] {
  const blackHole = batch?.blackHole;
  return {
    oom: reader.or(batch?.oom, '/batch/oom', BUILTIN.batch.oom),
    tasks: reader.or(batch?.tasks, '/batch/tasks', BUILTIN.batch.tasks),
    blackHole:
      blackHole === undefined
        ? null
        : {
            ...blackHole,
            withinUs: reader.duration(blackHole.within, '/batch/blackHole/within') ?? 0,
            provenance: {source: 'policy', at: reader.locate('/batch/blackHole')},
          },
  };
}

/** Settings of exporters as they are written, with durations parsed. */
function readExporters(written: ExportersDocument, reader: Reader): Policy['exporters'] {
  const exporters: Policy['exporters'] = {};
  for (const [name, settings] of Object.entries<object>(written as Record<string, object>)) exporters[name] = {...settings};
  if (written.auditor !== undefined)
    exporters['auditor'] = {...written.auditor, timeout: reader.duration(written.auditor.timeout, '/exporters/auditor/timeout')};
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
