/** The daemon of an engine: its socket, and whose it is. */

import {mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import type {EngineFacts} from '@tare/contract';
import {engine} from '../../../plugins/docker/engine.js';
import {engine as libvirt} from '../../../plugins/libvirt/engine.js';
import {readEngine, type Sought} from '../../../src/host/engine.js';
import {realTree, type Tree} from '../../../src/host/tree.js';
import {ROOT} from '../plan/build.js';
import {memoryTree} from './memory-tree.js';

/** @param owners of what is at paths */
const found = (sought: Sought, owners: Readonly<Record<string, number | null>>): EngineFacts => {
  const tree: Tree = {
    ...memoryTree(Object.fromEntries(Object.keys(owners).map((path) => [path, '']))),
    program: () => ({mode: 0o755, uid: 0, size: 1, mtimeMs: 1}),
    owner: (path) => owners[path] ?? null,
  };
  return readEngine(sought, {tree, mounts: [], status: {noNewPrivileges: false} as never, caller: ROOT, version: () => '26.1.5'});
};

describe('the daemon of an engine', () => {
  it('is there where its socket is, and is root’s', () => {
    expect(found(engine, {'/run/docker.sock': 0}).path).to.equal('/usr/bin/docker');
    expect(found(libvirt, {'/run/libvirt/libvirt-sock': 0}).path).to.equal('/usr/bin/virsh');
  });

  it('is not there without a socket: the reason says where it was looked for', () => {
    const {path, how} = found(engine, {});
    expect([path, how]).to.deep.equal([
      null,
      '/usr/bin/docker has no daemon: nothing is at /run/docker.sock, /var/run/docker.sock; /usr/local/bin/docker has no daemon: nothing is at /run/docker.sock, /var/run/docker.sock',
    ]);
  });

  it('of another account is none, such as a rootless one: the reason says whose it is and what to do', () => {
    const {path, how} = found(engine, {'/run/docker.sock': 1000, '/var/run/docker.sock': 0});
    expect(path).to.equal(null);
    expect(how)
      .to.match(/^\/usr\/bin\/docker has no daemon of root’s: \/run\/docker\.sock is uid 1000’s; have root’s daemon listen there/)
      .and.match(/rootless/);
    expect(found(engine, {'/run/docker.sock': null}).how).to.match(/is uid unknown’s/);
  });

  it('is that of what a link leads to', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tare-owner-'));
    try {
      writeFileSync(join(folder, 'socket'), '');
      symlinkSync('socket', join(folder, 'link'));
      const tree = realTree(folder);
      expect(['/socket', '/link', '/none'].map((path) => tree.owner(path))).to.deep.equal([
        process.getuid?.() ?? -1,
        process.getuid?.() ?? -1,
        null,
      ]);
    } finally {
      rmSync(folder, {recursive: true});
    }
  });
});
