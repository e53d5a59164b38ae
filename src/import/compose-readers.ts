/** Values of a service of a compose file, to fields, limits and proposals. */

import {formatDuration} from '../job/quantity.js';
import {show} from '../job/show.js';
import {coresOf, cpusOf, durationOf, sizeOf, sizeOrNone, wholeOf} from './amounts.js';
import {readDeploy} from './compose-deploy.js';
import {readEnvironment, readFiles} from './compose-environment.js';
import type {Use} from './compose-keys.js';
import {readNetworks, readVolumes, textsOf} from './compose-mounts.js';
import {readNeeds, readRestart} from './compose-order.js';
import {keep, type Reading} from './compose-reading.js';
import {placeDeviceSetting, placeTemporary} from './mounts.js';
import {settingOf} from './options.js';
import {placeCapabilities, placeDevice, placeGpus, placeHostname, placeNetwork, placeSecurity, placeUser} from './places.js';
import {placeUlimit, ULIMIT_NAMES, type Resources} from './resources.js';
import {originOf, type Tree} from './tree.js';
import {splitWords} from './words.js';

type Reader = (tree: Tree, reading: Reading, key: string) => void;

const resource =
  (name: keyof Resources, read: (text: string, where: string) => number): Reader =>
  (tree, reading, key) =>
    keep(name, tree, key, read, reading);

/** A whole number, or -1 for no limit. */
const wholeOrNone = (text: string, where: string): number => wholeOf(text, where, -1);

const text =
  (place: (text: string, tree: Tree, reading: Reading, key: string) => void): Reader =>
  (tree, reading, key) => {
    const value = reading.reader.text(tree, key);
    if (value !== null) place(value, tree, reading, key);
  };

const setting = (value: string, tree: Tree, key: string) => ({text: value, at: tree.at, origin: originOf(key, tree)});

