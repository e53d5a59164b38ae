/** Signals to the wrapper are the payload's, once. */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {until} from '../../support/tare.js';
import type {Check} from '../check.js';

const PASSED = ['SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
const short = (signal: string): string => signal.slice('SIG'.length);

export const SIGNALS: readonly Check[] = [
  {
    name: 'signals are passed on',
    promise: 'Signals that can be caught reach the payload’s first process, and how it then ends is how the wrapper ends.',
    body: async (bench) => {
      const traps = PASSED.map((signal) => `trap 'echo got ${short(signal)}' ${short(signal)}`).join('; ');
      const script = `${traps}; trap 'echo got TERM; exit 5' TERM; echo ready; while :; do sleep 0.05; done`;
      const live = await bench.live({script});
      for (const signal of PASSED) {
        process.kill(live.pid, signal);
        await until(`${signal} in the box`, () => live.said().includes(`got ${short(signal)}\n`), 20);
      }
      process.kill(live.pid, 'SIGTERM');
      const {code, stdout} = await live.ended;
      expect([code, stdout]).to.deep.equal([5, `ready\n${[...PASSED.map(short), 'TERM'].map((name) => `got ${name}\n`).join('')}`]);
    },
  },
  {
    name: 'a signal is told once',
    promise: 'A signal to the whole process group of the caller reaches the payload once, and it has its time to end.',
    body: async (bench) => {
      const file = join(bench.site.work, 'told');
      const live = await bench.live({command: [bench.payload('trap-term'), file, '--take', '1'], detached: true});
      process.kill(-live.pid, 'SIGTERM');
      const {code} = await live.ended;
      expect([code, readFileSync(file, 'utf8')]).to.deep.equal([0, 'TERM\ndone\n']);
    },
  },
  {
    name: 'stopped is said',
    promise: 'A wrapper that was told to end says so in the record, and ends by the signal as its payload does.',
    body: async (bench) => {
      const live = await bench.live({script: 'echo ready; exec sleep 600'});
      process.kill(live.pid, 'SIGTERM');
      const {signal, record} = await live.ended;
      expect(signal).to.equal('SIGTERM');
      expect(record.outcome).to.include({status: 'stopped', signal: 'SIGTERM'});
    },
  },
];
