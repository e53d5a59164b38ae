/** The files of a box's host name and network, in the box’s own folder: hosts, hostname, resolver. */

import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ifPossible} from '../errors.js';
import {identityFile} from '../network/files.js';
import type {Identity} from '../network/identity.js';
import {IDENTITY} from '../plan/network.js';
import {inBox, stepOf} from '../plan/step.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** Makes the files of the box's host name and network, in its own folder. */
export function writeIdentity(plan: Plan, id: string, identity: Identity, boxDirectory: string): void {
  const step = stepOf(plan, 'identity.provide');
  if (step === undefined || identity === null) return;
  const place = inBox(IDENTITY, boxDirectory);
  mkdirSync(place, {mode: 0o755});
  const node = {hosts: textOf('/etc/hosts'), resolv: nodesResolver(identity.kind)};
  const {hostname, addresses} = identity;
  for (const name of step.files)
    writeFileSync(join(place, name), identityFile(name, {id, hostname, addresses, nameservers: step.nameservers, node}), {mode: 0o644});
}

/** The addresses are others than was planned: the file of hosts is written anew, in place, since it is mounted. */
export function correctAddresses(plan: Plan, id: string, identity: NonNullable<Identity>, boxDirectory: string): void {
  const step = stepOf(plan, 'identity.provide');
  if (step?.files.includes('hosts') !== true) return;
  const {hostname, addresses} = identity;
  const node = {hosts: textOf('/etc/hosts'), resolv: ''};
  writeFileSync(join(inBox(IDENTITY, boxDirectory), 'hosts'), identityFile('hosts', {id, hostname, addresses, nameservers: null, node}));
}

/** A resolver on the node's own loopback cannot be reached from elsewhere: systemd-resolved names in this file the servers that it asks itself. */
function nodesResolver(kind: string): string {
  const own = textOf('/etc/resolv.conf');
  if (kind === 'host' || !/^nameserver\s+127\./m.test(own)) return own;
  const behind = textOf('/run/systemd/resolve/resolv.conf');
  return behind === '' ? own : behind;
}

/** What a file says; an empty text where it cannot be read. */
export const textOf = (path: string): string => ifPossible(() => readFileSync(path, 'utf8')) ?? '';
