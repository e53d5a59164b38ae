/** What a layer is compressed with, by its first bytes, and the stream that undoes it. */

import {PassThrough, Transform} from 'node:stream';
import {createGunzip} from 'node:zlib';
import {start} from '../host/spawn.js';
import {BlobError} from './blobs.js';
import {CannotUnpack} from './broken.js';

/** The places in which the program is looked for; root runs it as the account nobody. */
export const ZSTD = ['/usr/bin/zstd', '/bin/zstd', '/usr/local/bin/zstd'];
const NOBODY = 65534;

const MAGICS: readonly {name: string; bytes: readonly number[]}[] = [
  {name: 'gzip', bytes: [0x1f, 0x8b]},
  {name: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd]},
  {name: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58]},
  {name: 'bzip2', bytes: [0x42, 0x5a, 0x68]},
];

/** The decompressor of a layer, chosen by the layer's first bytes and not by the manifest. @throws CannotUnpack */
export function decompressorFor(begin: Buffer, zstd: string | null): NodeJS.ReadWriteStream {
  const magic = MAGICS.find(({bytes}) => bytes.every((byte, index) => begin[index] === byte))?.name;
  if (magic === undefined) return new PassThrough();
  if (magic === 'gzip') return createGunzip();
  if (magic !== 'zstd') throw new CannotUnpack(`a layer is compressed with ${magic}; gzip, zstd and plain tar are known`);
  if (zstd === null) throw new CannotUnpack(`a layer is compressed with zstd, and there is no zstd program: looked for ${ZSTD.join(', ')}`);
  return byZstd(zstd);
}

/** What decompresses bytes that came from anywhere has no rights. */
function byZstd(program: string): NodeJS.ReadWriteStream {
  const identity = process.getuid?.() === 0 ? {uid: NOBODY, gid: NOBODY} : {};
  const child = start(program, ['-dcq', '--memory=256MB'], {
    ...identity,
    cwd: '/',
    env: {LC_ALL: 'C'},
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-500)));
  const stream = new Transform({
    readableHighWaterMark: 1 << 20,
    transform(piece: Buffer, _, done) {
      if (child.stdin?.write(piece) !== false) done();
      else child.stdin.once('drain', done);
    },
    flush(done) {
      child.stdin?.end();
      // all of its output was passed on then
      ended.then(() => done(), done);
    },
    destroy(error, done) {
      // at the end of all it said it ends by itself, and its status tells whether that was all
      if (error !== null || child.stdout?.readableEnded !== true) child.kill('SIGKILL');
      done(error);
    },
  });
  child.stdin?.on('error', () => undefined); // it ended before all was written: what it said tells why
  child.stdout?.on('data', (piece: Buffer) => {
    if (stream.push(piece)) return;
    child.stdout?.pause();
    setImmediate(function again() {
      if (stream.destroyed || stream.readableLength < stream.readableHighWaterMark) child.stdout?.resume();
      else setTimeout(again, 1);
    });
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => {
      stream.destroy();
      reject(new CannotUnpack(`${program}: ${error.message}`));
    });
    child.on('close', (code) => {
      if (code === 0) {
        resolve();
        return;
      }
      const wrong = new BlobError(`it is cut off or damaged (${said.trim() || `zstd ended with ${String(code)}`})`);
      stream.destroy(wrong);
      reject(wrong);
    });
  });
  ended.catch(() => undefined); // the reader of the stream gets the error too
  return stream;
}
