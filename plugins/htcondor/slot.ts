/** What HTCondor's ads say of the slot and the job (manual: Job ClassAd Attributes, Machine ClassAd Attributes). Pure. */

import type {About, BatchJob, Benchmark, Read, Slot} from '@tare/contract';
import type {Ad} from './classad.js';

/** The two ads of `_CONDOR_JOB_AD` and `_CONDOR_MACHINE_AD`; one that cannot be read is an empty one. */
export interface Ads {
  job: Ad;
  machine: Ad;
}

const KIB = 1024;
const MIB = 1024 ** 2;

/**
 * The slot that was granted is in the machine ad. Where that lacks something, the job ad has what was provisioned, and else what was requested,
 * if it is a number and no expression.
 *
 * No times: HTCondor itself holds a job that is over its `AllowedExecuteDuration` or `AllowedJobDuration`, and a payload that was killed at that
 * moment would make an exit of the hold.
 */
export function slotOf({job, machine}: Ads, environment: Readonly<Record<string, string>>): Slot {
  const granted = (resource: string, least: number, unit: number, whole = true): Read<number> | null => {
    const places: [file: string, ad: Ad, attribute: string][] = [
      ['.machine.ad', machine, resource],
      ['.job.ad', job, `${resource}Provisioned`],
      ['.job.ad', job, `Request${resource}`],
    ];
    for (const [file, ad, attribute] of places) {
      const value = ad.number(attribute);
      if (value !== null && value >= least && value * unit <= Number.MAX_SAFE_INTEGER)
        return {value: whole ? Math.floor(value * unit) : value, at: `${file}: ${attribute}`};
    }
    return null;
  };
  return {
    name: environment['_CONDOR_SLOT'] ?? machine.string('Name'),
    cores: granted('Cpus', Number.MIN_VALUE, 1, false),
    memoryBytes: granted('Memory', 1, MIB),
    scratchBytes: granted('Disk', 1, KIB),
    gpus: granted('GPUs', 0, 1),
    wallTimeUs: null,
    cpuTimeUs: null,
  };
}

/**
 * Name, VO and owner of the job. `x509*` and `AuthToken*` only the schedd can set (SYSTEM_SECURE_JOB_ATTRS). HTCondor-CE renames a token's to
 * `orig_AuthToken*`, since the `AuthToken*` of a routed job are the router's own; so these come first, although on a schedd where users submit
 * themselves they are what the user wrote. With a proxy and a token the subject is the proxy's, as in HTCondor-CE's accounting; an issuer is
 * named only for the subject that it vouches for.
 */
export function aboutOf(job: Ad): About {
  const token = (what: string) => job.string(`orig_AuthToken${what}`) ?? job.string(`AuthToken${what}`);
  const groups = listOf(token('Groups'));
  const fqan = job.string('x509UserProxyFirstFQAN') ?? firstFqan(job.string('x509UserProxyFQAN'));
  const certificate = job.string('x509userproxysubject');
  return {
    name: job.string('JobBatchName') ?? baseName(job.string('Cmd')),
    vo: job.string('x509UserProxyVOName') ?? voOf(fqan) ?? voOf(groups[0]),
    fqan,
    subject: certificate ?? token('Subject'),
    issuer: certificate === null ? token('Issuer') : null,
    groups,
  };
}

/**
 * `host` is the schedd: by the machine ad, since the manual reserves the parts of a GlobalJobId (`schedd#cluster.proc#time`) to HTCondor; they
 * are looked at only where that fails. HTCondor has no queues: `queue` is the accounting group, in whose share the job competes.
 *
 * `attempt`: the ad is a snapshot from before this start was counted, so NumJobStarts is 0 at the first (tried with 23.9). NumShadowStarts would
 * be 1 there, but counts matches too that the node turned down.
 */
export function lrmsOf({job, machine}: Ads): BatchJob['lrms'] {
  const globalJobId = job.string('GlobalJobId');
  const cluster = job.integer('ClusterId');
  const proc = job.integer('ProcId');
  return {
    host: machine.string('RemoteScheddName') ?? /^([^#]+)#/.exec(globalJobId ?? '')?.[1] ?? null,
    queue: job.string('AcctGroup'),
    localJobId: cluster === null || proc === null ? null : `${String(cluster)}.${String(proc)}`,
    globalJobId,
    attempt: Math.max(0, job.integer('NumJobStarts') ?? 0) + 1,
  };
}

/** The names that APEL takes, by how they may be written. */
const BENCHMARKS: Readonly<Record<string, string>> = {hepscore23: 'HEPscore23', hepspec: 'HEPSPEC', si2k: 'si2k'};

/**
 * `ApelSpecs` of the machine, per core, which HTCondor-CE's accounting documents: `[HEPscore23 = 14.37; HEPSPEC = 13.9]`. Literals only; of
 * one name the first counts.
 */
export function benchmarksOf(machine: Ad): (Benchmark & {source: string})[] {
  const inner = /^\[(.*)\]$/.exec(machine.text('ApelSpecs') ?? '')?.[1] ?? '';
  const found = new Map<string, number>();
  for (const entry of inner.split(';')) {
    const [, written, value] = /^\s*'?([a-z]\w*)'?\s*=\s*(\d+(?:\.\d+)?(?:E[+-]?\d+)?)\s*$/i.exec(entry) ?? [];
    const name = BENCHMARKS[written?.toLowerCase() ?? ''];
    if (name !== undefined && Number(value) > 0 && !found.has(name)) found.set(name, Number(value));
  }
  return [...found].map(([name, valuePerCore]) => ({name, valuePerCore, source: 'machine-ad:ApelSpecs'}));
}

/** `/cms/Role=pilot` and `/cms/production` are of cms. */
const voOf = (fqan: string | null | undefined): string | null => /^\/?([^/]+)/.exec(fqan ?? '')?.[1] ?? null;

/** `x509UserProxyFQAN` is the DN and then the FQANs. */
function firstFqan(all: string | null): string | null {
  const first = listOf(all)[1];
  return first?.replaceAll('&comma;', ',').replaceAll('&amp;', '&') ?? null;
}

function listOf(text: string | null): string[] {
  return (text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function baseName(path: string | null): string | null {
  const name = path?.slice(path.lastIndexOf('/') + 1) ?? '';
  return name === '' ? null : name;
}
