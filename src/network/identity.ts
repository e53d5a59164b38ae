/** Host name and addresses of a box: what it leased, and what its record says. Pure. */

import type {BoxAddress} from '../network/commands.js';
import {stepOf} from '../plan/step.js';
import type {UsageRecord} from '../record/record.js';
import type {Plan} from '../schema/generated/plan-1.js';

/** What a box has got. */
export interface BoxNetwork {
  hostname: string;
  addresses: BoxAddress[];
}

/** null where the box has the node's identity. */
export type Identity = NonNullable<UsageRecord['identity']> | null;

/** The identity for the record. */
export function identityOf(plan: Plan, connection: BoxNetwork | null): Identity {
  if (connection === null) return null;
  const user = stepOf(plan, 'network.user');
  const isolated = stepOf(plan, 'namespace.unshare')?.namespaces.includes('network') === true;
  const pool = stepOf(plan, 'network.lease')?.pool ?? null;
  const kind =
    user !== undefined
      ? 'user'
      : pool === null
        ? isolated
          ? 'none'
          : 'host'
        : stepOf(plan, 'network.macvlan') === undefined
          ? 'bridge'
          : 'macvlan';
  return {
    hostname: connection.hostname,
    addresses: user === undefined ? connection.addresses.map(({address}) => address) : user.addresses.map(withoutPrefix),
    kind,
    nat: user !== undefined ? 'user-mode' : stepOf(plan, 'network.nat') === undefined ? 'none' : 'kernel',
    pool,
  };
}

/** `10.0.2.15/24` is `10.0.2.15`. */
export const withoutPrefix = (address: string): string => address.replace(/\/\d+$/, '');
