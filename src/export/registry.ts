/** The exporters that there are, and those that the policy switches on. */

import {statSync} from 'node:fs';
import type {ExporterEntry, Plugin} from '@tare/contract';
import {ERRORS, TareError} from '../errors.js';
import {makeDirectory} from '../record/durable.js';
import {exportersPlace} from '../policy/places.js';
import type {Policy} from '../policy/policy.js';
import {exportEffects} from './effects.js';
import {openExporter, type Opened} from './export.js';
import {jsonl} from './jsonl.js';

/** All exporters that there are: jsonl, then those of the plugins. */
export const exporterEntries = (plugins: readonly Plugin[]): ExporterEntry[] => [
  jsonl,
  ...plugins.flatMap(({exporters}) => [...(exporters ?? [])]),
];

/**
 * @param names those that are wanted; empty: all that the policy switches on
 * @throws TareError EXPORTER_UNKNOWN, EXPORT_DIRECTORY
 */
export async function openExporters(policy: Policy, plugins: readonly Plugin[], names: readonly string[], uid: number): Promise<Opened[]> {
  const entries = exporterEntries(plugins);
  const on = Object.keys(policy.exporters);
  const missing = names.find((name) => !on.includes(name));
  if (missing !== undefined) {
    const isOne = entries.some(({name}) => name === missing);
    throw new TareError('EXPORTER_UNKNOWN', {
      message: `${missing}: ${isOne ? 'the policy does not switch this exporter on' : 'no such exporter'}`,
      found: on.join(', ') || 'none is on',
      allowed: isOne ? 'a name below exporters' : entries.map(({name}) => name).join(', '),
      remedy: 'see docs/howto/export-records.md',
    });
  }
  const wanted = entries.filter(({name}) => (names.length === 0 ? on : names).includes(name));
  const place = exportersPlace(policy, uid);
  if (wanted.length > 0) checkPlace(place, uid);
  return Promise.all(
    wanted.map(async (entry) => {
      const settings = policy.exporters[entry.name] ?? {};
      const exporter = (await entry.load()).open(settings, {benchmarks: policy.benchmarks, codes: Object.keys(ERRORS)});
      return openExporter(exporter, place, settings['sealedOnly'] === true, exportEffects);
    }),
  );
}

/** Checks that only this account can look into the directory of what was delivered, and change it. */
function checkPlace(place: string, uid: number): void {
  const refuse = (found: string, cause?: unknown): TareError =>
    new TareError('EXPORT_DIRECTORY', {
      message: `${place} cannot be used`,
      found,
      allowed: `a directory of uid ${String(uid)} that nobody else can look into`,
      cause,
    });
  let stats;
  try {
    makeDirectory(place, 0o700);
    stats = statSync(place);
  } catch (error) {
    throw refuse((error as Error).message, error);
  }
  if (!stats.isDirectory() || stats.uid !== uid || (stats.mode & 0o077) !== 0)
    throw refuse(`owner ${String(stats.uid)}, mode ${(stats.mode & 0o7777).toString(8)}`);
}
