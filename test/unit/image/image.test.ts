/** Which image is allowed, what a layout holds, for which processor it is, and what a plan makes of it. */
import {expect} from 'chai';
import {architecturesIn, nodeArchitecture, runsHere} from '../../../src/image/architecture.js';
import {BlobError, type Blobs} from '../../../src/image/blobs.js';
import {squashfuseOf} from '../../../src/image/look.js';
import {OtherArchitecture, readManifest} from '../../../src/image/manifest.js';
import {readSuperblock} from '../../../src/image/squashfs.js';
import {planImage, type ImageFound} from '../../../src/plan/image.js';
import {allowsImage, allowsPath} from '../../../src/policy/images.js';
import {dockerArchive, layoutFiles, sha256, tar} from '../../support/images.js';
import {policy} from '../plan/build.js';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe('images of a policy', () => {
  const rows: [string[], string, boolean][] = [
    [['/cvmfs/x/*'], '/cvmfs/x/a', true],
    [['/cvmfs/x/*'], '/cvmfs/x/a/b', false],
    [['/cvmfs/x/**'], '/cvmfs/x/a/b', true],
    [['/cvmfs/x/**'], '/cvmfs/x', false],
    [['/cvmfs/x/**'], '/cvmfs/xy/a', false],
    [['/cvmfs/*/atlas/**'], '/cvmfs/u/atlas/a/b', true],
    [['/cvmfs/*/atlas/**'], '/cvmfs/u/v/atlas/a', false],
    [[DIGEST], '/x', false],
    [[], '/x', false],
  ];
  for (const [images, path, expected] of rows)
    it(`${images.join() || 'none'}: ${path} ${expected ? 'is' : 'is not'} allowed by its path`, () => {
      expect(allowsPath(images, path)).to.equal(expected);
    });
  it('a digest is enough, wherever it lies', () => {
    expect(allowsImage([DIGEST], {path: '/x', digest: DIGEST})).to.equal(true);
    expect(allowsImage([DIGEST], {path: '/x', digest: null})).to.equal(false);
    expect(allowsImage([DIGEST], {path: '/x', digest: `${DIGEST.slice(0, -1)}0`})).to.equal(false);
  });
});

/** Files in memory. */
const blobs = (files: ReadonlyMap<string, Buffer>): Blobs => ({
  text: (name) => files.get(name) ?? null,
  bytes: (name) => files.get(name)?.length ?? 0,
  stream: () => {
    throw new BlobError('a test reads no layers');
  },
  close: () => undefined,
});

