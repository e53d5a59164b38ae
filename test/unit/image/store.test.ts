import {expect} from 'chai';
import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {TareError} from '../../../src/errors.js';
import {nodeArchitecture} from '../../../src/image/architecture.js';
import {lookInStore, readStored} from '../../../src/image/store.js';

const HEX = '0123456789abcdef'.repeat(4);
const NAME = 'docker://docker.io/library/box:1';

describe('an image in the store of an engine', () => {
  it('is what docker and podman say of it', () => {
    const stored = {digest: `sha256:${HEX}`, architecture: 'amd64', volumes: []};
    expect(readStored(`sha256:${HEX} amd64 null\n`)).to.deep.equal(stored);
    expect(readStored(`${HEX} amd64 {}`)).to.deep.equal(stored);
    expect(readStored(`${HEX}  {"/data":{},"/x y":{}}`)).to.deep.equal({...stored, architecture: null, volumes: ['/data', '/x y']});
    for (const odd of [
      '',
      'amd64 null',
      `${HEX} amd64`,
      `${HEX.slice(1)} amd64 null`,
      `${HEX} amd64 {"`,
      `${HEX} amd64 null\n${HEX} amd64 null`,
    ])
      expect(readStored(odd), odd).to.equal(null);
  });

  const folder = mkdtempSync(join(tmpdir(), 'tare-store-'));
  after(() => {
    rmSync(folder, {recursive: true, force: true});
  });
  const look = (script: string, images: 'shown' | 'saved' = 'shown') => {
    const path = join(folder, 'docker');
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return lookInStore(NAME, {name: 'docker', path, images}, 'job.yaml#/image');
  };
  const failing = async (script: string): Promise<TareError> => {
    try {
      await look(script);
    } catch (error) {
      if (error instanceof TareError) return error;
      throw error;
    }
    throw new Error('it was found');
  };

  it('is asked for by its name, and nothing is fetched', async () => {
    const asked = `[ "$1 $2 $3 $5" = "image inspect --format docker.io/library/box:1" ] && [ $# = 5 ] || exit 9`;
    expect(await look(`${asked}; echo ${HEX} ${nodeArchitecture()} null`)).to.deep.equal({
      ...{path: NAME, kind: 'reference', digest: `sha256:${HEX}`, architecture: nodeArchitecture(), mount: null, store: 'docker'},
    });
  });

  it('that is not there, is for another processor, has volumes, or is not understood is an error that says what to do', async () => {
    const absent = await failing('echo "Error response from daemon: No such image: docker.io/library/box:1" >&2; exit 1');
    expect(absent.code).to.equal('IMAGE_UNUSABLE');
    expect(absent.message).to.match(/is not in the store of docker on this node, and Tare fetches none/);
    expect(absent.message).to.include('docker pull docker.io/library/box:1').and.include('job.yaml#/image');
    const broken = await failing(
      'echo "time=x level=warning msg=\\"y: z\\"" >&2; echo "Error: layer a: unexpected EOF" >&2; echo >&2; exit 125',
    );
    expect(broken.message)
      .to.match(/docker does not say what the image is in its store/)
      .and.match(/: layer a: unexpected EOF/)
      .and.not.match(/docker pull/);
    const warned = await failing('echo "time=x level=warning" >&2; echo "Error: box:1: image not known" >&2; exit 125');
    expect(warned.message)
      .to.match(/is not in the store of docker/)
      .and.include('found: docker.io/library/box:1: box:1: image not known');
    expect((await failing(`echo ${HEX} vax null`)).code).to.equal('IMAGE_ARCHITECTURE');
    expect((await failing(`echo '${HEX} ${nodeArchitecture()} {"/data":{}}'`)).message)
      .to.include('has volumes')
      .and.include('/data');
    expect((await failing('echo yes')).message).to.include('understands');
  });

  it('may have volumes where the box has a view of it', async () => {
    const {digest} = await look(`echo '${HEX} ${nodeArchitecture()} {"/data":{}}'`, 'saved');
    expect(digest).to.equal(`sha256:${HEX}`);
  });
});
