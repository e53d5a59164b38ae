/** What a service of a compose file is read into. */

import type {Problems} from '../job/problems.js';
import type {Project} from './compose-load.js';
import type {Draft, Origin} from './draft.js';
import type {Foreign} from './format.js';
import type {Given, Resources} from './resources.js';
import {originOf, type Tree, type TreeReader} from './tree.js';

/** Another service that has to be there first. */
export interface Need {
  service: string;
  condition: 'service_started' | 'service_healthy' | 'service_completed_successfully';
  required: boolean;
  origin: Origin;
}

/** When a service that ended is started again. */
export interface Restart {
  on: 'failure' | 'always';
  /** null: as often as it ends. */
  limit: number | null;
  origin: Origin;
}

/** What is being read. */
export interface Reading {
  name: string;
  at: string;
  draft: Draft;
  reader: TreeReader;
  problems: Problems;
  foreign: Foreign;
  project: Project;
  resources: Resources;
  image: {text: string; tree: Tree} | null;
  command: string[] | null;
  entrypoint: string[] | null;
  commandFrom: Origin | null;
  needs: Need[];
  healthcheck: Tree | null;
  restart: Restart | null;
}

/** A limit; a second value of it must be the same. */
export function keep(
  name: keyof Resources,
  tree: Tree,
  key: string,
  read: (text: string, where: string) => number,
  reading: Reading,
): void {
  const text = reading.reader.text(tree, key);
  const given =
    text === null
      ? null
      : reading.problems.attempt((): Given<number> => ({value: read(text, tree.at), origin: originOf(key, tree), at: tree.at}));
  if (given === null) return;
  const before = reading.resources[name];
  if (before !== undefined && before.value !== given.value)
    reading.problems.invalid({
      message: 'two limits of one kind contradict each other',
      where: given.at,
      found: `${given.origin.as}, and ${before.origin.as} at ${before.at}`,
      allowed: 'the same value, or one of them',
    });
  reading.resources[name] = before ?? given;
}
