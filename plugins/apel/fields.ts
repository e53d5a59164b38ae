/**
 * What APEL knows of a job (individual job records v0.3 and v0.4, docs.egi.eu "Grid accounting record formats"; apel 2.5.0 db/records/job.py),
 * from a record. Whole seconds and KiB; the same record always gives the same fields: APEL knows a job by site, id and end. Pure.
 */

import type {Benchmark, ExportNode, ExportRecord} from '@tare/contract';
import {fit} from './text.js';

/** Values of one APEL job record, after conversion and cutting; the names of its keys are in message.ts. null: the key is left out. */
export interface ApelFields {
  site: string;
  submitHost: string;
  machineName: string | null;
  queue: string | null;
  localJobId: string;
  localUserId: string | null;
  globalUserName: string | null;
  fqan: string | null;
  vo: string | null;
  wallSeconds: number;
  cpuSeconds: number;
  cpuUserSeconds: number;
  cpuSystemSeconds: number;
  processors: number;
  nodes: number | null;
  startEpoch: number;
  endEpoch: number;
  description: string;
  infrastructure: 'grid' | 'local';
  memoryRealKib: number | null;
  memoryVirtualKib: number | null;
  /** At least one, by type: a message without is one that stops APEL's loader. The best known first. */
  benchmarks: readonly [ServiceLevel, ...ServiceLevel[]];
}

interface ServiceLevel {
  type: ServiceLevelType;
  /** Per core. */
  value: number;
}

/** APEL's own names, by themselves in lower case, in the order in which it prefers them (apel 2.5.0). */
const SERVICE_LEVELS = {hepscore23: 'HEPscore23', hepspec: 'HEPSPEC', si2k: 'si2k'} as const;
type ServiceLevelType = (typeof SERVICE_LEVELS)[keyof typeof SERVICE_LEVELS];

/** What the policy says below `exporters.apel` or `exporters.car`. */
export interface ApelSettings {
  directory: string;
  layout: 'dirq' | 'directory';
  version: '0.3' | '0.4';
  submitHost: string | null;
  infrastructure: 'grid' | 'local';
}

/** Columns of the server's database (schemas/server.sql). */
const NAME_LENGTH = 255;
const QUEUE_LENGTH = 100;
const DESCRIPTION_LENGTH = 100;
/** The server's procedures take 32-bit integers. */
const LARGEST = 2 ** 31 - 1;
/** More CPU time than this many times wall x processors is a wrong unit, not a busy job. */
export const ABSURD_EFFICIENCY = 10;

/** Why a record is not APEL's business; null when it is. */
export function notForApel(record: ExportRecord): string | null {
  if (record.isPart) return 'a part of another record, which has its usage';
  if (record.time.startEpochUs === null && (record.outcome.status === 'refused' || record.outcome.status === 'wrapper-failure'))
    return 'nothing was run';
  return null;
}

/** The record's values and the fields that were changed to fit, or the reason for which APEL gets no message. */
export type ApelConverted = {fields: ApelFields; changed: string[]} | {refused: string};