describe('what a layout holds', () => {
  const layer = tar([{path: 'x', content: 'x'}]);
  const made = layoutFiles([layer], {name: 'a:1', architecture: 'amd64'});
  const read = (files: ReadonlyMap<string, Buffer>, architecture = 'amd64') => readManifest(blobs(files), architecture);
  const changed = (change: (files: Map<string, Buffer>) => void): Map<string, Buffer> => {
    const files = new Map(made.files);
    change(files);
    return files;
  };
  const put = (files: Map<string, Buffer>, value: object): {digest: string; size: number} => {
    const bytes = Buffer.from(JSON.stringify(value));
    files.set(`blobs/sha256/${sha256(bytes)}`, bytes);
    return {digest: `sha256:${sha256(bytes)}`, size: bytes.length};
  };
  it('its manifest, with the digest that it goes by', () => {
    expect(read(made.files)).to.include({digest: made.digest, architecture: 'amd64', name: 'a:1'});
    expect(read(made.files).layers).to.have.length(1);
  });
  it('of several architectures, in an index in the index, the node’s; what buildkit adds is nothing', () => {
    const arm = layoutFiles([layer, layer], {architecture: 'arm64'});
    const files = new Map([...made.files, ...arm.files]);
    const inner = put(files, {
      manifests: [
        {digest: made.digest, platform: {architecture: 'amd64', os: 'linux'}},
        {digest: arm.digest, platform: {architecture: 'arm64', os: 'linux'}},
        {digest: `sha256:${'00'.repeat(32)}`, platform: {architecture: 'unknown', os: 'unknown'}},
      ],
    });
    files.set('index.json', Buffer.from(JSON.stringify({manifests: [inner]})));
    expect(read(files).digest).to.equal(made.digest);
    expect(read(files, 'arm64').digest).to.equal(arm.digest);
    expect(() => read(files, 's390x')).to.throw(OtherArchitecture, 'amd64, arm64');
  });
  it('an archive of docker, by the digest of its configuration', () => {
    const {digest} = dockerArchive([layer], 'amd64');
    const config = Buffer.from(
      JSON.stringify({architecture: 'amd64', os: 'linux', rootfs: {type: 'layers', diff_ids: [`sha256:${sha256(layer)}`]}}),
    );
    const files = new Map([
      [`${digest.slice(7)}.json`, config],
      ['manifest.json', Buffer.from(JSON.stringify([{Config: `${digest.slice(7)}.json`, RepoTags: ['a:2'], Layers: ['l/layer.tar']}]))],
    ]);
    expect(read(files)).to.deep.include({digest, name: 'a:2'});
    expect(read(files).layers).to.deep.equal([{name: 'l/layer.tar', digest: `sha256:${sha256(layer)}`, of: 'plain', bytes: null}]);
    files.set(`${digest.slice(7)}.json`, Buffer.from('{}'));
    expect(() => read(files)).to.throw(BlobError, /another digest/);
  });
  const manifest = `blobs/sha256/${made.digest.slice(7)}`;
  const bad: [string, Map<string, Buffer>, RegExp][] = [
    ['no index', changed((files) => files.delete('index.json')), /neither index.json/],
    ['an index that is none', changed((files) => files.set('index.json', Buffer.from('root:$6$secret'))), /index.json is no JSON/],
    ['an index of nothing', changed((files) => files.set('index.json', Buffer.from('{"manifests":[]}'))), /names no image/],
    ['a list', changed((files) => files.set('index.json', Buffer.from('[1]'))), /no manifests/],
    ['no manifest', changed((files) => files.delete(manifest)), /is missing/],
    ['another manifest', changed((files) => files.set(manifest, Buffer.from('{"config":{},"layers":[]}'))), /another digest/],
    [
      'a digest that is a path',
      changed((files) => files.set('index.json', Buffer.from('{"manifests":[{"digest":"sha256:../../../../etc/shadow"}]}'))),
      /no sha256/,
    ],
    [
      'several images',
      changed((files) => {
        const other = layoutFiles([layer, layer], {architecture: 'amd64', name: 'b:1'});
        for (const [name, bytes] of other.files) if (name.startsWith('blobs')) files.set(name, bytes);
        files.set('index.json', Buffer.from(JSON.stringify({manifests: [{digest: made.digest}, {digest: other.digest}]})));
      }),
      /several images/,
    ],
  ];
  for (const [what, files, message] of bad)
    it(`refused: ${what}`, () => {
      expect(() => read(files)).to.throw(BlobError, message);
      expect(() => read(files)).to.not.throw(BlobError, /secret/);
    });
});

describe('for which processor', () => {
  const elf = (machine: number, little = true): Buffer => {
    const header = Buffer.alloc(20);
    header.write('\x7fELF', 'latin1');
    header[5] = little ? 1 : 2;
    if (little) header.writeUInt16LE(machine, 18);
    else header.writeUInt16BE(machine, 18);
    return header;
  };
  it('by ELF headers, one after the other', () => {
    expect(
      architecturesIn(Buffer.concat([elf(62), Buffer.from('#!/bin/sh'), elf(183), elf(22, false), elf(21, false), elf(21)])),
    ).to.deep.equal(['amd64', 'arm64', 's390x', 'ppc64', 'ppc64le']);
    expect(architecturesIn(Buffer.from('no program'))).to.deep.equal([]);
    expect(architecturesIn(elf(62).subarray(0, 10))).to.deep.equal([]);
  });
  it('this one runs its own, and no other’s', () => {
    expect(runsHere(nodeArchitecture())).to.equal(true);
    expect(runsHere('s390x-of-another')).to.equal(false);
  });
  it('a squashfs file that is cut off, of another version, or none', () => {
    const block = Buffer.alloc(96);
    expect(readSuperblock(block, 96)).to.match(/no squashfs/);
    block.write('hsqs');
    block.writeUInt16LE(4, 28);
    block.writeBigUInt64LE(5000n, 40);
    expect(readSuperblock(block, 4096)).to.match(/cut off: 4096 of 5000/);
    expect(readSuperblock(block, 8192)).to.include({bytes: 5000});
    block.writeUInt16LE(3, 28);
    expect(readSuperblock(block, 8192)).to.match(/version 3/);
  });
});

