/** What a job's wish for a host name and an address of its own comes to under a policy. */

import {TareError} from '../errors.js';
import type {AddressKind, Job, JobIdentity} from '../job/job.js';
import {either, show} from '../job/show.js';
import type {Policy} from './policy.js';

/** The kind that is asked for, by itself or by a pool's name; else the policy's default. */
export const wantedKind = ({address, pool}: JobIdentity, policy: Pick<Policy['identity'], 'address' | 'pools'>): AddressKind =>
  address?.value ?? policy.pools.find(({name}) => name === pool?.value)?.kind ?? policy.address.value[0] ?? 'none';

/** `user` and `host` lead to the node's network, which the policy can keep from jobs altogether. */
export function addressRefusals({identity: wanted}: Job, {identity: {address, pools}, network}: Policy): TareError[] {
  if (wanted === null) return [];
  const kind = wantedKind(wanted, {address, pools});
  const no = (message: string, where: string, found: string, allowed: string): TareError[] => [
    new TareError('NETWORK_FORBIDDEN', {message, where, found, allowed}),
  ];
  const where = wanted.address?.provenance.at ?? wanted.at;
  if (!address.value.includes(kind))
    return no('the policy does not allow that kind of address', where, kind, `${either(address.value)} (${address.provenance.at})`);
  if ((kind === 'user' || kind === 'host') && !network.value.includes('host'))
    return no('the policy does not allow the node’s network', where, kind, `${either(network.value)} (${network.provenance.at})`);
  if (wanted.pool === null || pools.some((pool) => pool.kind === kind && pool.name === wanted.pool?.value)) return [];
  const names = pools.filter((pool) => pool.kind === kind).map(({name}) => name);
  return no(`the policy has no such pool of kind ${kind}`, wanted.pool.provenance.at, show(wanted.pool.value), names.join(', ') || 'none');
}
