/** The record says what was, and its figures are true. */

import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {verifyRecord} from '../../../src/export/verify.js';
import {textOf} from '../../../src/record/spool.js';
import validateRecord from '../../../src/schema/generated/record-2.validator.js';
import {hasGroups} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import {installed} from '../../support/tare.js';
import type {Check} from '../check.js';

const MIB = 2 ** 20;
/** The record's CPU time over what the payload knows of its own. */
const cpuRatio = (stdout: string, {cpuUserUs, cpuSystemUs}: {cpuUserUs: number | null; cpuSystemUs: number | null}): number =>
  ((cpuUserUs ?? NaN) + (cpuSystemUs ?? NaN)) / Number(/cpu_us=(\d+)/.exec(stdout)?.[1]);

export const RECORD: readonly Check[] = [
  {
    name: 'fields of the record',
    promise: 'The record is valid, and names engine, version, pattern, account, times, what was allowed and how it ended.',
    sample: true,
    ask: () => ({script: 'exit 0', name: 'conformance', limits: {memory: '400MiB', wallTime: '5m'}}),
    holds: ({record}, bench) => {
      expect(verifyRecord(textOf(record), record.recordId, validateRecord)).to.deep.equal([]);
      expect(record).to.include({state: 'final', mode: 'box', pattern: bench.pattern});
      expect(record.engine?.version).to.match(/^\d+(?:\.\d+)+/);
      expect([record.payload.name, record.user.uid, record.outcome.status]).to.deep.equal(['conformance', bench.uid, 'completed']);
      expect(record.limits?.memory).to.include({value: 400 * MIB, asked: 400 * MIB});
      expect(record.limits?.wallTime).to.include({value: 300e6});
      expect(record.limits?.memory.enforcement).to.not.equal('none');
      expect(record.time.startEpochUs).to.be.within(Date.now() * 1000 - 60e6, Date.now() * 1000);
      for (const figure of [record.time.wallUs, record.tare.launchUs]) expect(figure).to.be.above(0);
      for (const flag of ['unboxed', 'unfiltered', 'left-behind']) expect(record.flags).to.not.include(flag);
    },
  },
  {
    name: 'CPU time in the record',
    promise: 'A payload that burns one second is weighed with one second.',
    ask: (bench) => ({command: [bench.payload('burn'), '1']}),
    holds: ({stdout, record: {usage, flags}}) => {
      const ratio = cpuRatio(stdout, usage);
      if (!flags.includes('partial')) expect(ratio, usage.cpuSource ?? '').to.be.within(0.95, patience(1) > 1 ? 1.6 : 1.15);
    },
  },
  {
    name: 'CPU time of a family',
    promise: 'What short children and daemons used is in the record, though nobody waits for the daemons.',
    ask: (bench) => ({command: [bench.payload('family'), '--children', '10', '--daemons', '3', '--seconds', '0.1']}),
    holds: ({stdout, record: {usage, flags}}, {role}) => {
      const ratio = cpuRatio(stdout, usage);
      if (hasGroups(role)) expect(flags).to.not.include('partial');
      if (!flags.includes('partial')) expect(ratio, usage.cpuSource ?? '').to.be.within(0.93, patience(1) > 1 ? 1.6 : 1.15);
    },
  },
  {
    name: 'memory in the record',
    promise: 'A payload that touches 64 MiB is weighed with 64 MiB.',
    ask: (bench) => ({command: [bench.payload('touch-memory'), '64', '--hold', '1'], limits: {memory: '400MiB'}}),
    holds: ({code, record: {usage}}) => {
      expect(code).to.equal(0);
      expect((usage.memPeakBytes ?? 0) / (64 * MIB), usage.memPeakSource ?? '').to.be.within(0.95, 1.5);
    },
  },
  {
    name: 'wall time in the record',
    promise: 'A payload that sleeps for a second is told to have taken one.',
    ask: () => ({command: ['/bin/sleep', '1']}),
    holds: ({record: {time}}) => {
      expect((time.wallUs ?? 0) / 1e6).to.be.within(0.95, patience(1.6));
      expect((time.endEpochUs ?? 0) - (time.startEpochUs ?? 0)).to.equal(time.wallUs);
    },
  },
  {
    name: 'the main job',
    promise: 'The simulation of `npm start` writes the same bytes as on bare metal.',
    seconds: 120,
    ask: (bench) => ({command: [bench.payload('mcsim'), '--events', '200', '--seed', '42', '--output', 'HITS']}),
    holds: ({code, stderr}, {site}) => {
      expect(code, stderr).to.equal(0);
      const [known] = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').split(/\s+/);
      const bytes = readFileSync(join(site.work, 'HITS'));
      expect(createHash('sha256').update(bytes).digest('hex')).to.equal(known);
    },
  },
  {
    name: 'applications in the record',
    promise: 'Several applications are weighed each on its own, and together as the job.',
    patterns: ['quotas++'],
    ask: (bench) => ({
      applications: ['0.4', '0.8'].map((seconds, index) => ({name: `a${String(index)}`, command: [bench.payload('burn'), seconds]})),
    }),
    holds: ({record}) => {
      const cpu = record.applications.map(({usage}) => (usage.cpuUserUs ?? NaN) + (usage.cpuSystemUs ?? NaN));
      expect((cpu[1] ?? 0) / (cpu[0] ?? 1)).to.be.within(1.6, 2.4);
      const whole = (record.usage.cpuUserUs ?? NaN) + (record.usage.cpuSystemUs ?? NaN);
      expect(whole / cpu.reduce((sum, one) => sum + one, 0)).to.be.within(0.95, 1.1);
    },
  },
  {
    name: 'services in the record',
    promise: 'A service beside the payload is ready before it, ended after it, and weighed on its own.',
    patterns: ['vm-lite'],
    ask: () => ({script: 'exit 6'}),
    holds: ({code, record}) => {
      expect(code).to.equal(6);
      expect(record.applications.map(({name, role, outcome}) => [name, role, outcome.status])).to.deep.equal([
        ['idle', 'service', 'stopped'],
        ['payload', 'payload', 'failed'],
      ]);
    },
  },
];
