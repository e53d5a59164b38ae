import {closeSync, mkdtempSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {execFileSync} from 'node:child_process';
import {expect} from 'chai';
import {outputFileOf} from '../../../src/box/output-file.js';
import {answersInTime, descriptorCanHang, mountBehind, noteOutput} from '../../../src/box/slow-output.js';
import {parseMountinfo} from '../../../src/host/mountinfo.js';

describe('output on a file system that can hang', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-slow-'));
  });
  afterEach(() => {
    rmSync(directory, {recursive: true});
  });

  it('is known by the mount on which it was opened, whatever is mounted over that by now', () => {
    const mounts = parseMountinfo(
      ['20 1 8:1 / / rw - ext4 /dev/a rw', '30 20 0:40 / /home rw - nfs4 server:/ rw', '31 30 0:41 / /home rw - tmpfs none rw'].join('\n'),
    );
    expect(mountBehind('pos:\t0\nflags:\t02\nmnt_id:\t30\n', '/home/out', mounts)?.type).to.equal('nfs4');
    expect(mountBehind('pos:\t0\nmnt_id:\t77\n', '/home/out', mounts)?.type, 'of another mount namespace').to.equal('tmpfs');
    expect(mountBehind('pos:\t0\n', '/var/out', mounts)?.type, 'before Linux 3.15').to.equal('ext4');
  });

  it('is not what lies on a disk, nor pipes and what is closed', async () => {
    const path = join(directory, 'out');
    writeFileSync(path, 'words');
    const descriptor = openSync(path, 'a');
    try {
      expect(descriptorCanHang(process.pid, descriptor)).to.equal(false);
      expect(await noteOutput(process.pid, descriptor)).to.deep.equal(outputFileOf(process.pid, descriptor));
      expect([descriptorCanHang(process.pid, 9999), await noteOutput(process.pid, 9999)]).to.deep.equal([false, null]);
    } finally {
      closeSync(descriptor);
    }
  });

  it('is read by a child, also where it is not there; a pipe is not opened', async () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(await answersInTime(pipe, 20_000)).to.equal(true);
    writeFileSync(join(directory, 'out'), 'words');
    expect(await answersInTime(join(directory, 'out'), 20_000)).to.equal(true);
    expect(await answersInTime(join(directory, 'nothing'), 20_000)).to.equal(true);
  });
});
