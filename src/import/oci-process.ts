/** The process of a bundle (config.md, Process). */

import {show} from '../job/show.js';
import {readEnvironmentList} from './oci-environment.js';
import {placeCommand} from './image-reference.js';
import {UNKNOWN, type Bundle} from './oci-bundle.js';
import {settingOf} from './options.js';
import {NUMBER, placeCapabilities} from './places.js';
import {placeUlimit, ULIMIT_NAMES, type Resources} from './resources.js';
import {originOf, type Tree} from './tree.js';

const LEFT: Readonly<Record<string, string>> = {
  terminal: 'a payload has its caller’s standard input, output and error, or a terminal of the box’s own',
  consoleSize: 'a payload has its caller’s standard input, output and error, or a terminal of the box’s own',
  noNewPrivileges: 'a payload never gets privileges by executing a program',
  oomScoreAdj: 'Tare does not set it',
  apparmorProfile: 'Tare leaves labels and profiles of security modules to the node',
  selinuxLabel: 'Tare leaves labels and profiles of security modules to the node',
  ioPriority: 'Tare does not set it',
  execCPUAffinity: 'Tare does not set it',
  commandLine: 'only Windows has it',
};

/** Reads `process`; RLIMIT_NPROC goes to the resources, where others have a say. */
export function readProcess(tree: Tree, bundle: Bundle, resources: Resources): void {
  const {draft, reader} = bundle;
  const entries = reader.map(tree, 'process')?.entries ?? new Map<string, Tree>();
  for (const [key, one] of entries) {
    const origin = originOf(`process.${key}`, one);
    const reason = Object.hasOwn(LEFT, key) ? LEFT[key] : undefined;
    if (reason !== undefined) readLeft(key, one, reason, bundle);
    else if (key === 'args') readArguments(one, bundle);
    else if (key === 'env') readEnvironmentList(one, bundle);
    else if (key === 'cwd') readDirectory(one, bundle);
    else if (key === 'user') readUser(one, bundle);
    else if (key === 'capabilities') readCapabilities(one, bundle);
    else if (key === 'rlimits') readRlimits(one, bundle, resources);
    else if (key === 'scheduler') readScheduler(one, bundle);
    else draft.leave(origin, UNKNOWN);
  }
  if (!entries.has('args') && tree.kind === 'map')
    draft.leave({at: tree.at, as: 'process.args, which is not given'}, 'the bundle names no program: set command');
}

/** What is false is nothing that was asked for. */
function readLeft(key: string, tree: Tree, reason: string, {draft, reader}: Bundle): void {
  const isTruth = key === 'terminal' || key === 'noNewPrivileges';
  if (!isTruth || reader.truth(tree, `process.${key}`) === true) draft.leave(originOf(`process.${key}`, tree), reason);
}

function readArguments(tree: Tree, {draft, reader, problems}: Bundle): void {
  const words = reader.texts(tree, 'process.args').map(({text}) => text);
  if (tree.kind !== 'list' || words.length < tree.items.length) return;
  if ((words[0] ?? '') === '')
    problems.invalid({
      message: 'process.args names no program',
      where: tree.at,
      found: show(words),
      allowed: 'a program and its arguments',
    });
  else placeCommand(words, {at: tree.at, as: settingOf(`process.args ${words.join(' ')}`, null)}, draft);
}

/** Every bundle has a directory: / is what tools write without being asked. */
function readDirectory(tree: Tree, {draft, reader}: Bundle): void {
  const path = reader.text(tree, 'process.cwd');
  const origin = originOf('process.cwd', tree);
  if (path === null) return;
  if (!path.startsWith('/')) reader.wrong(tree, 'process.cwd is not absolute', 'an absolute path');
  else if (path === '/')
    draft.leave(origin, 'a payload starts in the directory of its caller, which it may write to: set workDirectory for another');
  else draft.field('workDirectory', path, origin);
}

