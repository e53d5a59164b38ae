import {spawn} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {removeContainer, waitForClient} from '../../../src/box/containers.js';
import {processId} from '../../../src/process/process.js';

describe('a container that a daemon keeps', () => {
  let folder = '';
  before(() => (folder = mkdtempSync(join(tmpdir(), 'tare-client-'))));
  after(() => {
    rmSync(folder, {recursive: true});
  });
  const remove = (script: string): Promise<string[]> => {
    const client = join(folder, 'client');
    writeFileSync(client, `#!/bin/sh\n${script}\n`, {mode: 0o755});
    return removeContainer({op: 'container.remove', client, name: 'tare-ab'});
  };

  it('is removed by the client; one that is gone already, or goes, is as good', async () => {
    expect(await remove('test "$*" = "rm --force tare-ab"')).to.deep.equal([]);
    expect(await remove('echo "Error response from daemon: No such container: tare-ab" >&2')).to.deep.equal([]);
    expect(
      await remove('echo "Error response from daemon: removal of container tare-ab is already in progress" >&2; exit 1'),
    ).to.deep.equal([]);
  });

  it('is left, with what the client says, where the daemon does not answer', async () => {
    const left = await remove('echo "Cannot connect to the Docker daemon" >&2; exit 1');
    expect(left.join()).to.match(/^the container tare-ab \(.*Cannot connect to the Docker daemon/);
    expect((await remove('exit 3')).join()).to.match(/^the container tare-ab \(.+\)$/);
  });
});

describe('what the client of a daemon leaves behind', () => {
  it('has ended before the box’s folder is removed; what names another folder is not waited for', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tare-left-'));
    const [box, other] = ['tare-ab', 'tare-abc'].map((name) => join(folder, name)) as [string, string];
    const children = [box, other].map((one, index) => {
      mkdirSync(join(one, 'client'), {recursive: true});
      return spawn('/bin/sh', ['-c', 'sleep "$2"; exit', 'sh', join(one, 'client'), index === 0 ? '0.3' : '60'], {
        stdio: 'ignore',
        detached: true,
      });
    });
    try {
      // until then a child has this test's own words
      for (const {pid = 0} of children)
        while (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await waitForClient({op: 'client.wait', path: box})).to.deep.equal([]);
      expect(children.map(({pid = 0}) => processId(pid) === null)).to.deep.equal([true, false]);
    } finally {
      process.kill(-(children[1]?.pid ?? 0), 'SIGKILL');
      rmSync(folder, {recursive: true});
    }
  });
});
