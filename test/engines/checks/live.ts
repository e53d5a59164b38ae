/** A live box is seen, joined, stopped and read, by the same words whatever builds it. */

import {existsSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {JobRow} from '../../../src/report/jobs.js';
import {until} from '../../support/tare.js';
import type {Bench, Live} from '../bench.js';
import type {Check} from '../check.js';

const WAITS = 'echo ready; while :; do sleep 0.1; done';

/** With a live box, which is ended afterwards. */
async function withBox(
  bench: Bench,
  ask: {script: string; name?: string},
  body: (box: {live: Live; id: string; policy: string}) => Promise<void>,
): Promise<void> {
  const policy = bench.policy({grace: '1s'});
  const live = await bench.live(ask, policy);
  try {
    await body({live, id: bench.id(), policy});
  } finally {
    if (live.child.exitCode === null && live.child.signalCode === null) process.kill(live.pid, 'SIGTERM');
    await live.ended;
  }
}

export const LIVE: readonly Check[] = [
  {
    name: 'tare ps',
    promise: '`tare ps` shows the box with its name, pattern, limits and figures, and not after its end.',
    body: async (bench) => {
      const policy = bench.policy({grace: '1s'});
      const rows = async (): Promise<JobRow[]> => JSON.parse((await bench.tare(policy, ['ps', '--json'])).stdout) as JobRow[];
      const live = await bench.live({script: WAITS, name: 'looked-at', limits: {memory: '400MiB'}}, policy);
      const id = bench.id();
      const [row, ...others] = await rows();
      expect(others).to.deep.equal([]);
      expect(row).to.include({id, name: 'looked-at', pattern: bench.pattern, state: 'running', memoryLimitBytes: 400 * 2 ** 20});
      expect(row?.processes).to.be.at.least(1);
      expect(row?.memoryBytes).to.be.above(0);
      process.kill(live.pid, 'SIGTERM');
      await live.ended;
      expect(await rows()).to.deep.equal([]);
    },
  },
  {
    name: 'tare exec',
    promise:
      '`tare exec` runs a command in the box as the payload’s account, with its namespaces, its files and no privileges, and ends as it does.',
    body: (bench) =>
      withBox(bench, {script: `echo mine >/tmp/mine; ${WAITS}`}, async ({id, policy}) => {
        const script = 'cat /tmp/mine; id -u; grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status; exit 4';
        const {code, stdout, stderr} = await bench.tare(policy, ['exec', id, '--', '/bin/sh', '-c', script]);
        expect([code, stdout], stderr).to.deep.equal([4, `mine\n${String(bench.uid)}\nNoNewPrivs:\t1\nCapEff:\t0000000000000000\n`]);
      }),
  },
  {
    name: 'tare exec, its end',
    promise: 'A command that joined ends by its signal; what it left behind ends with the box.',
    body: (bench) =>
      withBox(bench, {script: WAITS}, async ({id, policy}) => {
        const {signal} = await bench.tare(policy, ['exec', id, '--', '/bin/sh', '-c', 'sleep 600 >/dev/null 2>&1 & kill -TERM $$']);
        expect(signal).to.equal('SIGTERM');
      }),
  },
  {
    name: 'tare logs',
    promise: '`tare logs` prints what the payload has written so far, where that is a file.',
    patterns: ['quotas++'],
    body: (bench) =>
      withBox(bench, {script: `echo said; ${WAITS}`}, async ({id, policy}) => {
        const {code, stdout, stderr} = await bench.tare(policy, ['logs', id, '--application', 'one']);
        expect([code, stdout], stderr).to.deep.equal([0, 'said\nready\n']);
      }),
  },
  {
    name: 'tare pause and resume',
    promise: 'A paused box stands still, all of it, and goes on when it is resumed.',
    body: (bench) =>
      withBox(bench, {script: 'echo ready; while :; do echo x >>beats; sleep 0.05; done'}, async ({id, policy}) => {
        const beats = (): number => (existsSync(join(bench.site.work, 'beats')) ? statSync(join(bench.site.work, 'beats')).size : 0);
        await until('a beat', () => beats() > 0);
        const paused = await bench.tare(policy, ['pause', id]);
        expect(paused.code, paused.stderr).to.equal(0);
        const before = beats();
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(beats()).to.equal(before);
        expect((await bench.tare(policy, ['resume', id])).code).to.equal(0);
        await until('another beat', () => beats() > before);
      }),
  },
  {
    name: 'tare kill',
    promise: '`tare kill` ends the box, and the record says who did it.',
    body: async (bench) => {
      const policy = bench.policy({grace: '1s'});
      const live = await bench.live({script: WAITS}, policy);
      const {code, stderr} = await bench.tare(policy, ['kill', bench.id()]);
      expect(code, stderr).to.equal(0);
      const {record} = await live.ended;
      expect(record.outcome.status).to.equal('killed');
      expect(record.outcome.killedBy?.uid).to.equal(bench.site.credentials.uid ?? process.getuid?.());
    },
  },
];
