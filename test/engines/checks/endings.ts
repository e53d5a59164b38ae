/** How the payload ends is how the wrapper ends. */

import {expect} from 'chai';
import type {Check} from '../check.js';

/** Each bit, their ends, and those that shells and engines use for something of their own. */
const CODES = [0, 1, 2, 3, 4, 8, 16, 32, 64, 100, 125, 126, 127, 128, 129, 137, 139, 143, 254, 255];
/** Whose default action ends a process (signal(7)); the first and the last real-time one. */
const SIGNALS = [1, 2, 3, 6, 9, 11, 13, 14, 15, 24, 25, 34, 64];
const SIGSEGV = 11;
/** Of one box of several applications. */
const MOST_APPLICATIONS = 64;

export const ENDINGS: readonly Check[] = [
  {
    name: 'exit codes',
    promise: 'The wrapper exits with the payload’s code, those included that shells and engines use themselves.',
    seconds: 400,
    body: async (bench) => {
      const found: number[] = [];
      for (const code of CODES) {
        const ran = await bench.run({command: [bench.payload('die-by'), 'exit', String(code)]});
        expect(ran.record.outcome).to.include({status: code === 0 ? 'completed' : 'failed', exitCode: code, signal: null});
        found.push(ran.code ?? -1);
      }
      expect(found).to.deep.equal(CODES);
    },
  },
  {
    name: 'every exit code of an application',
    promise: 'Each of 256 applications has its own of all exit codes in the record.',
    patterns: ['quotas++'],
    seconds: 120,
    body: async (bench) => {
      for (let first = 0; first < 256; first += MOST_APPLICATIONS) {
        const codes = Array.from({length: MOST_APPLICATIONS}, (_, index) => first + index);
        const applications = codes.map((code) => ({name: `a${String(code)}`, command: [bench.payload('die-by'), 'exit', String(code)]}));
        const {record} = await bench.run({applications});
        expect(record.applications.map(({outcome}) => outcome.exitCode)).to.deep.equal(codes);
      }
    },
  },
  {
    name: 'signals',
    promise: 'The wrapper dies by the payload’s signal: its raw wait status is the same.',
    seconds: 300,
    body: async (bench) => {
      const found: number[] = [];
      for (const signal of SIGNALS) found.push(await bench.status({command: [bench.payload('die-by'), String(signal)]}));
      expect(found).to.deep.equal(SIGNALS);
    },
  },
  {
    name: 'death by SIGKILL, in the record',
    promise: 'SIGKILL is told from exit code 137, in the record and in how the wrapper ends.',
    sample: true,
    ask: (bench) => ({command: [bench.payload('die-by'), 'KILL']}),
    holds: ({code, signal, record: {outcome}}) => {
      expect([code, signal]).to.deep.equal([null, 'SIGKILL']);
      expect(outcome).to.include({status: 'signalled', exitCode: null, signal: 'SIGKILL'});
    },
  },
  {
    name: 'a core is the payload’s',
    promise: 'A payload that may dump a core dies by SIGSEGV, and the wrapper by the same signal, without a core of its own.',
    body: async (bench) => {
      const script = `ulimit -c unlimited 2>/dev/null; exec ${bench.payload('die-by')} SEGV`;
      expect(await bench.status({script})).to.equal(SIGSEGV);
    },
  },
  {
    name: 'no such program',
    promise: 'A payload that cannot be executed is exit code 127; the record says PAYLOAD_NOT_EXECUTABLE, and a line says why.',
    ask: () => ({command: ['/no/such/program']}),
    holds: ({code, said, record}) => {
      expect(code, said).to.equal(127);
      expect(record.outcome).to.include({status: 'failed', exitCode: 127, code: 'PAYLOAD_NOT_EXECUTABLE'});
      expect(said).to.match(/^tare: .*could not be executed: .*No such file.*\n$/);
    },
  },
  {
    name: 'a file that is no program',
    promise: 'A file without the permission to execute is exit code 127.',
    ask: () => ({command: ['/etc/passwd']}),
    holds: ({code, record}) => {
      expect([code, record.outcome.code]).to.deep.equal([127, 'PAYLOAD_NOT_EXECUTABLE']);
    },
  },
  {
    name: 'an engine’s own messages',
    promise: 'Nothing is on the outputs but what the payload has written.',
    ask: () => ({script: 'exit 0'}),
    holds: ({code, stdout, stderr, said}) => {
      expect([code, stdout, stderr, said]).to.deep.equal([0, '', '', '']);
    },
  },
];
