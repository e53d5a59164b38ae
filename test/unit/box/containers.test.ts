import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {removeContainer} from '../../../src/box/containers.js';

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
