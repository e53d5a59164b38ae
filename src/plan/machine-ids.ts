/**
 * The ids of the node to which root's small machine maps its accounts. No account of the node has one of them, so a service that reads credentials
 * (unix(7), SO_PEERCRED) does not take the machine's root for the node's. Only the payload's account keeps its id, since it owns the work directory.
 */

import {TareError} from '../errors.js';
import type {IdRange} from '../host/facts.js';
import type {StepOf} from './step.js';
import type {Inputs} from './inputs.js';

/** Maps of user and group ids of a user namespace, in the form of user_namespaces(7). */
export type IdMaps = NonNullable<StepOf<'namespace.unshare'>['maps']>;
type IdMap = IdMaps['uids'];

/** uid_map takes a page of text (user_namespaces(7)), and a map has two extents for each group of the payload's. */
const MOST_GROUPS = 50;

/** How accounts of a small machine are mapped. */
export interface MachineIds {
  /** null: each id is itself. */
  maps: IdMaps | null;
  /** Why the machine's root is the node's; null: it is not, or there is no machine of root's. */
  lacking: string | null;
}

/**
 * @param isImage whether the machine has files of its own, and not the node's
 * @throws TareError MACHINE_IDS
 */
export function machineIds({policy, facts, call}: Inputs, isImage: boolean): MachineIds {
  const {uid, gid, groups} = call.identity.value;
  const {value: range, provenance} = policy.identity.machineIds;
  if (facts.caller.uid !== 0) return {maps: null, lacking: null};
  const lacking = (because: string): MachineIds => ({maps: null, lacking: because});
  if (uid === 0) return lacking('the payload runs as root');
  if ([gid, ...groups].includes(0)) return lacking('the payload’s account is in root’s group');
  if (!isImage) return lacking('the machine has the files of the node, which are root’s');
  if (call.lost?.includes('ids') === true)
    return lacking('this kernel shows the files of the image with no other owners (Linux 5.19, and a file system that can)');
  if (groups.length > MOST_GROUPS) return lacking(`the payload’s account has more than ${String(MOST_GROUPS)} groups`);
  const own = [uid, gid, ...groups].find((id) => id >= range.start && id < range.start + range.count);
  const taken = own === undefined ? call.idsTaken : `${String(own)}, the payload’s account or a group of it`;
  if (taken !== undefined)
    throw new TareError('MACHINE_IDS', {
      message: 'ids for accounts of small machines are in use on this node',
      where: provenance.at,
      found: taken,
      allowed: 'ids of no account, and not given to a user by /etc/subuid or /etc/subgid',
      remedy: 'set identity.machineIds in the policy to a range that is free on all nodes',
    });
  return {maps: {uids: mapOf(range, [uid]), gids: mapOf(range, [gid, ...groups])}, lacking: null};
}

/** The range in its order, but for ids that are themselves. */
export function mapOf({start, count}: IdRange, own: readonly number[]): IdMap {
  const map: IdMap = [];
  let next = 0;
  for (const id of [...new Set(own)].sort((a, b) => a - b)) {
    const until = Math.min(id, count);
    if (until > next) map.push({inside: next, outside: start + next, count: until - next});
    map.push({inside: id, outside: id, count: 1});
    next = Math.max(next, id + 1);
  }
  if (next < count) map.push({inside: next, outside: start + next, count: count - next});
  return map;
}

/** A map in the form of uid_map. */
export const mapText = (map: IdMap): string => map.map(({inside, outside, count}) => `${inside} ${outside} ${count}\n`).join('');

/** The ids of the node to which the machine's root is mapped; undefined: the caller's. */
export function rootOf(maps: IdMaps | null | undefined): {uid: number; gid: number} | undefined {
  const [uid, gid] = [maps?.uids[0], maps?.gids[0]];
  return uid === undefined || gid === undefined ? undefined : {uid: uid.outside, gid: gid.outside};
}
