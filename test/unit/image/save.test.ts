/** Images of an engine's store, written to an archive: the bounds of that, by programs that stand for an engine's. */

import {expect} from 'chai';
import {chmodSync, existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {CannotUnpack} from '../../../src/image/broken.js';
import {saveImage, type SaveOptions} from '../../../src/image/save.js';

const ID = '0123456789abcdef'.repeat(4);

describe('an image that is saved', () => {
  let folder: string;
  let archive: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tare-save-'));
    archive = join(folder, 'saved.tar');
  });
  afterEach(() => {
    rmSync(folder, {recursive: true, force: true});
  });
  const save = (script: string, options: Partial<SaveOptions> = {}): Promise<void> => {
    const program = join(folder, 'podman');
    writeFileSync(program, `#!/bin/sh\necho $$ > ${folder}/pid\n${script}\n`);
    chmodSync(program, 0o755);
    return saveImage(program, ID, archive, {mostBytes: null, ...options});
  };
  const failure = async (...args: Parameters<typeof save>): Promise<Error> => {
    try {
      await save(...args);
    } catch (error) {
      return error as Error;
    }
    throw new Error('it was saved');
  };
  /** A zombie is none that runs. */
  const runs = (): boolean => {
    const stat = `/proc/${readFileSync(join(folder, 'pid'), 'utf8').trim()}/stat`;
    return existsSync(stat) && !readFileSync(stat, 'utf8').includes(') Z ');
  };

  it('is what the program writes, for nobody else to read; the program has nothing of the job’s, and its directory for what it needs', async () => {
    process.env.LEAK = 'yes';
    await save('echo "$*|$TMPDIR|$LEAK|$HOME|$PWD"; echo warned >&2');
    delete process.env.LEAK;
    expect(readFileSync(archive, 'utf8')).to.equal(`save --quiet --format docker-archive ${ID}|${folder}|||/\n`);
    expect(statSync(archive).mode & 0o777).to.equal(0o600);
  });

  it('is an error where the program fails, with what it said last; where it is not there; and where it is killed', async () => {
    const failed = await failure('echo part; echo "time=x level=warning" >&2; echo "Error: layer not known" >&2; exit 125');
    expect(failed).to.be.instanceOf(CannotUnpack);
    expect(failed.message).to.match(/podman does not write it to an archive: layer not known$/);
    rmSync(archive);
    expect((await failure('kill -9 $$')).message).to.match(/it ended with a signal/);
    rmSync(archive);
    const gone = await saveImage('/nonexistent/podman', ID, archive, {mostBytes: null}).catch((error: unknown) => error);
    expect(gone).to.be.instanceOf(CannotUnpack);
  });

  it('has no more bytes than the cache may hold, and ends its program', async () => {
    const error = await failure('while :; do echo 0123456789; done', {mostBytes: 100_000});
    expect(error).to.be.instanceOf(CannotUnpack);
    expect(error.message).to.match(/more than the 100000 bytes/);
    expect(statSync(archive).size).to.be.at.most(100_000);
    expect(runs()).to.equal(false);
  });

  it('is not waited for without end', async () => {
    const error = await failure('echo part; exec sleep 100', {deadlineMs: 300});
    expect(error).to.be.instanceOf(CannotUnpack);
    expect(error.message).to.match(/does not write it to an archive: not within 0\.3 s/);
    expect(runs()).to.equal(false);
  });

  it('is not waited for where something else holds what the program had, and left out of the mounts of the node', async () => {
    const begin = Date.now();
    const error = await failure('sleep 20 & echo part; wait', {deadlineMs: 300});
    expect(error.message).to.match(/not within 0\.3 s/);
    expect(Date.now() - begin).to.be.lessThan(10_000);
    rmSync(archive);
    await save('readlink /proc/self/ns/mnt');
    const isApart = readFileSync(archive, 'utf8').trim() !== readlinkSync('/proc/self/ns/mnt');
    expect(isApart).to.equal(process.getuid?.() === 0);
  });

  it('ends with its program when it is not wanted any more, before and while it is made', async () => {
    const aborting = new AbortController();
    const reason = new Error('SIGTERM came');
    const pending = failure('echo part; exec sleep 100', {aborted: aborting.signal});
    setTimeout(() => aborting.abort(reason), 200);
    expect(await pending).to.equal(reason);
    expect(runs()).to.equal(false);
    rmSync(archive);
    expect(await failure('true', {aborted: aborting.signal})).to.equal(reason);
    expect(existsSync(archive)).to.equal(false);
  });
});
