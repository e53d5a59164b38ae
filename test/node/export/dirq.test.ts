/** Python's own dirq, which SSM reads with, takes what we write. */

import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {openApel} from '../../../plugins/apel/exporter.js';
import {exportEffects} from '../../../src/export/effects.js';
import {exportRecords, openExporter} from '../../../src/export/export.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {pilot, put} from '../../support/records.js';
import {ending} from '../../support/tare.js';

const PYTHON = '/usr/bin/python3';
/** Takes elements out until it is told to stop and none is left; prints the first words of each, or what was wrong with it. */
const CONSUMER = `
import hashlib, os, sys, time
from dirq.QueueSimple import QueueSimple
queue = QueueSimple(sys.argv[1])
while True:
    last = os.path.exists(sys.argv[2])
    for name in queue:
        if not queue.lock(name): continue
        text = queue.get(name).decode()
        digest, _, body = text.partition(' ')
        whole = hashlib.sha256(body.encode()).hexdigest() == digest
        print(' '.join(body.split(' ')[:2]) if whole else 'BROKEN %s %d' % (name, len(text)), flush=True)
        queue.remove(name)
    if last: break
    time.sleep(0.01)
queue.purge()
`;
const READER = `
import sys
from dirq.QueueSimple import QueueSimple
queue = QueueSimple(sys.argv[1])
print(queue.count())
for name in queue:
    assert queue.lock(name)
    sys.stdout.write(queue.get(name).decode())
    queue.remove(name)
`;

describe('a directory queue', function () {
  this.timeout(patience(120_000));
  let directory: string;
  before(function () {
    need(this, spawnSync(PYTHON, ['-c', 'import dirq.QueueSimple']).status === 0, 'python3-dirq is not installed');
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-dirq-'));
  });
  afterEach(() => {
    rmSync(directory, {recursive: true, force: true});
  });

  it('is consumed by dirq while eight write to it and are killed: all that was in comes out, whole, and once', async () => {
    const queue = join(directory, 'queue');
    const done = join(directory, 'done');
    const script = fileURLToPath(new URL('dirq-writer.ts', import.meta.url));
    const write = (writer: number, count: number): ChildProcess =>
      spawn(process.execPath, ['--import=tsx', script, queue, String(writer), String(count)], {stdio: ['ignore', 'pipe', 'inherit']});
    const consumer = spawn(PYTHON, ['-c', CONSUMER, queue, done], {stdio: ['ignore', 'pipe', 'inherit']});
    const consumed = ending(consumer);
    const added: string[] = [];
    let killed = 0;
    for (let round = 0; round < 3; round++) {
      const writers = Array.from({length: 8}, (_, index) => write(round * 8 + index, 60));
      const outputs = writers.map((writer, index) => {
        // each is killed in the middle, at a place of its own
        let lines = 0;
        writer.stdout?.on('data', (text: Buffer) => {
          lines += text.toString().split('\n').length - 1;
          if (index % 2 === 0 && lines > 5 + index * 5) writer.kill('SIGKILL');
        });
        return ending(writer);
      });
      for (const {stdout, signal} of await Promise.all(outputs)) {
        if (signal === 'SIGKILL') killed++;
        added.push(...stdout.split('\n').filter(Boolean));
      }
    }
    spawnSync('touch', [done]);
    const {stdout, code} = await consumed;
    expect(code).to.equal(0);
    const got = stdout.split('\n').filter(Boolean);
    expect(killed).to.be.above(6);
    expect(added.length).to.be.above(3 * 4 * 60);
    expect(got.filter((line) => line.startsWith('BROKEN'))).to.deep.equal([]);
    expect(new Set(got)).to.have.property('size', got.length);
    // one that was killed may have put an element in without having said so
    expect(added.filter((line) => !got.includes(line))).to.deep.equal([]);
    expect(got.length - added.length).to.be.within(0, killed * 2);
    const visible = readdirSync(queue, {recursive: true}).filter((name) => /\/[0-9a-f]{14}$/.test(String(name)));
    expect(visible).to.deep.equal([]);
  });

  it('gets records as one message of many', async () => {
    const spool = join(directory, 'spool');
    for (let number = 0; number < 2500; number++) put(spool, pilot(number));
    const queue = join(directory, 'queue');
    const exporter = openApel({directory: queue, submitHost: 'ce'}, {benchmarks: []});
    const opened = openExporter(exporter, join(directory, 'own'), false, exportEffects);
    const {tallies} = await exportRecords([spool], [opened], () => true);
    expect(tallies[0]).to.include({delivered: 2500, refused: 0, failed: 0});
    const {stdout} = spawnSync(PYTHON, ['-c', READER, queue], {encoding: 'utf8', maxBuffer: 2 ** 26});
    const messages = stdout.split('APEL-individual-job-message: v0.3\n');
    expect(messages[0]).to.equal('3\n');
    expect(messages.slice(1).map((message) => message.split('%%\n').length - 1)).to.deep.equal([1000, 1000, 500]);
    for (const message of messages) expect(Buffer.byteLength(message)).to.be.below(1e6);
  });
});
