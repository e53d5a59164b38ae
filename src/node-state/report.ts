/** What wrappers report of the node that they ran on: one line each. */

/**
 * `failed`: the wrapper failed by the node's fault, which counts. `suspected`: it failed, and what only the job named may be why: that
 * asks for a probe and does not count. `degraded`: a job ran with less than was asked. `started`: an account has jobs here.
 */
const REPORT_KINDS = ['failed', 'suspected', 'degraded', 'started'] as const;
/** Kinds of reports of an attempt to the node's state. */
export type ReportKind = (typeof REPORT_KINDS)[number];

/** What an attempt reports: its failure, a degradation, or that it started. */
export interface NewReport {
  kind: ReportKind;
  /** The code of the error; of `degraded` the flag; of `started` a word that says nothing. */
  code: string;
  /** The box's id. */
  id: string;
}

/** A report as root reads it. */
export interface Report extends NewReport {
  /** Whose file it was in. */
  uid: number;
  /** ms since 1970, by the reporter's own word. */
  epochMs: number;
}

const LINE = /^(\d{1,15}) ([a-z]{1,16}) ([A-Za-z][A-Za-z0-9_-]{0,39}) ([A-Za-z0-9-]{1,64})$/;
/** What is older tells nothing any more. */
const DAY_MS = 86_400_000;
/** A clock that was set back does not make what was reported before it last for ever. */
const AHEAD_MS = 300_000;

/** A line with its end. What does not fit is left out, so that it can be read again. */
export const formatReport = ({kind, code, id}: NewReport, epochMs: number): string =>
  `${String(Math.max(0, Math.round(epochMs)))} ${kind} ${/^[A-Za-z][A-Za-z0-9_-]{0,39}$/.test(code) ? code : 'UNKNOWN'} ${/^[A-Za-z0-9-]{1,64}$/.test(id) ? id : '-'}\n`;

/** The last `most` lines of one account. Lines of another form than `formatReport`'s, of the future, or older than a day are passed over. */
export function parseReports(text: string, uid: number, nowMs: number, most = 1000): Report[] {
  const reports = text.split('\n').flatMap((line): Report[] => {
    const [, time, kind, code = '', id = ''] = LINE.exec(line) ?? [];
    const epochMs = Number(time);
    if (time === undefined || epochMs > nowMs + AHEAD_MS || epochMs < nowMs - DAY_MS) return [];
    const known = REPORT_KINDS.find((one) => one === kind);
    return known === undefined ? [] : [{uid, epochMs, kind: known, code, id}];
  });
  return reports.slice(-most);
}
