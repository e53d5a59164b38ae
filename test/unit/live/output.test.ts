import {chmodSync, closeSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import type {TareError} from '../../../src/errors.js';
import type {LiveBox} from '../../../src/live/box-view.js';
import {openSource} from '../../../src/live/output.js';

const NOBODY = 65534;

describe('what several applications write, where that is a file', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-output-'));
    path = join(directory, 'out');
    writeFileSync(path, 'words');
  });
  afterEach(() => {
    rmSync(directory, {recursive: true});
  });

  const boxOf = (): LiveBox => {
    const {dev, ino} = statSync(path);
    return {id: 'b', applications: [{name: 'a'}], output: {stdout: {path, device: dev, inode: ino}}, init: null} as unknown as LiveBox;
  };
  const refused = async (box: LiveBox): Promise<Pick<TareError, 'code' | 'details'>> => {
    try {
      closeSync((await openSource(box, undefined, 'stdout')).descriptor);
    } catch (error) {
      return error as TareError;
    }
    throw new Error('it was opened');
  };

  it('is opened', async () => {
    closeSync((await openSource(boxOf(), undefined, 'stdout')).descriptor);
  });

  it('is said to be gone where something else has its name', async () => {
    const box = boxOf();
    rmSync(path);
    expect((await refused(box)).code).to.equal('OUTPUT_ELSEWHERE');
    symlinkSync('/etc/passwd', path);
    expect((await refused(box)).code).to.equal('OUTPUT_ELSEWHERE');
    expect((await refused({...box, output: {stdout: {path: '/etc/passwd/x', device: 1, inode: 1}}} as LiveBox)).code).to.equal(
      'OUTPUT_ELSEWHERE',
    );
  });

  it('is refused to an account that may not read it', async () => {
    const box = boxOf();
    chmodSync(directory, 0o755);
    chmodSync(path, 0);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(NOBODY);
    try {
      const {code, details} = await refused(box);
      expect([code, details.found]).to.deep.equal(['OUTPUT_UNREADABLE', 'EACCES']);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});