function readUser(tree: Tree, {draft, reader}: Bundle): void {
  for (const [key, one] of reader.map(tree, 'process.user')?.entries ?? []) {
    const origin = originOf(`process.user.${key}`, one);
    if (key !== 'uid') {
      if (key === 'gid') reader.whole(one, 'gid');
      draft.leave(origin, key === 'umask' ? 'Tare does not set it' : 'a payload has the groups of its account');
      continue;
    }
    const uid = reader.whole(one, 'uid');
    if (uid === null) continue;
    if (uid < 0 || uid >= 2 ** 32) reader.wrong(one, 'not the id of a user', 'from 0 to 4294967295');
    else if (uid === 0) draft.leave(origin, 'root of a container: a payload runs as the account of its caller');
    else draft.leave(origin, NUMBER);
  }
}

/** All sets together. Tools write some without being asked. */
function readCapabilities(tree: Tree, {draft, reader}: Bundle): void {
  const names = new Set<string>();
  for (const [set, list] of reader.map(tree, 'process.capabilities')?.entries ?? [])
    for (const {text} of reader.texts(list, `process.capabilities.${set.slice(0, 60)}`)) names.add(text);
  if (names.size > 0)
    placeCapabilities([...names], {at: tree.at, as: settingOf(`process.capabilities ${[...names].join(' ')}`, null)}, draft);
}

function readRlimits(tree: Tree, {draft, reader, problems}: Bundle, resources: Resources): void {
  const seen = new Set<string>();
  for (const limit of reader.list(tree, 'process.rlimits')) {
    const entries = reader.map(limit, 'a limit')?.entries;
    const [type, soft, hard] = [entries?.get('type'), entries?.get('soft'), entries?.get('hard')];
    if (entries === undefined) continue;
    const text = type === undefined ? '' : (reader.text(type, 'type') ?? '');
    const name = text.replace(/^RLIMIT_/, '').toLowerCase();
    const wrong = (message: string, allowed: string): void => problems.invalid({message, where: limit.at, found: show(text), allowed});
    if (!text.startsWith('RLIMIT_') || !ULIMIT_NAMES.includes(name))
      wrong('not a resource limit', ULIMIT_NAMES.map((one) => `RLIMIT_${one.toUpperCase()}`).join(', '));
    else if (seen.has(name)) wrong('the same limit twice', 'each once');
    else if (soft === undefined || hard === undefined) wrong(`${text} needs a soft and a hard value`, 'soft, hard');
    else {
      const [low, high] = [reader.whole(soft, 'soft'), reader.whole(hard, 'hard')].map(amount);
      if (low === undefined || high === undefined || low === null || high === null) continue;
      if (high >= 0 && (low < 0 || low > high)) wrong('the soft limit is above the hard one', `at most ${high}`);
      placeUlimit(
        {name, soft: low, hard: high, origin: {at: limit.at, as: `${text} ${low === high ? high : `${low}:${high}`}`}, at: limit.at},
        resources,
        draft,
      );
    }
    seen.add(name);
  }
}

/** RLIM_INFINITY is 2^64 - 1; what a number cannot hold exactly is no limit either. */
const amount = (value: number | null): number | null => (value !== null && (value < 0 || value >= 2 ** 53) ? -1 : value);

/** sched_setattr(2): only the nice value of the usual policies has a place in a job. */
function readScheduler(tree: Tree, {draft, reader}: Bundle): void {
  const entries = reader.map(tree, 'process.scheduler')?.entries;
  const [policy, nice] = [entries?.get('policy'), entries?.get('nice')];
  const name = policy === undefined ? null : reader.text(policy, 'policy');
  const value = nice === undefined ? null : reader.whole(nice, 'nice');
  const origin = nice === undefined ? originOf('process.scheduler', tree) : originOf('process.scheduler.nice', nice);
  if ((name === 'SCHED_OTHER' || name === 'SCHED_BATCH') && value !== null && value >= 0 && value <= 19) draft.limit('nice', value, origin);
  else draft.leave(origin, 'a job has limits.nice, from 0 to 19, and no other policy of scheduling');
}
