/** A node's health as a startd cron job prints it (HTCondor manual, "Startd Cron"). Pure. */

import type {NodeHealth as Health} from '@tare/contract';

/** What the startd's ad says of the node; see docs/reference/htcondor-ads.md. */
export interface NodeHealth extends Pick<Health, 'healthy' | 'boxed' | 'failures' | 'degraded'> {
  reason: string | null;
  /** What closes the node, in words that a program can tell apart. */
  faults?: readonly string[] | undefined;
  /** Where an account's records go; null, or not there: not looked at. */
  spool?: string | null;
}

/** MOUNT_UNDER_SCRATCH, by default: what a job writes there is gone with the job. */
const UNDER_SCRATCH = /^\/(?:tmp|var\/tmp)(?:\/|$)/;
/** An ad is a line for people, and no report. */
const LONGEST = 500;

/** What root's timer leaves for the startd's program (configs/htcondor/tare-health.sh), which adds the times. */
export function renderedAd({healthy, boxed, failures, degraded, reason, faults = [], spool = null}: NodeHealth): string {
  const lost =
    spool !== null && UNDER_SCRATCH.test(spool)
      ? `records would be lost: ${spool} is each job's own under HTCondor; set directories.spool and state in the policy`
      : null;
  const less = Object.entries(degraded).filter(([, jobs]) => jobs > 0);
  const attributes: [string, string | null][] = [
    ['TareHealthy', booleanOf(healthy)],
    ['TareBoxed', boxed === null ? null : booleanOf(boxed)],
    ['TareFailures', failures === null ? null : String(failures)],
    ['TareDegraded', less.length === 0 ? null : quoted(less.map(([flag, jobs]) => `${flag} ${String(jobs)}`).join(', '))],
    ['TareFault', faults.length === 0 ? null : quoted(faults.join(' '))],
    ['TareReason', quotedOrNull(reason ?? lost)],
  ];
  return attributes.map(([name, value]) => `${name} = ${value ?? 'undefined'}\n`).join('');
}

/** What is kept beside `health.json` for that program: written whenever that is. */
export const rendered = [{name: 'health.ad', text: renderedAd}];

/** The whole answer of a startd cron job: attributes, then the line that ends them. @param nowUs when it was asked, µs since 1970 */
export const healthAd = (health: NodeHealth, nowUs: number): string =>
  `${renderedAd(health)}TareHealthTime = ${String(Math.floor(nowUs / 1e6))}\n-`;

const booleanOf = (value: boolean): string => (value ? 'True' : 'False');
const quotedOrNull = (text: string | null): string | null => (text === null ? null : quoted(text));
/** ASCII, since others read ads byte by byte. */
const quoted = (text: string): string =>
  `"${text
    .replaceAll(/["\\’]/g, "'")
    .replaceAll(/[\r\n]+/g, ' ')
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, LONGEST)}"`;
