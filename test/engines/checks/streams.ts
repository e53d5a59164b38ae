/** Standard input, output and error are the caller's own. */

import {createHash} from 'node:crypto';
import {closeSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {EnginePattern} from '@tare/contract';
import {patience} from '../../support/pace.js';
import {payload} from '../../support/tare.js';
import type {Check} from '../check.js';
import {bare} from './inherited.js';

/** Where the payload has the caller's outputs, and not files of its own. */
const CALLERS: readonly EnginePattern[] = ['ulimit++', 'vm-lite'];
/** Every byte, in an order that no text has. */
const BYTES = Buffer.from(Array.from({length: 3_000_000}, (_, index) => (index * 7919 + (index >> 8)) & 0xff));
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export const STREAMS: readonly Check[] = [
  {
    name: 'bytes through',
    promise: 'Three megabytes of all byte values go through standard input and output unchanged.',
    sample: true,
    ask: () => ({command: ['/bin/cat'], input: BYTES}),
    holds: ({code, out}) => {
      expect([code, out.length, digest(out)]).to.deep.equal([0, BYTES.length, digest(BYTES)]);
    },
  },
  {
    name: 'two outputs',
    promise: 'Standard output and error are apart, and whole.',
    ask: () => ({script: "head -c 1000000 /dev/zero | tr '\\000' a; head -c 500000 /dev/zero | tr '\\000' b >&2"}),
    holds: ({code, stdout, stderr}) => {
      expect([code, stdout === 'a'.repeat(1_000_000), stderr === 'b'.repeat(500_000)]).to.deep.equal([0, true, true]);
    },
  },
  {
    name: 'bytes that are no text',
    promise: 'Zero bytes, bytes that are not UTF-8, and an end without a newline arrive as they are.',
    ask: () => ({script: "printf 'a\\000b\\377\\376'"}),
    holds: ({out}) => {
      expect(out.toString('hex')).to.equal('610062fffe');
    },
  },
  {
    name: 'the end of the input',
    promise: 'A payload that reads to the end of an empty input finds it.',
    ask: () => ({script: 'cat | wc -c', input: ''}),
    holds: ({stdout}) => {
      expect(stdout.trim()).to.equal('0');
    },
  },
  {
    name: 'closed streams',
    promise: 'A standard stream that the caller has closed is closed, and no other.',
    patterns: CALLERS,
    seconds: 90,
    body: async (bench) => {
      for (const closed of ['0', '1', '2']) {
        const file = join(bench.site.work, `probed-${closed}`);
        await bench.run({
          command: [bench.payload('probe'), '--output', file],
          via: (argv) => [payload('caller'), '--close', closed, '--', ...argv],
        });
        const {descriptors} = JSON.parse(readFileSync(file, 'utf8')) as {descriptors: object};
        expect(Object.keys(descriptors)).to.deep.equal(Object.keys(bare([]).descriptors).filter((one) => one !== closed));
      }
    },
  },
  {
    name: 'a reader that is gone',
    promise: 'A payload whose reader has closed its output dies by SIGPIPE, as without a box.',
    patterns: CALLERS,
    body: async (bench) => {
      const live = await bench.live({script: 'echo ready; sleep 0.2; exec yes'});
      live.child.stdout?.destroy();
      const {signal, record} = await live.ended;
      expect([signal, record.outcome.signal]).to.deep.equal(['SIGPIPE', 'SIGPIPE']);
    },
  },
  {
    name: 'an output that is a file',
    promise: 'The payload has the caller’s file itself, at its offset.',
    patterns: CALLERS,
    body: async (bench) => {
      const path = join(bench.site.directory, 'output');
      writeFileSync(path, 'before\n');
      bench.site.give(path);
      const file = openSync(path, 'a');
      const live = bench.start({script: 'test -f /proc/self/fd/1 && echo after', stdio: ['ignore', file, 'pipe']});
      closeSync(file);
      const {code, said} = await live.ended;
      expect([code, readFileSync(path, 'utf8')], said).to.deep.equal([0, 'before\nafter\n']);
    },
  },
  {
    name: 'a background process that holds the output',
    promise: 'The end of the payload is the end of its outputs: a process that it left behind does not keep the caller waiting.',
    ask: () => ({script: 'sleep 600 & echo done; exit 3'}),
    holds: ({code, stdout, took}) => {
      expect([code, stdout]).to.deep.equal([3, 'done\n']);
      expect(took).to.be.below(patience(30_000));
    },
  },
];
