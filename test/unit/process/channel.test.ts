import {expect} from 'chai';
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, mkdtempSync, openSync, rmSync, writeSync} from 'node:fs';
import {connect, createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {encodeFrame} from '../../../src/process/channel.js';
import {encodeShimToSupervisor} from '../../../src/schema/generated/protocol.js';
import {ending} from '../../support/tare.js';

/** A supervisor that is told the time, sends a frame and says what it thinks of its shim. */
const SUPERVISOR = `
import {Channel} from './src/process/channel.js';
const channel = new Channel(3);
channel.send({name: 'go'});
console.log(await channel.next() === null ? 'the shim is gone' : 'the shim speaks');
process.kill(process.pid, 'SIGKILL'); // a read under way keeps Node from its end
`;

const TIME = encodeFrame(encodeShimToSupervisor({name: 'time', us: 1}));

const ARGV = ['--import=tsx', '--input-type=module', '-e', SUPERVISOR];

describe('the socket to the shim', function () {
  this.timeout(20_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tare-channel-'));
  });
  afterEach(() => {
    rmSync(folder, {recursive: true});
  });

  const supervisor = (descriptor: number): [status: number | null, said: string] => {
    const {status, stdout} = spawnSync(process.execPath, ARGV, {
      stdio: ['ignore', 'pipe', 'inherit', descriptor],
      encoding: 'utf8',
      timeout: 10_000,
    });
    return [status, stdout];
  };

  it('a supervisor ends when a frame cannot be sent to a shim that is there: another one takes over', () => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    const shim = openSync(path, 'r+');
    // a descriptor that can be read only: write(2) says EBADF
    const descriptor = openSync(path, 'r');
    for (const frame of [TIME, encodeFrame(encodeShimToSupervisor({name: 'noted', signal: 15}))]) writeSync(shim, frame);
    expect(supervisor(descriptor)).to.deep.equal([1, '']);
    for (const each of [shim, descriptor]) closeSync(each);
  });

  it('a supervisor whose socket ends while its shim lives was cut off, and ends: another one takes over', async () => {
    const path = join(folder, 'shim');
    const shim = createServer((socket) => socket.end(TIME)).listen(path);
    const socket = connect(path);
    await once(socket, 'connect');
    const ended = await ending(spawn(process.execPath, ARGV, {stdio: ['ignore', 'pipe', 'inherit', socket]}));
    socket.destroy();
    shim.close();
    expect(ended).to.include({code: 1, stdout: ''});
  });

  it('a supervisor ends when it cannot read what the shim says: that is not the shim’s end', () => {
    const descriptor = openSync(folder, 'r'); // read(2) says EISDIR, and write(2) EBADF
    expect(supervisor(descriptor)[0]).to.equal(1);
    closeSync(descriptor);
  });
});
