/** `deploy` of a service (compose-spec, deploy): its limits must agree with those that the service has beside it. */

import {coresOf, sizeOf, wholeOf} from './amounts.js';
import {keep, type Reading} from './compose-reading.js';
import {readPolicy} from './compose-order.js';
import {settingOf} from './options.js';
import {placeGpus} from './places.js';
import {originOf, type Tree} from './tree.js';

const LEFT: Readonly<Record<string, string>> = {
  mode: 'the batch system decides where and how often a job runs',
  endpoint_mode: 'the batch system decides where and how often a job runs',
  placement: 'the batch system decides where a job runs',
  labels: 'it names no job: labels have no place in a descriptor',
  rollback_config: 'a job is not replaced while it runs',
  update_config: 'a job is not replaced while it runs',
};

/** Reads `deploy`. */
export function readDeploy(tree: Tree, reading: Reading): void {
  const {reader, draft} = reading;
  for (const [key, one] of reader.map(tree, 'deploy')?.entries ?? []) {
    const name = `deploy.${key}`;
    if (key === 'resources') readResources(one, reading);
    else if (key === 'restart_policy') readPolicy(one, reading);
    else if (key === 'replicas') readReplicas(one, reading);
    else if (Object.hasOwn(LEFT, key) || key.startsWith('x-'))
      draft.leave(originOf(name, one), LEFT[key] ?? 'it is an extension, which compose passes over too');
    else
      reader.wrong(
        one,
        `deploy has no key ${key.slice(0, 60)}`,
        ['resources', 'restart_policy', 'replicas', ...Object.keys(LEFT)].join(', '),
      );
  }
}

function readReplicas(tree: Tree, {reader, draft, problems}: Reading): void {
  const text = reader.text(tree, 'replicas');
  const count = text === null ? null : problems.attempt(() => wholeOf(text, tree.at));
  if (count !== null && count !== 1)
    draft.leave(originOf('deploy.replicas', tree), 'a job is one payload: submit it as often as it is wanted');
}

function readResources(tree: Tree, reading: Reading): void {
  const {reader} = reading;
  for (const [kind, one] of reader.map(tree, 'deploy.resources')?.entries ?? []) {
    if (kind !== 'limits' && kind !== 'reservations') {
      reader.wrong(one, `deploy.resources has no key ${kind.slice(0, 60)}`, 'limits, reservations');
      continue;
    }
    for (const [name, value] of reader.map(one, kind)?.entries ?? [])
      if (kind === 'limits') readLimit(name, value, reading);
      else readReservation(name, value, reading);
  }
}

function readLimit(name: string, tree: Tree, reading: Reading): void {
  const key = settingOf(`deploy.resources.limits.${name}`, null);
  if (name === 'memory') keep('memory', tree, key, sizeOf, reading);
  else if (name === 'cpus') keep('cores', tree, key, coresOf, reading);
  else if (name === 'pids') keep('processes', tree, key, (text, where) => wholeOf(text, where, -1), reading);
  else if (name === 'devices' || name === 'generic_resources' || name.startsWith('x-'))
    reading.draft.leave(originOf(key, tree), 'Tare has no such limit');
  else reading.reader.wrong(tree, `there is no limit ${name.slice(0, 60)}`, 'cpus, memory, pids');
}

function readReservation(name: string, tree: Tree, {reader, draft}: Reading): void {
  const key = settingOf(`deploy.resources.reservations.${name}`, null);
  if (name !== 'devices') {
    draft.leave(originOf(key, tree), 'it reserves and limits nothing: the slot has what the batch system granted');
    return;
  }
  for (const device of reader.list(tree, key)) {
    const capabilities = reader.map(device, 'a device')?.entries.get('capabilities');
    const names = capabilities === undefined ? [] : reader.texts(capabilities, 'capabilities').map(({text}) => text);
    if (names.some((one) => one === 'gpu' || one.startsWith('nvidia'))) placeGpus({at: device.at, as: key}, draft);
    else draft.leave({at: device.at, as: key}, 'a box has devices by their path below /dev: ask for it in the policy’s `devices`');
  }
}
