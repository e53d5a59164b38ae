/** What a box.json says that a user may have written: each value is checked, and what is not of its form is not known. */

import type {OutputFile} from '../box/output-file.js';
import type {ProcessId} from '../process/process.js';
import {firstProcessOf} from '../process/tree.js';

/** What box.json says of a box, as far as it is what it should be; null where it is not known. */
export interface LiveBox {
  id: string;
  /** The uid that runs the wrapper, to which the box belongs. */
  uid: number;
  directory: string;
  name: string | null;
  /** The payload's account. */
  user: string | null;
  /** Of its own; null: the node's. */
  hostname: string | null;
  addresses: string[];
  pattern: string | null;
  mode: string | null;
  cores: number | null;
  memoryLimitBytes: number | null;
  /** Of the payload's exec; null until then. */
  startEpochUs: number | null;
  graceUs: number;
  init: ProcessId | null;
  /** The payload's first process; of several applications, that of the first that runs. */
  payload: ProcessId | null;
  /** Several applications, in their order; empty where there is one payload. */
  applications: LiveApplication[];
  /** Where the lines of several applications go, with their names before them; null where each has files of its own, and where it is no file. */
  output: Record<'stdout' | 'stderr', OutputFile | null>;
  shim: ProcessId | null;
  supervisor: ProcessId | null;
  /** A limit was found exceeded. */
  stopped: boolean;
  recordId: string | null;
  /** Unchecked: `groupsOf` reads them. */
  steps: unknown;
}

/** One of several applications of a live box. */
interface LiveApplication {
  name: string;
  state: string;
  /** Of a small machine: no payload. */
  service: boolean;
  /** Its first process; null while it does not run. */
  process: ProcessId | null;
}

/** The fields of box.json that have the expected form. */
export function viewOf(state: unknown, known: Pick<LiveBox, 'id' | 'uid' | 'directory'>): LiveBox {
  const applications = applicationsOf(state);
  return {
    ...known,
    name: text(state, 'started', 'payload', 'name'),
    user: text(state, 'started', 'user', 'local') ?? number(state, 'started', 'user', 'uid')?.toString() ?? null,
    hostname: text(state, 'started', 'identity', 'hostname'),
    addresses: addressesOf(state),
    pattern: text(state, 'plan', 'pattern', 'value'),
    mode: text(state, 'plan', 'mode', 'value'),
    cores: number(state, 'started', 'allocation', 'cores'),
    memoryLimitBytes: number(state, 'plan', 'limits', 'memory', 'value'),
    startEpochUs: number(state, 'startEpochUs'),
    graceUs: number(state, 'plan', 'grace', 'us') ?? 0,
    init: processOf(state, 'init'),
    payload: processOf(state, 'payload') ?? applications.find((one) => one.process !== null && !one.service)?.process ?? null,
    applications,
    output: {stdout: fileOf(state, 'stdout'), stderr: fileOf(state, 'stderr')},
    shim: processOf(state, 'started', 'wrapper', 'shim'),
    supervisor: processOf(state, 'started', 'wrapper', 'supervisor'),
    stopped: typeof value(state, 'stop') === 'object' && value(state, 'stop') !== null,
    recordId: text(state, 'started', 'recordId'),
    steps: value(state, 'plan', 'steps'),
  };
}

/** One of each family. */
const MOST_ADDRESSES = 2;

function addressesOf(state: unknown): string[] {
  const written = value(state, 'started', 'identity', 'addresses');
  return Array.isArray(written)
    ? written.slice(0, MOST_ADDRESSES).filter((one): one is string => typeof one === 'string' && /^[0-9a-fA-F.:]{2,45}$/.test(one))
    : [];
}

/** More are in no job. */
const MOST_APPLICATIONS = 64;

function applicationsOf(state: unknown): LiveApplication[] {
  const written = value(state, 'applications');
  if (!Array.isArray(written)) return [];
  return written.slice(0, MOST_APPLICATIONS).flatMap((one: unknown) => {
    const name = text(one, 'name');
    const keeper = processOf(one, 'keeper');
    if (name === null) return [];
    return [
      {
        name,
        state: text(one, 'state') ?? 'unknown',
        service: value(one, 'service') === true,
        process: keeper === null ? null : firstProcessOf(keeper),
      },
    ];
  });
}

function fileOf(state: unknown, stream: string): OutputFile | null {
  const [path, device, inode] = [
    text(state, 'output', stream, 'path'),
    number(state, 'output', stream, 'device'),
    number(state, 'output', stream, 'inode'),
  ];
  return path === null || device === null || inode === null ? null : {path, device, inode};
}

function processOf(state: unknown, ...path: string[]): ProcessId | null {
  const pid = number(state, ...path, 'pid');
  const startTicks = number(state, ...path, 'startTicks');
  return Number.isSafeInteger(pid) && Number.isSafeInteger(startTicks) && (pid ?? 0) > 1 ? ({pid, startTicks} as ProcessId) : null;
}

/** What is at a place in parsed JSON; undefined where nothing is. */
export function value(root: unknown, ...path: string[]): unknown {
  let at = root;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

const LONGEST_TEXT = 256;

/** A text, cut at 256 characters; null where there is none. */
export function text(root: unknown, ...path: string[]): string | null {
  const found = value(root, ...path);
  return typeof found === 'string' ? found.slice(0, LONGEST_TEXT) : null;
}

/** A number that is not negative; null where there is none. */
export function number(root: unknown, ...path: string[]): number | null {
  const found = value(root, ...path);
  return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : null;
}
