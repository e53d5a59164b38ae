/** AUDITOR's RecordAdd (AUDITOR 0.11, auditor/src/domain: record.rs, component.rs, score.rs, validation). Pure. */

import type {Benchmark, Converted, ExportNode, ExportRecord} from '@tare/contract';

/** Names, and values of meta, in what a person counts as characters. */
const LONGEST = 256;
const SEGMENTER = new Intl.Segmenter('en', {granularity: 'grapheme'});
/** What servers before the change "remove forbidden characters" refuse. */
const FORBIDDEN = /[/()"<>\\{}]/g;
/** An amount is a 64-bit integer there, and a JSON number here. */
const LARGEST = Number.MAX_SAFE_INTEGER;

interface RecordAdd {
  record_id: string;
  meta: Record<string, string[]>;
  components: {name: string; amount: number; scores: {name: string; value: number}[]}[];
  start_time: string;
  stop_time: string;
}

/** Why a record is not AUDITOR's business; null when it is. */
export function notForAuditor(record: ExportRecord): string | null {
  if (record.isPart) return 'a part of another record, which has its usage';
  if (record.time.startEpochUs === null && (record.outcome.status === 'refused' || record.outcome.status === 'wrapper-failure'))
    return 'nothing was run';
  return null;
}

/** Converts a record of Tare into AUDITOR's RecordAdd. `escape`: characters that servers may refuse in names are percent-encoded. */
export function auditorRecord(record: ExportRecord, escape: boolean, node: ExportNode): Converted {
  const {time, usage, allocation, user, lrms, site, outcome} = record;
  if (time.startEpochUs === null || time.wallUs === null) return {refused: 'its start or its wall time is not known'};
  if (time.startEpochUs <= 0 || time.wallUs < 0) return {refused: 'its start or its wall time cannot be'};
  const changed: string[] = [];
  const meta: RecordAdd['meta'] = {};
  const say = (key: string, field: string, value: string | null): void => {
    if (value === null || value === '') return;
    const fitted = fit(value, escape);
    if (fitted !== value) changed.push(field);
    if (fitted !== '') meta[key] = [fitted];
  };
  say('site_id', 'site.name', site.name);
  say('user', 'user.local', user.local);
  say('subject', 'user.global', user.global);
  say('vo', 'user.vo', user.vo);
  say('voms', 'user.fqan', user.fqan);
  say('headnode', record.ce.id === null ? 'lrms.host' : 'ce.id', record.ce.id ?? lrms.host);
  say('queue', 'lrms.queue', lrms.queue);
  say('batch_system', 'lrms.type', lrms.type);
  say('job_id', 'lrms.globalJobId', lrms.globalJobId);
  say('attempt', 'lrms.attempt', String(lrms.attempt));
  say('outcome', 'outcome.status', outcome.status);
  const cores = allocation.cores === null ? null : Math.ceil(allocation.cores);
  if (cores !== null && cores !== allocation.cores) changed.push('allocation.cores');
  const components: RecordAdd['components'] = [];
  const weigh = (name: string, amount: number | null, scores: RecordAdd['components'][number]['scores'] = []): void => {
    if (amount !== null && amount >= 0 && amount <= LARGEST) components.push({name, amount, scores});
  };
  weigh('Cores', cores, scores(record.benchmarks.length > 0 ? record.benchmarks : node.benchmarks));
  const cpuUs = usage.cpuUserUs === null || usage.cpuSystemUs === null ? null : usage.cpuUserUs + usage.cpuSystemUs;
  weigh('TotalCPUSeconds', cpuUs === null ? null : Math.round(cpuUs / 1e6));
  weigh('MemoryPeakMiB', usage.memPeakBytes === null ? null : Math.ceil(usage.memPeakBytes / 2 ** 20));
  weigh('GPUs', allocation.gpus);
  const flags = [...record.flags, ...(changed.length > 0 ? ['text-changed'] : [])].map((flag) => fit(flag, escape)).filter(Boolean);
  if (flags.length > 0) meta['flags'] = flags;
  const start = Math.floor(time.startEpochUs / 1e6);
  const written: RecordAdd = {
    record_id: `tare-${record.recordId}`,
    meta,
    components,
    start_time: iso(start),
    stop_time: iso(start + Math.round(time.wallUs / 1e6)),
  };
  return {text: JSON.stringify(written), changed};
}

function scores(benchmarks: readonly Benchmark[]): {name: string; value: number}[] {
  const found = new Map<string, number>();
  for (const {name, valuePerCore} of benchmarks) {
    const key = fit(name.toLowerCase(), false);
    if (key !== '' && Number.isFinite(valuePerCore) && valuePerCore > 0 && !found.has(key)) found.set(key, valuePerCore);
  }
  return [...found].map(([name, value]) => ({name, value}));
}

/** No control characters, no halves of characters, not too long. */
function fit(value: string, escape: boolean): string {
  const clean = value
    .replaceAll(/\p{Surrogate}/gu, '\uFFFD')
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .trim();
  const written = escape
    ? clean.replaceAll(FORBIDDEN, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    : clean;
  // no need to count the characters of what is short in every count
  if (written.length <= LONGEST) return written;
  let length = 0;
  let count = 0;
  for (const {segment} of SEGMENTER.segment(written)) {
    if (count === LONGEST) break;
    count++;
    length += segment.length;
  }
  return written.slice(0, length);
}

const iso = (epoch: number): string => new Date(epoch * 1000).toISOString().replace('.000', '');
