/** Whether the image that a job asks for is there: on CVMFS a look can take long or for ever, so another process looks, and is left alone when late. */

import {TareError} from '../errors.js';
import {childProcess} from '../host/spawn.js';
import type {Valued} from '../job/job.js';

/** A first look at a repository can fetch its catalogue. */
const DEADLINE_MS = 30_000;
const STAT = '/usr/bin/stat';

/**
 * @param identity who will use it: root sees more than the payload
 * @throws TareError IMAGE_UNUSABLE
 */
export async function checkImage({value, provenance}: Valued<string>, identity: {uid: number; gid: number} | null): Promise<void> {
  const {kind, because} = await look(value, identity);
  if (kind === 'directory') return;
  const single = kind?.includes('file') === true;
  throw new TareError('IMAGE_UNUSABLE', {
    message: single ? 'an image in a single file cannot be used in this version' : 'the image is no directory that can be read',
    where: provenance.at,
    found: `${value}: ${kind ?? because}`,
    allowed: 'an unpacked image: a directory tree, such as those below /cvmfs/unpacked.cern.ch',
  });
}

function look(path: string, identity: {uid: number; gid: number} | null): Promise<{kind: string | null; because: string}> {
  return new Promise((resolve) => {
    const child = childProcess().spawn(STAT, ['-L', '-c', '%F', '--', path], {
      ...identity,
      cwd: '/',
      env: {LC_ALL: 'C'},
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let error = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
    const answer = (kind: string | null, because: string): void => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve({kind, because});
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      answer(null, `no answer within ${String(DEADLINE_MS / 1000)} s`);
    }, DEADLINE_MS);
    child.on('error', ({message}) => {
      answer(null, message);
    });
    child.on('close', (code) => {
      answer(code === 0 ? out.trim() : null, error.trim().split(': ').at(-1) ?? '');
    });
  });
}
