/** UUIDs made from names (RFC 9562, version 5), so that writing a record again is the same record. */

import {hashOf} from '../builtin.js';
import {canonicalJson} from '../plan/canonical.js';

/** Namespace of Tare's record ids; fixed for ever. */
const NAMESPACE = Buffer.from('5a0c8f2e3d7b4b6e9c41d2f0a7e85b13', 'hex');

/** A name's UUID of version 5 (RFC 9562, 5.5) in a namespace of Tare's. */
export function uuid5(name: string): string {
  const hash = hashOf('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** What makes a record's id: the same attempt has the same id, whichever process writes its record. */
export interface AttemptKey {
  site: string | null;
  globalJobId: string;
  attempt: number;
  application: number;
}

/** The id of one attempt's record. */
export function recordId({site, globalJobId, attempt, application}: AttemptKey): string {
  return uuid5(canonicalJson([site, globalJobId, attempt, application])); // JSON, so that no name can reach into the next
}
