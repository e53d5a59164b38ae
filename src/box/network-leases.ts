/** Leases of addresses and numbers: taken for a box, and given back with the devices and rules that go with them. */

import {join} from 'node:path';
import {TareError} from '../errors.js';
import {takeLock} from '../export/lock.js';
import {fillHostname} from '../job/hostname.js';
import {disconnectCommands, listPorts, removeBridge, removeTable} from '../network/commands.js';
import type {BoxNetwork} from '../network/identity.js';
import {
  brokenIn,
  free,
  halfMadeIn,
  leasePlace,
  leasesIn,
  leasesOf,
  makeLeasePlace,
  readLease,
  takeAddress,
  takeNumber,
  type Lease,
  type LeaseOwner,
} from '../network/leases.js';
import {stepOf} from '../plan/step.js';
import {sleep} from '../process/clock.js';
import {wrapperOf} from '../process/presence.js';
import {isRunning, processId} from '../process/process.js';
import type {Plan} from '../schema/generated/plan-1.js';
import {runCommand} from './network-command.js';

/** Longest wait for the lock, which others hold while they run some commands. */
const LOCK_MS = 20_000;

/**
 * Leases what the plan wants: a number for the host name, an address of each family.
 * @throws TareError ADDRESSES_EXHAUSTED, NETWORK_FAILED; what was leased stays until `disconnect`
 */
export async function lease(plan: Plan, id: string, bootId: string | null, shimPid: number): Promise<BoxNetwork | null> {
  const name = stepOf(plan, 'hostname.set');
  if (name === undefined) return null;
  const {state} = plan.directories;
  const place = leasePlace(state);
  const wanted = stepOf(plan, 'network.lease');
  const needsNumber = name.hostname.includes('{n}');
  const connection: BoxNetwork = {hostname: fillHostname(name.hostname, {id}), addresses: []};
  if (!needsNumber && wanted === undefined) return connection;
  makeLeasePlace(state);
  const wrapper = wrapperOf(shimPid);
  const owner: LeaseOwner = {
    box: id,
    bootId,
    pidNamespace: wrapper.pidNamespace,
    pid: wrapper.shim?.pid ?? null,
    startTicks: wrapper.shim?.startTicks ?? null,
  };
  await locked(place, () => {
    if (needsNumber) connection.hostname = fillHostname(connection.hostname, {n: String(takeNumber(place, owner))});
    const bridge = stepOf(plan, 'network.bridge');
    const nft = (stepOf(plan, 'network.nat') ?? stepOf(plan, 'network.apart'))?.program ?? null;
    for (const network of wanted?.networks ?? []) {
      const address = takeAddress(place, network, {
        ...owner,
        pool: wanted?.pool ?? null,
        connection: bridge === undefined ? null : {bridge: bridge.bridge, make: bridge.make, ip: bridge.program, nft},
      });
      connection.addresses.push({address, prefix: network.prefix, gateway: network.gateway});
    }
  });
  return connection;
}

/**
 * Frees what the box has leased, and removes the devices and rules that go with it.
 * @param state the state directory
 * @returns what could not be removed
 */
export const releaseLeases = (state: string, id: string): Promise<string[]> => takeDown(state, leasesOf(leasePlace(state), id));

async function takeDown(state: string, found: readonly Lease[]): Promise<string[]> {
  if (found.length === 0) return [];
  const place = leasePlace(state);
  try {
    await locked(place, () => {
      // one that was freed meanwhile can be another box's by now
      const leases = found.filter(({name, box}) => readLease(place, name)?.box === box);
      for (const {name, box, connection} of leases)
        if (connection !== null) for (const command of disconnectCommands(box, name, connection)) runCommand(command);
      removeShared(place, leases);
      for (const {name} of leases) free(place, name);
    });
    return [];
  } catch {
    return found.map(({name}) => join(place, name));
  }
}

/** A bridge of ours and our table go with the last box that needs them. */
function removeShared(place: string, leases: readonly Lease[]): void {
  const others = leasesIn(place).filter(({name}) => !leases.some((lease) => lease.name === name));
  const connections = leases.flatMap(({connection}) => connection ?? []);
  const bridges = new Map(connections.filter(({make}) => make).map(({bridge, ip}) => [bridge, ip]));
  for (const [bridge, ip] of bridges)
    if (!others.some(({connection}) => connection?.bridge === bridge) && runCommand(listPorts(ip, bridge)).trim() === '')
      runCommand(removeBridge(ip, bridge));
  const nft = connections.find((connection) => connection.nft !== null)?.nft ?? null;
  if (nft !== null && !others.some(({connection}) => connection?.nft != null)) runCommand(removeTable(nft));
}

/** Leases of boxes that are not known any more. @param isKnown whether there is a folder of that box */
export async function sweepLeases(state: string, isKnown: (box: string) => boolean): Promise<void> {
  const place = leasePlace(state);
  const orphans = leasesIn(place).filter(({box}) => !isKnown(box));
  await takeDown(state, orphans);
  for (const name of [...brokenIn(place), ...halfMadeIn(place, isKnown)]) free(place, name);
}

async function locked(place: string, action: () => void): Promise<void> {
  const self = processId(process.pid);
  for (let waited = 0; ; waited += 10) {
    const lock = takeLock(place, {pid: process.pid, startTicks: self?.startTicks ?? 0}, isRunning);
    if ('release' in lock) {
      try {
        action();
        return;
      } finally {
        lock.release();
      }
    }
    if (waited > LOCK_MS)
      throw new TareError('NETWORK_FAILED', {
        message: 'addresses cannot be leased',
        where: place,
        found: `the process ${lock.owner.pid} has the lock`,
      });
    await sleep(10);
  }
}
