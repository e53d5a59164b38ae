/**
 * Leases of addresses and of numbers in host names: one file for each. link(2) makes the file whole, and only where there is none, so that one of
 * two wrappers gets it. A file stays when its wrapper dies: it names its box, and a sweep frees leases whose box is gone.
 */

import {linkSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ifPossible, makes, TareError} from '../errors.js';
import type {StepOf} from '../plan/step.js';
import {formatAddress, parseAddress, type Address} from '../policy/addresses.js';
import {namesIn} from '../record/durable.js';

/** How a box with this address is connected, for the teardown. null: a macvlan device, which goes with its box. */
interface LeasedConnection {
  bridge: string;
  /** Removed after the last box. */
  make: boolean;
  ip: string;
  /** null: no rules are about it. */
  nft: string | null;
}

/** The box and wrapper that hold a lease, by which a sweep finds out whether they still live. */
export interface LeaseOwner {
  box: string;
  bootId: string | null;
  pidNamespace: string | null;
  /** The wrapper's shim. */
  pid: number | null;
  startTicks: number | null;
}

/** An address or number that one box of the node has; the file's name is the lease. */
export interface Lease extends LeaseOwner {
  /** The address, or n and the number. */
  name: string;
  pool: string | null;
  connection: LeasedConnection | null;
}

const MOST_NUMBER = 99_999;
const NUMBER = /^n\d+$/;

/** The directory of leases below the state directory. */
export const leasePlace = (state: string): string => join(state, 'leases');

/** Makes the directory of leases, for its owner alone. @throws Error of the system */
export function makeLeasePlace(state: string): void {
  mkdirSync(leasePlace(state), {recursive: true, mode: 0o700});
}

/** All of one box; what cannot be read is none. */
export const leasesOf = (place: string, box: string): Lease[] => leasesIn(place).filter((lease) => lease.box === box);

/** All leases that can be read. */
export const leasesIn = (place: string): Lease[] => namesIn(place).flatMap((name) => readLease(place, name) ?? []);

/** Files that hold no lease: the node went down while they were written. */
export const brokenIn = (place: string): string[] =>
  namesIn(place).filter((name) => (NUMBER.test(name) || parseAddress(name) !== null) && readLease(place, name) === null);

/** What a wrapper that was killed left before it was a lease. */
export const halfMadeIn = (place: string, isKnown: (box: string) => boolean): string[] =>
  namesIn(place).filter((name) => {
    const box = /^\.([0-9a-f]+)\.new$/.exec(name)?.[1];
    return box !== undefined && !isKnown(box);
  });

/** One lease; null: there is none, it is no lease's name, or it was left half written. */
export function readLease(place: string, name: string): Lease | null {
  if (!NUMBER.test(name) && parseAddress(name) === null) return null;
  return ifPossible(() => {
    const lease = JSON.parse(readFileSync(join(place, name), 'utf8')) as Lease;
    return typeof lease.box === 'string' ? {...lease, name} : null;
  });
}

/** The smallest that is free. @throws TareError ADDRESSES_EXHAUSTED */
export function takeNumber(place: string, owner: LeaseOwner): number {
  const taken = new Set(namesIn(place));
  for (let number = 0; number <= MOST_NUMBER; number++) {
    const name = `n${number}`;
    if (!taken.has(name) && take(place, {...owner, name, pool: null, connection: null})) return number;
  }
  throw new TareError('ADDRESSES_EXHAUSTED', {message: 'no number for a host name is free', found: `${MOST_NUMBER + 1} in ${place}`});
}

/** The first that is free. @throws TareError ADDRESSES_EXHAUSTED */
export function takeAddress(
  place: string,
  network: StepOf<'network.lease'>['networks'][number],
  owner: LeaseOwner & Pick<Lease, 'pool' | 'connection'>,
): string {
  const taken = new Set(namesIn(place));
  for (const {first, last} of network.ranges) {
    const [from, to] = [parseAddress(first), parseAddress(last)] as [Address, Address];
    for (let {value} = from; value <= to.value; value++) {
      const name = formatAddress({family: from.family, value});
      if (!taken.has(name) && take(place, {...owner, name})) return name;
    }
  }
  throw new TareError('ADDRESSES_EXHAUSTED', {
    message: `no address of IPv${network.family} is free in the pool ${owner.pool ?? ''}`,
    found: `${leasesIn(place).filter((lease) => lease.pool === owner.pool).length} in use, in ${place}`,
    remedy: 'let fewer jobs run at once, or give the pool more addresses (identity.pools in the policy)',
  });
}

/** @returns false when another box has it */
function take(place: string, {name, ...content}: Lease): boolean {
  const path = join(place, `.${content.box}.new`);
  writeFileSync(path, JSON.stringify(content), {mode: 0o600});
  try {
    return makes(() => linkSync(path, join(place, name)));
  } finally {
    rmSync(path, {force: true});
  }
}

/** Gives a lease back. One that is gone is no error. @throws Error of the system */
export function free(place: string, name: string): void {
  rmSync(join(place, name), {force: true});
}
