/** A node's health as a startd cron job prints it (HTCondor manual, "Startd Cron"). Pure. */

export interface NodeHealth {
  healthy: boolean;
  failures: number | null;
  reason: string | null;
  spool: string | null;
}

/** MOUNT_UNDER_SCRATCH, by default: what a job writes there is gone with the job. */
const UNDER_SCRATCH = /^\/(?:tmp|var\/tmp)(?:\/|$)/;

/** Attributes, then the line that ends them. */
export function healthAd({healthy, failures, reason, spool}: NodeHealth): string {
  const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, "'").replaceAll(/[\r\n]+/g, ' ')}"`;
  const lost =
    spool !== null && UNDER_SCRATCH.test(spool)
      ? `records would be lost: ${spool} is each job's own under HTCondor; set directories.spool and state in the policy`
      : null;
  const remark = reason ?? lost;
  return [
    `TareHealthy = ${healthy ? 'True' : 'False'}`,
    `TareFailures = ${failures === null ? 'undefined' : String(failures)}`,
    `TareReason = ${remark === null ? 'undefined' : quoted(remark)}`,
    '-',
  ].join('\n');
}