/** Takes the value of a key, by the key's use. */
export const READERS: Readonly<Record<Use, Reader>> = {
  memory: resource('memory', sizeOf),
  memorySwap: resource('memorySwap', sizeOrNone),
  cores: resource('cores', coresOf),
  quota: resource('quota', wholeOrNone),
  period: resource('period', (value, where) => wholeOf(value, where)),
  cpuset: resource('cpuset', cpusOf),
  processes: resource('processes', wholeOrNone),
  ulimits: readUlimits,
  deploy: readDeploy,
  storage: (tree, {reader, draft, problems}) => {
    for (const [name, one] of reader.map(tree, 'storage_opt')?.entries ?? []) {
      const size = name === 'size' ? reader.text(one, 'size') : null;
      const bytes = size === null ? null : problems.attempt(() => sizeOf(size, one.at));
      if (bytes !== null && bytes > 0) draft.limit('scratch', bytes, originOf('storage_opt.size', one));
      else draft.leave(originOf(`storage_opt.${name}`, one), 'it is about the engine’s own storage');
    }
  },
  volumes: readVolumes,
  tmpfs: (tree, reading, key) => {
    for (const {text: value, tree: one} of textsOf(tree, key, reading.reader))
      placeTemporary(setting(value, one, key), reading.draft, reading.problems);
  },
  devices: (tree, {reader, draft, problems}, key) => {
    for (const one of reader.list(tree, key)) {
      const entries = one.kind === 'map' ? one.entries : null;
      const value = reader.text(entries?.get('source') ?? one, `an entry of ${key}`);
      const target = entries?.get('target');
      if (value === null) continue;
      if (entries === null) placeDeviceSetting(setting(value, one, key), draft, problems);
      else
        placeDevice(
          value,
          (target === undefined ? null : reader.text(target, 'target')) ?? value,
          {at: one.at, as: settingOf(`${key}: ${value}`, null)},
          draft,
        );
    }
  },
  gpus: (tree, {draft}, key) => placeGpus(originOf(key, tree), draft),
  user: text((value, tree, {draft}, key) => placeUser(value, originOf(key, tree), draft)),
  hostname: text((value, tree, {draft}, key) => placeHostname(value, originOf(key, tree), draft)),
  network: text((value, tree, {draft}, key) => placeNetwork(value, originOf(key, tree), draft)),
  networks: readNetworks,
  privileged: (tree, {reader, draft}, key) => {
    if (reader.truth(tree, key) !== true) return;
    draft.propose(['seccomp'], 'unconfined', originOf(key, tree), 'it wants no filter on system calls');
    draft.leave(originOf(key, tree), 'a payload has no privileges over the node');
  },
  addCapabilities: (tree, {reader, draft}, key) => {
    for (const {text: name, tree: one} of reader.texts(tree, key)) placeCapabilities([name], originOf(key, one), draft);
  },
  security: (tree, {reader, draft}, key) => {
    for (const {text: value, tree: one} of reader.texts(tree, key)) placeSecurity(value, originOf(key, one), draft);
  },
  grace: text((value, tree, {draft, problems}, key) => {
    const us = problems.attempt(() => durationOf(value, tree.at));
    if (us !== null) draft.propose(['grace'], formatDuration(us), originOf(key, tree), 'it wants this time from SIGTERM to SIGKILL');
  }),
  environment: readEnvironment,
  files: readFiles,
  workDirectory: text((value, tree, {draft, reader}, key) => {
    if (value.startsWith('/')) draft.field('workDirectory', value, originOf(key, tree));
    else reader.wrong(tree, 'the working directory is not absolute', 'an absolute path');
  }),
  command: (tree, reading, key) => {
    reading.command = wordsOf(tree, key, reading);
    reading.commandFrom ??= originOf(key, tree);
  },
  entrypoint: (tree, reading, key) => {
    reading.entrypoint = wordsOf(tree, key, reading);
    reading.commandFrom = originOf(key, tree);
  },
  image: text((value, tree, reading) => {
    reading.image = {text: value, tree};
  }),
  name: text((value, tree, {draft, reader}, key) => {
    if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(value)) draft.field('name', value, originOf(key, tree));
    else reader.wrong(tree, 'not a name of a container', 'letters, digits, _, . and -');
  }),
  namespace: text((value, tree, {draft}, key) =>
    draft.leave(
      originOf(key, tree),
      value === 'host' ? 'a box never has the node’s own' : 'a box has namespaces of its own, and never those of another',
    ),
  ),
  needs: readNeeds,
  healthcheck: (tree, reading) => {
    reading.healthcheck = tree;
  },
  restart: readRestart,
  scale: text((value, tree, {draft, problems}, key) => {
    const count = problems.attempt(() => wholeOf(value, tree.at));
    if (count !== null && count !== 1) draft.leave(originOf(key, tree), 'a job is one payload: submit it as often as it is wanted');
  }),
};

/** A list of words, or a text that compose splits into words. null: something is wrong with it. */
function wordsOf(tree: Tree, key: string, {reader, problems}: Reading): string[] | null {
  if (tree.kind === 'list') return reader.texts(tree, key).map((one) => one.text);
  const value = reader.text(tree, key);
  return value === null ? null : (problems.attempt(() => splitWords(value, tree.at))?.map((word) => word.text) ?? null);
}

/** `NAME: N`, or a map of soft and hard. */
function readUlimits(tree: Tree, {reader, problems, resources, draft}: Reading): void {
  for (const [name, one] of reader.map(tree, 'ulimits')?.entries ?? []) {
    if (!ULIMIT_NAMES.includes(name)) {
      problems.invalid({message: 'not a resource limit', where: one.at, found: show(name), allowed: ULIMIT_NAMES.join(', ')});
      continue;
    }
    const [soft, hard] = one.kind === 'map' ? [one.entries.get('soft'), one.entries.get('hard')] : [one, one];
    if (soft === undefined || hard === undefined) {
      reader.wrong(one, `the limit ${name} needs a soft and a hard value`, 'a whole number, or soft and hard');
      continue;
    }
    const [low, high] = [reader.whole(soft, 'soft'), reader.whole(hard, 'hard')];
    if (low === null || high === null) continue;
    if (high >= 0 && (low < 0 || low > high)) reader.wrong(soft, 'the soft limit is above the hard one', `at most ${high}`);
    const origin = {at: one.at, as: `ulimits.${name}: ${low === high ? high : `${low}:${high}`}`};
    placeUlimit({name, soft: low, hard: high, origin, at: one.at}, resources, draft);
  }
}
