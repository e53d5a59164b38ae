/** What two supervisors said of the same job, field by field. Pure. */

/**
 * How a field is compared that is not the same twice: `any` not at all; `kind` by whether it is known and of which type; `text` without its
 * numbers.
 */
type Volatile = 'any' | 'kind' | 'text';

/** Fields of the record; `*` stands for one name or number. All others have to be equal. */
const RECORD: Readonly<Record<string, Volatile>> = {
  recordId: 'kind',
  boxId: 'kind',
  'lrms.globalJobId': 'text',
  'lrms.attempt': 'kind',
  'parent.recordId': 'kind',
  'time.startEpochUs': 'kind',
  'time.endEpochUs': 'kind',
  'time.wallUs': 'kind',
  'time.suspendedUs': 'kind',
  'time.suspendedCounted': 'any',
  'time.clockStepUs': 'kind',
  'tare.launchUs': 'kind',
  'tare.teardownUs': 'kind',
  'tare.cpuUserUs': 'kind',
  'tare.cpuSystemUs': 'kind',
  // looked at once, which a short job may not live to see
  'tare.privateMemoryBytes': 'any',
  'tare.privateDirtyBytes': 'any',
  'tare.processes': 'any',
  'tare.processes.*.*': 'any',
  'watch.*': 'any',
  'observed.limits.*.peak': 'kind',
  'outcome.evidence': 'text',
  'outcome.killedProcesses': 'any',
  // figures, and what depends on whether a look came in time
  'usage.cpuUserUs': 'kind',
  'usage.cpuSystemUs': 'kind',
  'usage.memPeakBytes': 'kind',
  'usage.memPeakSource': 'any',
  'usage.anonPeakBytes': 'kind',
  'usage.largestProcessBytes': 'kind',
  'usage.memMajorFaults': 'kind',
  'usage.memRefaults': 'kind',
  'usage.memLimitHits': 'kind',
  'usage.pidsPeak': 'any',
  'usage.pidsPeakSource': 'any',
  'usage.pidsLimitHits': 'kind',
  'usage.quotaPeriods': 'kind',
  'usage.throttledPeriods': 'kind',
  'usage.throttledUs': 'kind',
  'usage.swapPeakBytes': 'any',
  'usage.swapPeakSource': 'any',
  'usage.scratchPeakBytes': 'kind',
  'usage.ioReadBytes': 'any',
  'usage.ioReadOps': 'any',
  'usage.ioWriteBytes': 'any',
  'usage.ioWriteOps': 'any',
  'usage.ioSource': 'any',
  'usage.rssPeakBytes': 'any',
  'usage.rssAverageBytes': 'any',
  'usage.pssPeakBytes': 'any',
  'usage.pssAverageBytes': 'any',
  'usage.vmemPeakBytes': 'any',
  'usage.vmemAverageBytes': 'any',
  'usage.swapAverageBytes': 'any',
  'usage.pressure.*': 'any',
  'usage.pressure.*.*': 'any',
};
const APPLICATION: Readonly<Record<string, Volatile>> = Object.fromEntries(
  Object.entries(RECORD)
    .filter(([path]) => /^(?:time|usage|outcome)\./.test(path))
    .map(([path, how]) => [`applications.*.${path}`, how]),
);
/** The digests cover free space on disks, and a number that is drawn for each call. */
const PLAN: Readonly<Record<string, Volatile>> = {'inputs.facts': 'kind', 'inputs.job': 'kind'};
const DOCTOR: Readonly<Record<string, Volatile>> = {
  'facts.scratch.freeBytes': 'kind',
  'checks.*.found': 'text',
  'tried.at': 'kind',
  'tried.tookUs': 'kind',
  'facts.cgroup.toEmpty.because': 'text',
};

const VOLATILE = {
  record: {
    ...RECORD,
    ...APPLICATION,
    'applications.*.recordId': 'kind',
    'applications.*.startEpochUs': 'kind',
    'applications.*.wallUs': 'kind',
  },
  plan: PLAN,
  doctor: DOCTOR,
} as const satisfies Record<string, Readonly<Record<string, Volatile>>>;
export type DocumentKind = keyof typeof VOLATILE;

export interface Difference {
  field: string;
  checkout: unknown;
  folder: unknown;
}

/** Every field in which two documents differ; a field that one lacks is one of them. */
export function compareDocuments(kind: DocumentKind, checkout: unknown, folder: unknown): Difference[] {
  const [one, other] = [fieldsOf(checkout), fieldsOf(folder)];
  const rules = Object.entries(VOLATILE[kind]).map(([path, how]) => ({pattern: patternOf(path), how}));
  return [...new Set([...one.keys(), ...other.keys()])].sort().flatMap((field) => {
    const how = rules.find(({pattern}) => pattern.test(field))?.how;
    const [left, right] = [one.get(field), other.get(field)];
    return isSame(how, left, right) ? [] : [{field, checkout: left, folder: right}];
  });
}

function isSame(how: Volatile | undefined, left: unknown, right: unknown): boolean {
  if (how === 'any') return true;
  if (how === 'kind') return (left === null) === (right === null) && typeof left === typeof right;
  if (how === 'text') return withoutNumbers(String(left)) === withoutNumbers(String(right));
  return left === right;
}

/** A number goes with its unit: what is a round number of MiB is said in MiB. */
export const withoutNumbers = (text: string): string =>
  text.replaceAll(/\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b|\d+(?:\.\d+)?(?: [KMGT]iB\b)?/g, '#');

/** Leaves by their paths; an empty list or object is one. */
function fieldsOf(value: unknown, path = '', into = new Map<string, unknown>()): Map<string, unknown> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) into.set(path, typeof value === 'object' && value !== null ? (Array.isArray(value) ? '[]' : '{}') : value);
  for (const [name, one] of entries) fieldsOf(one, path === '' ? name : `${path}.${name}`, into);
  return into;
}

const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`);
