/** Records for tests of what happens to them afterwards. */

import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExportRecord} from '@tare/contract';
import {viewOf} from '../../src/export/view.js';
import {canonicalJson} from '../../src/plan/canonical.js';
import {endedOutcome} from '../../src/record/outcome.js';
import {finalRecord, NO_TARE, NO_USAGE, startedRecord, type UsageRecord} from '../../src/record/record.js';
import {recordId} from '../../src/record/uuid.js';
import {grid, plan, USER} from '../unit/plan/build.js';

const START = 1_789_999_000;
const HOUR_US = 3_600_000_000;

/** The job of the reference: an hour of eight cores, ended long ago. */
export function pilot(number = 2376): UsageRecord {
  const started = startedRecord(
    {
      lrms: {
        type: 'htcondor',
        host: 'ce01.example.org',
        queue: 'grid',
        localJobId: `${number}.0`,
        globalJobId: `ce01.example.org#${number}.0#${START}`,
        attempt: 1,
      },
      identity: {...USER, name: 'atlasprd01'},
      grid: {...grid('atlas'), global: '/DC=ch/DC=cern/OU=Users/CN=pilot', fqan: '/atlas/Role=pilot'},
      parent: null,
      name: 'pilot',
      host: {node: 'wn017', bootId: '5f3c', kernel: '6.1.0', cpuModel: 'a CPU', tareVersion: '0.1.0'},
      trust: 'root',
      site: {name: 'EXAMPLE-SITE', infrastructure: null, description: null},
      benchmarks: [
        {name: 'HEPSPEC', valuePerCore: 13.9, source: 'a test'},
        {name: 'HEPscore23', valuePerCore: 14.37, source: 'a test'},
      ],
    },
    plan({job: {limits: {cores: 8, memory: '16GiB'}}}),
  );
  return finalRecord(started, {
    time: {
      startEpochUs: START * 1e6 + 250_000,
      endEpochUs: START * 1e6 + 250_000 + HOUR_US,
      wallUs: HOUR_US,
      suspendedUs: 0,
      suspendedSource: null,
      suspendedCounted: null,
      clockStepUs: 0,
    },
    usage: {
      ...NO_USAGE,
      cpuUserUs: 25_000_123_456,
      cpuSystemUs: 1_000_000_000,
      cpuSource: 'cgroup2:cpu.stat',
      memPeakBytes: 12_884_901_888,
      memPeakSource: 'cgroup2:memory.peak',
      vmemPeakBytes: 21_474_836_480,
      ioReadBytes: 3_600_000_000,
      ioWriteBytes: 36_000,
    },
    tare: {...NO_TARE, launchUs: 28_000, teardownUs: 12_000, cpuUserUs: 20_000, cpuSystemUs: 10_000, privateMemoryBytes: 8_000_000},
    watch: null,
    outcome: endedOutcome({rawStatus: 0, stop: null, oom: null, noted: [], trouble: null, killedProcesses: 0}),
    flags: [],
  });
}

/** The same with all that prmon measures. */
export const measured = (): UsageRecord =>
  changed(pilot(), {
    usage: {
      rssPeakBytes: 12_000_000_000,
      pssPeakBytes: 11_000_000_000,
      swapPeakBytes: 0,
      rssAverageBytes: 9_000_000_000,
      pssAverageBytes: 8_000_000_001,
      vmemAverageBytes: 20_000_000_000,
      swapAverageBytes: 0,
    },
  });

/** A record with a part of it replaced, as deep as it goes; its id follows. */
export function changed(record: UsageRecord, change: object): UsageRecord {
  const merged = merge(record, change) as UsageRecord;
  const {site, lrms, payload} = merged;
  const id = recordId({site: site.name, globalJobId: lrms.globalJobId, attempt: lrms.attempt, application: payload.index});
  return {...merged, recordId: id};
}

function merge(base: unknown, change: unknown): unknown {
  if (!isTree(base) || !isTree(change)) return change;
  const result: Record<string, unknown> = {...base};
  for (const [key, value] of Object.entries(change)) result[key] = merge(base[key], value);
  return result;
}

const isTree = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** As exporters see it. */
export const view = (record: UsageRecord): ExportRecord => viewOf(JSON.parse(JSON.stringify(record)));

/** Puts a record into a spool, without waiting for the disk. */
export function put(spool: string, record: UsageRecord, folder = '.'): string {
  mkdirSync(join(spool, folder), {recursive: true});
  const path = join(spool, folder, `${record.recordId}.json`);
  writeFileSync(path, `${canonicalJson(record)}\n`);
  return path;
}
