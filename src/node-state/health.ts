/** `health.json`: what the last probe found, and whether this node should get jobs. */

import {chmodSync, fstatSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {randomName} from '../builtin.js';
import type {NodePlaces} from '../policy/places.js';
import {ifPossible} from '../errors.js';
import {isOwn, makeDirectory, PLAIN, withFile} from '../record/durable.js';
import type {HealthResult} from '../schema/generated/health-1.js';
import validate from '../schema/generated/health-1.validator.js';

export type {HealthResult};
export type HealthProbe = HealthResult['probes'][number];
export type HealthCheck = HealthResult['checks'][number];
export type ProbedBox = HealthProbe['got'];

const FILE = 'health.json';
const LARGEST = 4 * 1024 * 1024;

/**
 * The node's; where root keeps none, this account's own. `at` is when the file was last changed: a look that finds nothing new renews only
 * that (native/README.md). null: there is none that can be believed, which is one that root or this account wrote, and no other account can write.
 * Never throws.
 */
export function readHealth({shared, own, uid}: NodePlaces): HealthResult | null {
  return readFile(join(shared, FILE), uid) ?? readFile(join(own, FILE), uid);
}

/** Writes the result: root's for all accounts, another account's for itself. @throws Error when it cannot be written */
export function writeHealth(places: NodePlaces, health: HealthResult): void {
  const folder = folderOf(places);
  const path = join(folder, FILE);
  const temporary = `${path}.${randomName(6)}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify(health)}\n`, {flag: 'wx', mode: 0o644});
    chmodSync(temporary, 0o644); // whatever the umask
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  }
}

/** Root's place; an account's own. @throws Error */
export function folderOf({shared, own, uid}: NodePlaces): string {
  const folder = uid === 0 ? shared : own;
  makeDirectory(dirname(folder), 0o711);
  makeDirectory(folder, 0o755);
  if (!isOwn(folder, uid)) throw new Error(`${folder} is no directory of uid ${String(uid)} that nobody else can write to`);
  return folder;
}

function readFile(path: string, uid: number): HealthResult | null {
  const read = (descriptor: number): HealthResult | null => {
    const stats = fstatSync(descriptor);
    const ours = stats.isFile() && (stats.uid === 0 || stats.uid === uid) && (stats.mode & 0o022) === 0;
    if (!ours || stats.size > LARGEST) return null;
    const found: unknown = JSON.parse(readFileSync(descriptor, 'utf8'));
    return validate(found) ? {...(found as HealthResult), at: Math.round(stats.mtimeMs * 1000)} : null;
  };
  return ifPossible(() => withFile(path, PLAIN, read));
}