/** Converts a record of Tare into values of APEL: seconds and KiB, names cut to the lengths of APEL's columns. */
export function apelFields(
  record: ExportRecord,
  settings: Pick<ApelSettings, 'submitHost' | 'infrastructure'>,
  node: ExportNode,
): ApelConverted {
  const {time, usage, allocation, user, lrms, site} = record;
  const changed: string[] = [];
  const name = (field: string, value: string | null, longest = NAME_LENGTH): string | null => {
    const fitted = fit(value, longest);
    if (value !== null && value !== '' && (fitted === null || fitted.changed)) changed.push(field);
    return fitted?.text ?? null;
  };
  const siteName = name('site.name', site.name);
  if (siteName === null) return {refused: 'the site has no name: set site.name in the policy, as in GOCDB'};
  const submitHost = name('ce.id', record.ce.id ?? settings.submitHost);
  if (submitHost === null) return {refused: 'no computing element is known: set submitHost in the policy'};
  const id = record.payload.index === 0 ? lrms.globalJobId : `${lrms.globalJobId}/${String(record.payload.index)}`;
  const localJobId = name('lrms.globalJobId', id);
  if (localJobId === null) return {refused: 'the job’s id cannot be written in ASCII'};
  if (time.startEpochUs === null || time.wallUs === null) return {refused: 'its start or its wall time is not known'};
  if (time.wallUs < 0) return {refused: `its wall time is negative: ${String(time.wallUs)} us`};
  if (usage.cpuUserUs === null || usage.cpuSystemUs === null) return {refused: 'its CPU time is not known'};
  if (allocation.cores === null || allocation.cores <= 0) return {refused: 'its number of cores is not known'};
  const startEpoch = Math.floor(time.startEpochUs / 1e6);
  if (startEpoch <= 0) return {refused: `its start is not after 1970: ${String(startEpoch)} s`};
  const wallSeconds = Math.round(time.wallUs / 1e6);
  const cpuSeconds = Math.round((usage.cpuUserUs + usage.cpuSystemUs) / 1e6);
  const processors = Math.ceil(allocation.cores);
  if (processors !== allocation.cores) changed.push('allocation.cores');
  if (wallSeconds > LARGEST || cpuSeconds > LARGEST || processors > LARGEST) return {refused: 'a figure is larger than APEL can store'};
  if (isAbsurd(cpuSeconds, wallSeconds, processors)) {
    return {
      refused: `${String(cpuSeconds)} s of CPU time in ${String(wallSeconds)} s on ${String(processors)} cores cannot be`,
    };
  }
  const benchmarks = serviceLevels(record.benchmarks.length > 0 ? record.benchmarks : node.benchmarks);
  const [best, ...others] = benchmarks;
  if (best === undefined) return {refused: 'no benchmark is known: set benchmarks in the policy'};
  return {
    changed,
    fields: {
      site: siteName,
      submitHost,
      machineName: name('lrms.host', lrms.host),
      queue: name('lrms.queue', lrms.queue, QUEUE_LENGTH),
      localJobId,
      localUserId: name('user.local', user.local),
      globalUserName: name('user.global', user.global),
      fqan: name('user.fqan', user.fqan),
      vo: name('user.vo', user.vo),
      wallSeconds,
      cpuSeconds,
      cpuUserSeconds: Math.round(usage.cpuUserUs / 1e6),
      cpuSystemSeconds: Math.round(usage.cpuSystemUs / 1e6),
      processors,
      nodes: allocation.nodes,
      startEpoch,
      // not rounded by itself: APEL's key has the end in it, and start + wall must be it
      endEpoch: startEpoch + wallSeconds,
      description: fit(`TARE-${lrms.type.toUpperCase()}`, DESCRIPTION_LENGTH)?.text ?? 'TARE',
      infrastructure: settings.infrastructure,
      memoryRealKib: kib(usage.memPeakBytes, 'usage.memPeakBytes', changed),
      memoryVirtualKib: kib(usage.vmemPeakBytes, 'usage.vmemPeakBytes', changed),
      benchmarks: [best, ...others],
    },
  };
}

/** Whole seconds: a job of half a second may have a wall time of 0. */
export const isAbsurd = (cpuSeconds: number, wallSeconds: number, processors: number): boolean =>
  cpuSeconds > ABSURD_EFFICIENCY * (wallSeconds + 1) * processors;

function kib(bytes: number | null, field: string, changed: string[]): number | null {
  if (bytes === null) return null;
  const value = Math.ceil(bytes / 1024);
  if (value <= LARGEST) return value;
  changed.push(field);
  return null;
}

/** The benchmarks that APEL knows, in its spelling, the one that it prefers first; invalid values are left out. */
function serviceLevels(benchmarks: readonly Benchmark[]): ServiceLevel[] {
  return Object.entries(SERVICE_LEVELS).flatMap(([key, type]) => {
    const found = benchmarks.find(
      ({name, valuePerCore}) => name.toLowerCase() === key && Number.isFinite(valuePerCore) && valuePerCore > 0,
    );
    return found === undefined ? [] : [{type, value: found.valuePerCore}];
  });
}

/** Three digits, as the server keeps them; never with an exponent. */
export const decimal = (value: number): string => String(Number(value.toFixed(3)));
