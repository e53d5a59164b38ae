/** Writes what a box is told about itself: Machine/Job Features, and the proof for a wrapper that is called inside it. */

import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {FeaturesProvide} from '../schema/generated/plan-1.js';

/** @throws Error when the folder cannot be made or written to */
export function writeFeatures({machine, job}: FeaturesProvide, folder: string, id: string, recordId: string): void {
  mkdirSync(folder, {mode: 0o755});
  const now = String(Math.floor(Date.now() / 1000));
  const write = (name: string, values: Record<string, string>): void => {
    mkdirSync(join(folder, name), {mode: 0o755});
    for (const [key, value] of Object.entries(values))
      writeFileSync(join(folder, name, key), value.replace('{id}', id).replace('{now}', now), {mode: 0o644});
  };
  if (machine !== null) write('machinefeatures', machine);
  write('jobfeatures', job);
  writeFileSync(join(folder, 'box.json'), JSON.stringify({id, recordId}), {mode: 0o644});
}
