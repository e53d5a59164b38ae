/** Limits hold, and the record says which one ended the payload. */

import {expect} from 'chai';
import {hasGroups, kernelSince} from '../../support/groups.js';
import {patience} from '../../support/pace.js';
import type {Bench} from '../bench.js';
import type {Check} from '../check.js';
import {probed} from './inherited.js';

const MIB = 2 ** 20;
const touch = (bench: Bench, ...words: string[]): readonly string[] => [bench.payload('touch-memory'), ...words];

export const LIMITS: readonly Check[] = [
  {
    name: 'memory',
    promise: 'A payload over its memory is killed, and the verdict is memory.',
    sample: true,
    ask: (bench) => ({command: touch(bench, '400', '--hold', '60'), limits: {memory: '64MiB'}}),
    holds: ({code, record: {outcome, limits}}, {role}) => {
      expect(code).to.not.equal(0);
      expect(outcome).to.include({status: 'limit', limit: 'memory'});
      expect(limits?.memory).to.include({value: 64 * MIB});
      expect(limits?.memory.enforcement).to.be.oneOf(hasGroups(role) ? ['kernel'] : ['kernel', 'watched']);
    },
  },
  {
    name: 'memory below its limit',
    promise: 'A payload below its memory is left alone.',
    ask: (bench) => ({command: touch(bench, '100', '--hold', '1'), limits: {memory: '200MiB'}}),
    holds: ({code, record: {outcome}}) => {
      expect([code, outcome.status, outcome.limit]).to.deep.equal([0, 'completed', null]);
    },
  },
  {
    name: 'memory in /dev/shm',
    promise: 'What is in /dev/shm counts as the payload’s memory.',
    ask: (bench) => ({command: touch(bench, '100', '--shm', '--hold', '30'), limits: {memory: '64MiB'}}),
    holds: ({record: {outcome}}) => {
      expect(outcome).to.include({status: 'limit', limit: 'memory'});
    },
  },
  {
    name: 'number of processes',
    promise: 'A fork bomb ends at the limit on processes.',
    ask: (bench) => ({command: [bench.payload('forkbomb'), '--max', '500'], limits: {processes: 50}}),
    holds: ({stdout, record: {outcome, limits}}, {role}) => {
      if (limits?.processes.enforcement === 'watched') {
        expect(hasGroups(role) || kernelSince(5, 14)).to.equal(false);
        expect(outcome).to.include({status: 'limit', limit: 'processes'});
        return;
      }
      expect(Number(/forked=(\d+) errno=EAGAIN/.exec(stdout)?.[1]), stdout).to.be.within(40, 50);
    },
  },
  {
    name: 'CPU time',
    promise: 'A payload over its CPU time, all processes together, is told to end, and the verdict is cpuTime.',
    ask: (bench) => ({command: [bench.payload('burn'), '60', '--processes', '2'], limits: {cpuTime: '1s'}}),
    holds: ({record: {outcome, usage}}) => {
      expect(outcome).to.include({status: 'limit', limit: 'cpuTime'});
      expect((usage.cpuUserUs ?? 0) + (usage.cpuSystemUs ?? 0)).to.be.within(900_000, patience(4_000_000));
    },
  },
  {
    name: 'wall time',
    promise: 'A payload over its wall time is told to end, and the verdict is wallTime.',
    ask: () => ({command: ['/bin/sleep', '60'], limits: {wallTime: '1s'}}),
    holds: ({record: {outcome, time}}) => {
      expect(outcome).to.include({status: 'limit', limit: 'wallTime', signal: 'SIGTERM'});
      expect(time.wallUs).to.be.within(950_000, patience(4_000_000));
    },
  },
  {
    name: 'wall time of a payload that does not heed SIGTERM',
    promise: 'It is told once, and killed after the grace.',
    ask: () => ({script: 'trap "" TERM; while :; do sleep 0.1; done', limits: {wallTime: '500ms'}, policy: {grace: '1s'}}),
    holds: ({signal, record: {outcome, time}}) => {
      expect(signal).to.equal('SIGKILL');
      expect(outcome).to.include({status: 'limit', limit: 'wallTime', signal: 'SIGKILL'});
      expect(time.wallUs).to.be.within(1_400_000, patience(5_000_000));
    },
  },
  {
    name: 'scratch',
    promise: 'A payload that fills /tmp beyond its scratch gets no more, or is ended with the verdict scratch.',
    seconds: 90,
    ask: () => ({
      script: 'dd if=/dev/zero of=/tmp/file bs=65536 count=1280 2>/dev/null || exit 9; sleep 60',
      limits: {scratch: '32MiB'},
    }),
    holds: ({code, record: {outcome, limits}}) => {
      if (limits?.scratch?.enforcement === 'kernel') expect(code).to.equal(9);
      else expect(outcome).to.include({status: 'limit', limit: 'scratch'});
    },
  },
  {
    name: 'open files and core size',
    promise: 'Resource limits of the job are the payload’s, soft and hard.',
    ask: () => ({script: 'ulimit -n; ulimit -Hn; ulimit -c', limits: {openFiles: 77, coreSize: 0}}),
    holds: ({stdout}) => {
      expect(stdout).to.equal('77\n77\n0\n');
    },
  },
  {
    name: 'one core, pinned',
    promise: 'A payload that is bound to one CPU sees one.',
    ask: (bench) => ({command: [bench.payload('probe')], limits: {cores: 1, pinCores: true}}),
    holds: (ran) => {
      expect(probed(ran).affinity).to.have.length(1);
    },
  },
  {
    name: 'nice value',
    promise: 'The payload has the nice value that the job asks for.',
    ask: (bench) => ({command: [bench.payload('probe')], limits: {nice: 19}}),
    holds: (ran) => {
      expect(probed(ran).nice).to.equal(19);
    },
  },
];
