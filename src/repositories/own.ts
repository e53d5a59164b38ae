/** Repositories that Tare mounts for a job: a folder for each on scratch, its client in namespaces of its own, and all of it gone at the end. */

import {
  chmodSync,
  chownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {ifPossible, makes, succeeds} from '../errors.js';
import type {Entry, ProbeResult, OwnMount} from '../cvmfs/classify.js';
import {migrateWrapper} from '../migrate/record.js';
import type {Account} from '../plan/account.js';
import type {StepOf} from '../plan/step.js';
import type {Log} from '../process/log.js';
import {endMounter, killMounter, startMounter} from './mounter.js';
import {configOf, type ConfigPlace} from './config-repository.js';
import {makeAccountCache} from './shared-cache.js';
import {isRunning} from '../process/process.js';
import {readTree} from '../process/tree.js';
import {presenceOf, wrapperOf, type Here, type WhoBegan} from '../process/presence.js';
import {ensureOwn} from '../box/state.js';
import {namesIn, withFile} from '../record/durable.js';
import {removePrivate} from '../box/trees.js';

type Mount = StepOf<'cvmfs.mount'>;

/** The account for which repositories are mounted, and the directory below which they are. */
export interface Context {
  /** The wrapper's directory on disk. */
  scratch: string;
  /** Whose clients they are; null: the caller's. */
  identity: Account | null;
  id: string;
  shimPid: number;
  bootId: string | null;
  log: Log;
}

const NAME = /^tare-cvmfs-[0-9a-f]+-[A-Za-z0-9]{6}$/;
/** Whose folder it is, for a sweep. */
const OWNER = 'owner.json';
/** A folder that does not say whose it is was just being made. */
const HALF_MADE_MS = 60_000;
/** Most bytes of a client's output that are kept. */
const LAST_BYTES = 2000;
const LAST_LINES = 3;

/**
 * @param config where the configuration repository is; null: there is none
 * @returns what was mounted (its client need not answer yet), or why nothing was
 */
export async function mountOwn(
  step: Mount,
  {scratch, identity, id, shimPid, bootId, log}: Context,
  config: ConfigPlace | null,
): Promise<OwnMount | string> {
  const {repository} = step;
  let folder: string | null = null;
  try {
    folder = makeFolder({scratch, id});
    const {own, files} = configOf(step, folder, config);
    fillFolder(folder, {...step, own}, identity, {host: {node: hostname(), bootId}, wrapper: wrapperOf(shimPid)});
    const place = join(folder, 'mnt', repository);
    const client = [step.client, '-f', '-o', `config=${files.join(':')}`, repository];
    const mounter = await startMounter(
      {shimPid, folder, place, identity, within: config?.mounter ?? null, client},
      step.deadlineUs / 1000,
      (how) => log.info('the client of a repository has ended', {repository, how}),
    );
    if (typeof mounter !== 'string') return {mounter, folder, place};
    removeFolder(folder);
    return mounter;
  } catch (error) {
    if (folder !== null) removeFolder(folder);
    return (error as Error).message;
  }
}

function makeFolder({scratch, id}: Pick<Context, 'scratch' | 'id'>): string {
  ensureOwn(scratch, 0o711, process.getuid?.() ?? -1);
  return mkdtempSync(join(scratch, `tare-cvmfs-${id}-`));
}

/** The note in a form that other versions on the node read too: with the names of version 0.1.0. */
function asWritten({host, wrapper}: WhoBegan): object {
  if (wrapper === null) return {host, wrapper};
  const {shim: shim, supervisor: supervisor, ...rest} = wrapper;
  return {host, wrapper: {...rest, shim, supervisor}};
}

function fillFolder(
  folder: string,
  {repository, own, sharedCache}: Pick<Mount, 'repository' | 'sharedCache'> & {own: Record<string, string>},
  identity: Context['identity'],
  owner: WhoBegan,
): void {
  writeFileSync(join(folder, OWNER), JSON.stringify(asWritten(owner)), {mode: 0o600});
  for (const [name, text] of Object.entries(own)) writeFileSync(join(folder, name), text);
  for (const path of ['mnt', `mnt/${repository}`]) mkdirSync(join(folder, path), {mode: 0o755});
  chmodSync(join(folder, 'mnt'), 0o755);
  for (const name of Object.keys(own)) chmodSync(join(folder, name), 0o644);
  chmodSync(folder, 0o711);
  makeFor(identity, join(folder, 'cache'));
  if (sharedCache !== null) makeAccountCache(sharedCache, identity);
}

/** A directory that the client's account alone can enter. @throws Error when it is another's */
function makeFor(identity: Context['identity'], path: string): void {
  const uid = identity?.uid ?? process.getuid?.() ?? -1;
  if (makes(() => mkdirSync(path, {mode: 0o700})) && identity !== null) chownSync(path, identity.uid, identity.gid);
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0)
    throw new Error(`${path} is no directory of uid ${String(uid)} that nobody else can write to`);
}

