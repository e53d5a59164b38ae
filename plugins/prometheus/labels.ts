/** The values that labels can have: what a record says beside is `other`, so that no job can make new series. */

/** Values of `outcome.status`. */
export const OUTCOMES = [
  'completed',
  'failed',
  'signalled',
  'limit',
  'stopped',
  'killed',
  'refused',
  'wrapper-failure',
  'lost',
  'killed-by-slot',
];
/** `none`: nothing was run. */
export const MODES = ['box', 'limits-only', 'observe', 'none'];
/** Values of `outcome.limit`. */
export const LIMITS = [
  'cores',
  'pinCores',
  'nice',
  'memory',
  'memoryHigh',
  'memory-stall',
  'swap',
  'processes',
  'wallTime',
  'cpuTime',
  'openFiles',
  'coreSize',
  'scratch',
];
/** Values of a limit's `enforcement`. */
export const ENFORCEMENTS = ['kernel', 'watched', 'none'];
/** Flags of records, as docs/reference/figures.md lists them. */
export const FLAGS = [
  'clock-step',
  'cores-unknown',
  'cpu-eff-gt-1.05',
  'cvmfs-lost',
  'cvmfs-missing',
  'emulated',
  'engine-unused',
  'killed',
  'left-behind',
  'log-unwritable',
  'memory-misjudged',
  'nested',
  'no-benchmark',
  'node-root',
  'observe',
  'oom-verdict-uncertain',
  'over-limit',
  'partial',
  'record-delayed',
  'sampled-memory',
  'supervisor-lost',
  'unboxed',
  'unfiltered',
  'unlimited-cores',
  'watched-memory',
  'watched-processes',
  'watched-scratch',
  'would-be-unboxed',
  'would-exceed',
  'would-refuse',
];
/** Codes of jobs that ran with less than was asked, as the node counts them. */
export const DEGRADED = [
  'log-unwritable',
  'node-root',
  'record-unspooled',
  'unboxed',
  'unlimited-cores',
  'watched-memory',
  'watched-processes',
  'watched-scratch',
];
/** What closes a node. */
export const FAULTS = ['folder', 'policy', 'engine', 'spool', 'space', 'box', 'jobs'];
/** States of a node's checks. */
export const CHECKS = ['ok', 'limited', 'missing', 'unknown'];

/** The value if it is known, else `other`: a record must not make new time series. */
export const oneOf = (known: readonly string[], value: string): string => (known.includes(value) ? value : 'other');