describe('what a view lies over', () => {
  const image = {value: '/data/i', provenance: {source: 'job' as const, at: 'a test'}};
  const site = policy({images: ['/data/*'], imageStore: {cache: '/cache/%u'}});
  const found = (change: Partial<ImageFound>): ImageFound => ({
    ...{path: '/data/i', kind: 'directory', digest: null, architecture: null, mount: null},
    ...change,
  });
  it('a tree, where it lies', () => {
    expect(planImage(image, found({}), site, 7)).to.deep.include({lower: '/data/i', directories: [], mounts: []});
  });
  it('layers, in the cache', () => {
    const {lower, take} = planImage(image, found({kind: 'oci-layout', digest: DIGEST}), site, 7);
    expect(lower).to.equal(`/cache/7/trees/${'ab'.repeat(32)}/root`);
    expect(take).to.include({tree: `/cache/7/trees/${'ab'.repeat(32)}`, digest: DIGEST, kind: 'oci-layout'});
  });
  it('an image of a store that the engine has saved, in the cache; one that it shows, itself', () => {
    const stored = found({kind: 'reference', digest: DIGEST});
    expect(planImage(image, stored, site, 0).lower).to.equal(`/cache/0/trees/${'ab'.repeat(32)}/root`);
    expect(planImage(image, stored, site, 0, true).take).to.include({tree: null, digest: DIGEST, kind: 'reference'});
  });
  it('a squashfs file that is allowed by its path, mounted where it lies; by its digest only, a copy', () => {
    const squashfs = found({kind: 'squashfs', digest: DIGEST, mount: {by: 'loop', program: null, options: []}});
    expect(planImage(image, squashfs, site, 0).mounts).to.deep.include.members([
      {
        op: 'mount.squashfs',
        source: '/data/i',
        at: '{box}/view/image',
        by: 'loop',
        program: null,
        options: [],
        because: 'mounted by the kernel',
      },
    ]);
    const [mount] = planImage(image, squashfs, policy({images: [DIGEST]}), 0).mounts;
    expect(mount).to.include({op: 'mount.squashfs', source: `/var/lib/tare/images/trees/${'ab'.repeat(32)}/image.squashfs`});
  });
});

describe('squashfuse', () => {
  const [ll, high, other] = ['/usr/bin/squashfuse_ll', '/usr/bin/squashfuse', '/usr/local/bin/squashfuse_ll'] as const;
  const user = {uid: 7, gid: 8};
  const options = ['uid=7', 'gid=8'];
  const old = '-o offset=N';
  const help = (program: string): string => (program === other ? `${old}\n-o uid=N set file owner\n-o gid=N` : old);

  it('is a program that shows files as the user’s own', () => {
    expect(squashfuseOf([ll, high], user, () => help(other))).to.deep.equal({program: ll, options});
    expect(squashfuseOf([ll, high, other], user, help)).to.deep.equal({program: other, options});
    expect(squashfuseOf([ll, high], user, help)).to.deep.equal({program: high, options});
    expect(squashfuseOf([ll], user, help)).to.deep.equal({program: ll, options: []});
  });

  it('is the first that is installed, for root', () => {
    expect(squashfuseOf([ll, high], null, help)).to.deep.equal({program: ll, options: ['allow_other']});
    expect(squashfuseOf([], null, help)).to.equal(null);
  });
});
