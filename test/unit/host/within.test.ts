import {expect} from 'chai';
import {parseMountinfo} from '../../../src/host/mountinfo.js';
import type {Hierarchy} from '../../../src/host/hierarchy.js';
import type {Tree} from '../../../src/host/tree.js';
import {readWithin} from '../../../src/host/within.js';

const tree = (texts: Record<string, string> = {}, links: Record<string, string> = {}): Tree =>
  ({text: (path: string) => texts[path] ?? null, link: (path: string) => links[path] ?? null}) as unknown as Tree;
const mounts = (options: string) => parseMountinfo(`36 35 8:1 /x /dev/tare ${options} - ext4 /dev/sda1 rw\n`);
const group = (directory: string): Hierarchy => ({version: 2, controllers: [], mount: '/c', readOnly: false, path: [directory, '/c']});

describe('in a box already', () => {
  it('by the read-only mount that every box has, with the record of the box around', () => {
    expect(readWithin(tree({'/dev/tare/box.json': '{"recordId": "r1"}'}), mounts('ro,nosuid'), [], undefined)?.recordId).to.equal('r1');
    for (const text of ['', 'x', 'null', '{"recordId": 5}'])
      expect(readWithin(tree({'/dev/tare/box.json': text}), mounts('ro'), [], undefined)).to.include({recordId: null});
    expect(readWithin(tree(), mounts('rw'), [], undefined)).to.equal(null);
  });

  it('by the own control group', () => {
    expect(readWithin(tree(), [], [group('/c/slot/tare-0123456789abcdef/payload/job')], undefined)?.how).to.include('/payload/job');
    for (const other of ['/c/slot', '/c/tare-0123456789abcdef', '/c/tare-x/payload', '/c/tare-0123456789abcdef/payloads'])
      expect(readWithin(tree(), [], [group(other)], undefined), other).to.equal(null);
  });

  it('has no network where there is no device but the loopback’s, and the kernel’s own ends of tunnels', () => {
    const dev = (...names: string[]) =>
      [
        'Inter-|   Receive                                                |  Transmit',
        ' face |bytes',
        ...names.map((one) => `${one}: 0 0`),
        '',
      ].join('\n');
    const offline = (text: string | null) =>
      readWithin(tree(text === null ? {} : {'/proc/self/net/dev': text}), mounts('ro'), [], undefined)?.offline;
    expect(offline(dev('    lo'))).to.equal(true);
    expect(offline(dev('    lo', ' tunl0', '  sit0', 'ip6tnl0'))).to.equal(true);
    for (const text of [dev('    lo', '  eth0'), dev('    lo', 'tap0'), dev(' ethlo'), dev(), '', null])
      expect(offline(text), String(text)).to.equal(undefined);
  });

  it('by a shim among the ancestors, which is another than its own', () => {
    const stat = (parent: number) => `1 (a) b) S ${String(parent)} 1`;
    const texts = {'/proc/9/stat': stat(8), '/proc/8/stat': stat(7), '/proc/7/stat': stat(1)};
    const links = {'/proc/9/exe': '/opt/tare', '/proc/8/exe': '/bin/sh', '/proc/7/exe': '/opt/tare'};
    expect(readWithin(tree(texts, links), [], [], {pid: 9, executable: null})?.how).to.equal('process 7 above is a shim');
    expect(readWithin(tree(texts, {...links, '/proc/7/exe': '/bin/x'}), [], [], {pid: 9, executable: null})).to.equal(null);
    expect(readWithin(tree(texts), [], [], {pid: 9, executable: null})).to.equal(null);
    expect(readWithin(tree({'/proc/9/stat': stat(9)}, links), [], [], {pid: 9, executable: null})?.how).to.equal(
      'process 9 above is a shim',
    );
    // `tare plan` has no shim, and says what `tare run` would find
    const plan = {...links, '/proc/9/exe': '/usr/bin/node'};
    expect(readWithin(tree(texts, plan), [], [], {pid: 9, executable: '/opt/tare'})?.how).to.equal('process 7 above is a shim');
  });
});
