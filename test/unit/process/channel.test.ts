import {expect} from 'chai';
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, mkdtempSync, openSync, rmSync, writeSync} from 'node:fs';
import {connect, createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {encodeFrame} from '../../../src/process/channel.js';
import {encodeFrontToBrain} from '../../../src/schema/generated/protocol.js';
import {ending} from '../../support/tare.js';

/** A brain that is told the time, sends a frame and says what it thinks of its front. */
const BRAIN = `
import {Channel} from './src/process/channel.js';
const channel = new Channel(3);
channel.send({name: 'go'});
console.log(await channel.next() === null ? 'the front is gone' : 'the front speaks');
process.kill(process.pid, 'SIGKILL'); // a read under way keeps Node from its end
`;

const TIME = encodeFrame(encodeFrontToBrain({name: 'time', us: 1}));

const ARGV = ['--import=tsx', '--input-type=module', '-e', BRAIN];

describe('the socket to the front', function () {
  this.timeout(20_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tare-channel-'));
  });
  afterEach(() => {
    rmSync(folder, {recursive: true});
  });

  const brain = (descriptor: number): [status: number | null, said: string] => {
    const {status, stdout} = spawnSync(process.execPath, ARGV, {
      stdio: ['ignore', 'pipe', 'inherit', descriptor],
      encoding: 'utf8',
      timeout: 10_000,
    });
    return [status, stdout];
  };

  it('a brain ends when a frame cannot be sent to a front that is there: another one takes over', () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    const front = openSync(path, 'r+');
    // a descriptor that can be read only: write(2) says EBADF
    const descriptor = openSync(path, 'r');
    for (const frame of [TIME, encodeFrame(encodeFrontToBrain({name: 'noted', signal: 15}))]) writeSync(front, frame);
    expect(brain(descriptor)).to.deep.equal([1, '']);
    for (const each of [front, descriptor]) closeSync(each);
  });

  it('a brain whose socket ends while its front lives was cut off, and ends: another one takes over', async () => {
    const path = join(folder, 'front');
    const front = createServer((socket) => socket.end(TIME)).listen(path);
    const socket = connect(path);
    await once(socket, 'connect');
    const ended = await ending(spawn(process.execPath, ARGV, {stdio: ['ignore', 'pipe', 'inherit', socket]}));
    socket.destroy();
    front.close();
    expect(ended).to.include({code: 1, stdout: ''});
  });

  it('a brain ends when it cannot read what the front says: that is not the front’s end', () => {
    const descriptor = openSync(folder, 'r'); // read(2) says EISDIR, and write(2) EBADF
    expect(brain(descriptor)[0]).to.equal(1);
    closeSync(descriptor);
  });
});