/** What its client said last, for people; null: nothing. */
export const lastWords = ({folder}: OwnMount): string | null => ifPossible(() => withFile(join(folder, 'client.log'), 'r', lastLines));

function lastLines(file: number): string | null {
  const {size} = fstatSync(file);
  const text = Buffer.alloc(Math.min(size, LAST_BYTES));
  readSync(file, text, 0, text.length, size - text.length);
  const lines = text
    .toString('utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.length === 0 ? null : lines.slice(-LAST_LINES).join(' | ');
}

/**
 * @param atEnd what the last look has found: a client that hangs is not asked to end
 * @returns what could not be removed
 */
export async function endOwn(
  looked: readonly Pick<ProbeResult, 'own' | 'clientEnded' | 'entry'>[],
  atEnd: readonly Entry[] = [],
): Promise<string[]> {
  const left = await Promise.all(
    looked.map(async ({own, clientEnded, entry}) => {
      if (own === undefined) return [];
      const isHung =
        clientEnded !== undefined || atEnd.some(({repository, stateAtEnd}) => repository === entry.repository && stateAtEnd === 'hung');
      await endMounter(own.mounter, isHung ? 'kill' : 'ask');
      return removeFolder(own.folder);
    }),
  );
  return left.flat();
}

/**
 * Kills the clients at once, without waiting; their folders stay for `endOwn`.
 * @returns what was looked at, with the reason at each whose client was killed
 */
export function killClients(looked: readonly ProbeResult[], because: string): ProbeResult[] {
  return looked.map((one) => {
    if (one.own === undefined) return one;
    killMounter(one.own.mounter);
    return {...one, clientEnded: one.clientEnded ?? because};
  });
}

/** What the client's processes have used so far; nulls where they are gone. */
export function usageOf({mounter}: OwnMount): {clientCpuUs: number | null; clientMemoryBytes: number | null} {
  const processes = isRunning(mounter) ? readTree(mounter.pid) : [];
  if (processes.length === 0) return {clientCpuUs: null, clientMemoryBytes: null};
  return {
    clientCpuUs: processes.reduce((sum, {cpuUs, waitedUs}) => sum + cpuUs + waitedUs, 0),
    clientMemoryBytes: processes.reduce((sum, {pid, rssBytes}) => sum + (peakOf(pid) ?? rssBytes), 0),
  };
}

/** VmHWM (proc_pid_status(5)), bytes. */
const peakOf = (pid: number): number | null =>
  ifPossible(() => {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))?.[1];
    return kib === undefined ? null : Number(kib) * 1024;
  });

/** The cache belongs to the account, which may have put anything in it. */
function removeFolder(folder: string): string[] {
  const cache = join(folder, 'cache');
  const found = lstatSync(cache, {throwIfNoEntry: false});
  if (found !== undefined) removePrivate(cache, process.getuid?.() === 0 && found.uid !== 0 ? found : null, null);
  return succeeds(() => rmSync(folder, {recursive: true, force: true})) ? [] : [folder];
}

/** Folders whose job is gone: its mounts and clients went with it. @returns those that were removed, and those that cannot be */
export function sweepOwn(scratch: string, at: Here): {removed: string[]; left: string[]} {
  const swept = {removed: [] as string[], left: [] as string[]};
  for (const name of namesIn(scratch)) {
    const folder = join(scratch, name);
    if (!NAME.test(name) || !isAbandoned(folder, at)) continue;
    const left = removeFolder(folder);
    swept.removed.push(...(left.length === 0 ? [folder] : []));
    swept.left.push(...left);
  }
  return swept;
}

function isAbandoned(folder: string, at: Here): boolean {
  const found = statSync(folder, {throwIfNoEntry: false});
  if (found === undefined || found.uid !== process.getuid?.()) return false;
  const isGone = ifPossible(() => {
    const {host, wrapper} = JSON.parse(readFileSync(join(folder, OWNER), 'utf8')) as WhoBegan;
    return ['gone', 'restarted'].includes(presenceOf({host, wrapper: migrateWrapper(wrapper) as WhoBegan['wrapper']}, at));
  });
  return isGone ?? Date.now() - found.mtimeMs > HALF_MADE_MS;
}
