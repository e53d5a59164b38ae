/** Images of a few files, made by hand: tar archives with whatever is in them, good or evil, and layouts around them. */

import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';

export interface Member {
  path: string;
  /** As tar has it: 0 file, 1 hard link, 2 symbolic link, 3 character device, 5 directory, 6 pipe. */
  type?: string;
  mode?: number;
  content?: string | Buffer;
  /** Of a content that the caller puts after it. */
  size?: number;
  target?: string;
  uid?: number;
}

const BLOCK = 512;

/** ustar; longer names by a header of pax. */
export function tar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap((member) => {
    const long = Buffer.byteLength(member.path) > 99 || Buffer.byteLength(member.target ?? '') > 99;
    return [...(long ? [pax(member)] : []), entry(member, long)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function entry(member: Member, long = false): Buffer {
  const {path, type = '0', mode = type === '5' ? 0o755 : 0o644, content = '', target = '', uid = 0} = member;
  const body = type === '0' || type === 'x' || type === 'L' ? Buffer.from(content) : Buffer.alloc(0);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  header.write(long ? 'long' : path, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(uid, 116, 8);
  octal(member.size ?? body.length, 124, 12);
  octal(1_000_000_000, 136, 12);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write(long ? '' : target, 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return Buffer.concat([header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}

function pax({path, target}: Member): Buffer {
  const records = Object.entries({path, ...(target === undefined ? {} : {linkpath: target})}).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (String(length).length + Buffer.byteLength(rest) !== length) length = String(length).length + Buffer.byteLength(rest);
    return `${String(length)}${rest}`;
  });
  return entry({path: 'pax', type: 'x', content: records.join('')});
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Of one that BusyBox makes usable: a shell, and what it can do. */
export function busyboxMembers(busybox: string): Member[] {
  const applets = ['sh', 'ls', 'cat', 'echo', 'touch', 'test', 'sleep', 'stat', 'readlink', 'mkdir', 'rm', 'id', 'grep', 'find'];
  return [
    {path: './', type: '5'},
    ...['bin', 'etc', 'tmp', 'usr', 'usr/lib'].map((path) => ({path: `./${path}/`, type: '5', mode: path === 'tmp' ? 0o1777 : 0o755})),
    {path: './bin/busybox', mode: 0o755, content: readFileSync(busybox)},
    ...applets.map((name) => ({path: `./bin/${name}`, type: '1', target: './bin/busybox'})),
    {path: './etc/release', content: 'first\n'},
  ];
}

export interface LayoutOptions {
  architecture?: string;
  /** How each layer is stored. */
  compress?: (layer: Buffer, index: number) => Buffer;
  name?: string;
}

export const gzip = (layer: Buffer): Buffer => gzipSync(layer);
export const zstd = (layer: Buffer): Buffer => execFileSync('zstd', ['-qc'], {input: layer, maxBuffer: 2 ** 28});

/** Files of an OCI layout by their names, and the digest of its manifest. */
export function layoutFiles(
  layers: readonly Buffer[],
  {architecture = goArchitecture(), compress = gzip, name}: LayoutOptions = {},
): {files: Map<string, Buffer>; digest: string} {
  const files = new Map<string, Buffer>();
  const add = (bytes: Buffer, mediaType: string): {mediaType: string; digest: string; size: number} => {
    files.set(`blobs/sha256/${sha256(bytes)}`, bytes);
    return {mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length};
  };
  const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
  const config = add(
    json({architecture, os: 'linux', rootfs: {type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`)}}),
    'application/vnd.oci.image.config.v1+json',
  );
  const stored = layers.map((layer, index) => add(compress(layer, index), 'application/vnd.oci.image.layer.v1.tar+gzip'));
  const manifest = add(json({schemaVersion: 2, config, layers: stored}), 'application/vnd.oci.image.manifest.v1+json');
  const annotations = name === undefined ? {} : {annotations: {'org.opencontainers.image.ref.name': name}};
  files.set('index.json', json({schemaVersion: 2, manifests: [{...manifest, ...annotations}]}));
  files.set('oci-layout', json({imageLayoutVersion: '1.0.0'}));
  return {files, digest: manifest.digest};
}

/** An OCI layout that is small and takes seconds to unpack: one file of 2 GiB of zeros. It takes none to make: frames of zstd may follow each other. */
export function writeSlowLayout(directory: string): string {
  mkdirSync(directory);
  const pieces = 32;
  const piece = 2 ** 26;
  const zeros = zstd(Buffer.alloc(piece));
  const header = zstd(entry({path: 'zeros', size: pieces * piece}));
  const stored = Buffer.concat([header, ...Array.from({length: pieces}, () => zeros), zstd(Buffer.alloc(2 * BLOCK))]);
  const {files, digest} = layoutFiles([Buffer.from('only what is stored is checked')], {compress: () => stored});
  writeLayout(directory, files);
  return digest;
}

const goArchitecture = (): string => ({x64: 'amd64', arm64: 'arm64'})[process.arch as 'x64' | 'arm64'];

export function writeLayout(directory: string, files: ReadonlyMap<string, Buffer>): void {
  mkdirSync(join(directory, 'blobs/sha256'), {recursive: true});
  for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes);
}

export const archiveOf = (files: ReadonlyMap<string, Buffer>): Buffer => tar([...files].map(([path, content]) => ({path, content})));

/** As `docker save` wrote it before it wrote layouts. */
export function dockerArchive(layers: readonly Buffer[], architecture = goArchitecture()): {bytes: Buffer; digest: string} {
  const config = Buffer.from(
    JSON.stringify({architecture, os: 'linux', rootfs: {type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`)}}),
  );
  const name = sha256(config);
  const members: Member[] = layers.map((content, index) => ({path: `layer${String(index)}/layer.tar`, content}));
  const manifest = [{Config: `${name}.json`, RepoTags: ['busybox:test'], Layers: members.map(({path}) => path)}];
  return {
    bytes: tar([...members, {path: `${name}.json`, content: config}, {path: 'manifest.json', content: JSON.stringify(manifest)}]),
    digest: `sha256:${name}`,
  };
}
