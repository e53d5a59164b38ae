/**
 * Node's modules that few jobs need, each loaded when it is first used: a supervisor that loads them all starts some 4 ms later
 * (`npm run bench -- launch`). And what takes their place on the way of every job: random names and digests.
 */

import type {EventEmitter} from 'node:events';
import type * as Net from 'node:net';
import type * as Util from 'node:util';

/** What a process that cannot be started says so with. */
export const events = (): {EventEmitter: typeof EventEmitter} => process.getBuiltinModule('node:events');
/** Sockets. */
export const net = (): typeof Net => process.getBuiltinModule('node:net');
/** Names of errors. */
export const util = (): typeof Util => process.getBuiltinModule('node:util');

interface Hasher {
  update: (data: string | Uint8Array) => Hasher;
  digest: () => Buffer;
}

/** Bun's own hashes need no module: https://bun.com/docs/api/hashing, "Bun.CryptoHasher". */
const {Bun} = globalThis as {Bun?: {CryptoHasher: new (algorithm: string) => Hasher}};

/** A hash of data that come piece by piece. */
export const hashOf = (algorithm: 'sha1' | 'sha256'): Hasher =>
  Bun === undefined ? process.getBuiltinModule('node:crypto').createHash(algorithm) : new Bun.CryptoHasher(algorithm);

/** SHA-256 of all data, hexadecimal. */
export const sha256 = (data: string | Uint8Array): string => hashOf('sha256').update(data).digest().toString('hex');

/** So many random bytes, hexadecimal: a name that nobody else has. */
export const randomName = (bytes: number): string => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex');
