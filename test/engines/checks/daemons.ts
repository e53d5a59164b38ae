/** Nothing that a payload starts outlives it, and nothing outside is in its reach. */

import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {isRoot, processes} from '../../support/tare.js';
import type {Check} from '../check.js';

export const DAEMONS: readonly Check[] = [
  {
    name: 'a daemon',
    promise: 'A process that forks twice, has a session of its own and ignores signals is killed at the end, and counted.',
    body: async (bench) => {
      const file = join(bench.site.work, 'daemon');
      const {code, record} = await bench.run({
        script: `${bench.payload('daemonize')} ${file} && while [ ! -s ${file} ]; do sleep 0.01; done`,
      });
      expect([code, record.outcome.killedProcesses]).to.deep.equal([0, 1]);
      expect(record.flags).to.include('killed');
      expect(Number(readFileSync(file, 'utf8'))).to.be.above(1);
      expect(processes().filter(({argv}) => argv[1] === file)).to.deep.equal([]);
    },
  },
  {
    name: 'orphans are reaped',
    promise: 'Processes whose parent is gone leave no zombies.',
    ask: () => ({
      script:
        'i=0; while [ $i -lt 30 ]; do (sleep 0.05 &); i=$((i+1)); done; sleep 1; cat /proc/[0-9]*/stat 2>/dev/null | grep -c ") Z " || true',
    }),
    holds: ({stdout}) => {
      expect(stdout).to.equal('0\n');
    },
  },
  {
    name: 'kill -9 -1',
    promise: 'A payload that kills all that it can hurts nothing outside.',
    body: async (bench) => {
      const account = isRoot ? {uid: bench.uid, gid: bench.uid} : {};
      const bystander = spawn('/bin/sleep', ['600'], {...account, stdio: 'ignore'});
      try {
        // the shell is the caller of kill(-1) and is spared by it (kill(2))
        const {code, stderr} = await bench.run({script: 'sleep 60 & kill -9 -1; exit 3'});
        expect([bystander.exitCode, bystander.signalCode], stderr).to.deep.equal([null, null]);
        // beside applications and services it kills what keeps or serves them and has its account: then it ends with them
        if (bench.pattern === 'ulimit++') expect(code, stderr).to.equal(3);
      } finally {
        bystander.kill('SIGKILL');
      }
    },
  },
  {
    name: 'signals to init',
    promise: 'A payload cannot end the box’s first process.',
    ask: () => ({script: 'for one in TERM INT HUP KILL; do kill -$one 1 2>/dev/null; done; sleep 0.2; exit 4'}),
    holds: ({code}) => {
      expect(code).to.equal(4);
    },
  },
];
