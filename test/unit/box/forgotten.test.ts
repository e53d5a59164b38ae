/** What counts as a process that a daemon has forgotten of a box, and what does not: real processes with namespaces of their own. */

import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {forgotten, killForgotten, PLACE} from '../../../src/box/forgotten.js';
import {ENGINES} from '../../../src/plugins.js';
import {isAllOf, isRunning, processId} from '../../../src/process/process.js';
import {need} from '../../support/need.js';
import {isRoot, until} from '../../support/tare.js';

const NAME = 'tare-ab12';
const ALL = ['--mount', '--pid', '--fork', '--kill-child'];

describe('what a daemon has forgotten of a box', () => {
  let folder = '';
  let bound = '';
  const children: ChildProcess[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tare-forgotten-'));
    bound = join(folder, NAME, 'bridge/at');
    mkdirSync(bound, {recursive: true});
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(folder, {recursive: true, force: true});
  });

  /** Runs until it is killed, when it has made the mount. */
  async function start(options: readonly string[], source = bound, place = PLACE): Promise<void> {
    const script = 'mount -t tmpfs tmpfs /dev && mkdir -p "$2" && mount --bind "$1" "$2" && echo ready && exec sleep 1000';
    const child = spawn('unshare', [...options, 'sh', '-c', script, 'sh', source, place], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let said = '';
    child.stdout.on('data', (text: Buffer) => (said += text.toString()));
    await until('the mount', () => said !== '');
  }
  const isMade = (argv: readonly string[]): boolean => {
    try {
      execFileSync('unshare', [...argv, 'true'], {stdio: 'ignore'});
      return true;
    } catch {
      return false;
    }
  };

  it('is a process with mounts and process numbers of its own that has the folder of the box; it is killed, whatever is left of the folder', async function () {
    need(this, isRoot, 'only root makes mounts');
    await start(ALL);
    rmdirSync(bound);
    const found = forgotten(NAME);
    expect(found).to.have.length(1);
    expect(await killForgotten(NAME)).to.deep.equal([]);
    expect(found.map(isRunning)).to.deep.equal([false]);
  });

  it('is none of another box, none at another place, none with the numbers of the node, and none in a user namespace', async function () {
    need(this, isRoot, 'only root makes mounts');
    const other = join(folder, `x${NAME}`, 'bridge/at');
    const below = join(bound, 'below');
    for (const path of [other, below]) mkdirSync(path, {recursive: true});
    await start(ALL, other);
    await start(ALL, below);
    await start(ALL, bound, '/dev/other');
    await start(['--mount']);
    if (isMade(['--user'])) await start([...ALL, '--user', '--map-root-user']);
    expect(forgotten(NAME)).to.deep.equal([]);
    expect(await killForgotten(NAME)).to.deep.equal([]);
    expect(children.map(({pid = 0}) => processId(pid) !== null)).to.not.include(false);
  });

  it('is none that only says the name of the folder', async () => {
    const child = spawn('sh', ['-c', 'sleep 1000; exit', bound], {stdio: 'ignore', cwd: bound, argv0: `containerd-shim ${bound}`});
    children.push(child);
    expect(await killForgotten(NAME)).to.deep.equal([]);
    expect(processId(child.pid ?? 0)).to.not.equal(null);
  });

  it('is where each engine has it that keeps containers', () => {
    const places = ENGINES.flatMap(({kind}) => (typeof kind === 'object' && kind.keeps !== undefined ? [kind.daemon] : []));
    expect(places).to.deep.equal([PLACE]);
  });

  it('all uids of a process are asked for', () => {
    expect(isAllOf(process.pid, process.getuid?.() ?? -1)).to.equal(true);
    expect(isAllOf(process.pid, 4242)).to.equal(false);
    expect(isAllOf(2 ** 22 + 1, 0)).to.equal(false);
  });
});
