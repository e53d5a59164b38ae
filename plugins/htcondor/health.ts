/** A node's health as a startd cron job prints it (HTCondor manual, "Startd Cron"). Pure. */

export interface NodeHealth {
  healthy: boolean;
  failures: number | null;
  reason: string | null;
}

/** Attributes, then the line that ends them. */
export function healthAd({healthy, failures, reason}: NodeHealth): string {
  const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, "'").replaceAll(/[\r\n]+/g, ' ')}"`;
  return [
    `TareHealthy = ${healthy ? 'True' : 'False'}`,
    `TareFailures = ${failures === null ? 'undefined' : String(failures)}`,
    `TareReason = ${reason === null ? 'undefined' : quoted(reason)}`,
    '-',
  ].join('\n');
}
