import {expect} from 'chai';
import {BoxDecider, type Before} from '../../../src/decide/box.js';
import type {Command, Input} from '../../../src/decide/command.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import {plan} from '../plan/build.js';

const NOTHING: Before = {stop: null, stopUs: null, startEpochUs: null, supervisorsLost: 0};
const READY: Input = {name: 'ready', initPid: 50, payloadPid: 51};
const EXECUTED: Input = {name: 'executed', atUs: 1000};
const REPORT = {
  ...{rawStatus: 0, payloadUserUs: 1, payloadSystemUs: 2, childrenUserUs: 3, childrenSystemUs: 4},
  ...{largestProcessBytes: 5, killedProcesses: 0, endedUs: 5000},
};
const ENDED: Input = {name: 'ended', report: REPORT};
const GONE = {
  ...{name: 'gone', rawStatus: 0, userUs: 0, systemUs: 0, shimUserUs: 0, shimSystemUs: 0, limited: false, engineErrors: ''},
} satisfies Input;
const OVER = {limit: 'wallTime', evidence: 'a test'} as const;

/** A box's decider, and what it has ordered since it was last asked, in words. */
class Told {
  readonly decider: BoxDecider;
  us = 0;

  constructor(before: Partial<Before> = {}, job: Partial<JobDocument> = {}) {
    this.decider = new BoxDecider(plan({job}), {...NOTHING, ...before});
    this.decider.begin();
  }

  take(...inputs: Input[]): string[] {
    return inputs.flatMap((input) => this.decider.take(input, {us: ++this.us * 1000, epochUs: 1e15})).flatMap(wordsOf);
  }
}

/** Without the lines of a log, and the places at which tests stop a supervisor. */
function wordsOf(command: Command): string[] {
  if (command.do === 'log' || command.do === 'pause') return [];
  if (command.do === 'send') return [`${command.frame.name}${'signal' in command.frame ? ` ${command.frame.signal}` : ''}`];
  if (command.do === 'timer') return [`in ${command.ms} ms ${command.due.name}`];
  return [command.do];
}

const KILL = ['killGroup', 'kill', 'in 3000 ms killLate'];

describe('the decider of a box', () => {
  it('lets the payload go when its record is on disk and the box connected', () => {
    const told = new Told();
    expect(told.take(READY)).to.deep.equal(['cancel', 'recordStart', 'connect']);
    expect(told.take({name: 'connected'})).to.deep.equal(['go']);
    expect(told.take(EXECUTED)).to.deep.equal(['keepExecuted', 'watch']);
    expect(told.take(ENDED)).to.deep.equal(['endWatches', 'cancel', 'in 30000 ms tooLate']);
    expect(told.decider.over).to.equal(false);
    told.take({...GONE, engineErrors: 'x\n'});
    const {init, engine, executedUs, shimKilled} = told.decider.observed;
    expect([told.decider.over, init?.childrenUserUs, engine?.stderr, executedUs, shimKilled]).to.deep.equal([true, 3, 'x', 1000, false]);
  });

  it('hears from the kernel in a virtual machine what was killed for memory', () => {
    const job = {applications: [{name: 'one', command: ['./one']}]};
    const [machine, other] = [new Told({}, job), new Told({}, job)];
    machine.take({...GONE, memoryKills: 2});
    other.take(GONE);
    const killed = [machine, other].map(({decider}) => decider.applications?.end().killedForMemory);
    expect([machine.decider.observed.engine?.memoryKills, ...killed]).to.deep.equal([2, ['one'], []]);
  });

  it('kills what is not built in time, cannot be connected, or is held up, and says which', () => {
    const late = new Told();
    expect(late.take({name: 'launchLate'})).to.deep.equal([...KILL, 'in 30000 ms tooLate']);
    expect(late.decider.observed.failure).to.include({step: 'engine', text: 'the box was not built within 60 s'});
    const apart = new Told();
    apart.take(READY);
    // there is no deadline any more, so that one is set for the kill, and then for the end
    expect(apart.take({name: 'notConnected', because: 'no address'})).to.include.members(KILL);
    expect(apart.decider.observed.failure).to.include({step: 'network', text: 'no address'});
    const held = new Told();
    expect(held.take({name: 'launchStalled', because: 'cvmfs'})).to.deep.equal(['endClients', ...KILL, 'in 30000 ms tooLate']);
    const there = new Told();
    there.take(READY);
    expect(there.take({name: 'launchStalled', because: 'cvmfs'})).to.deep.equal([]);
  });

  it('stops for the first limit only: by SIGTERM and a grace, or at once', () => {
    const soft = new Told();
    soft.take(READY, {name: 'connected'}, EXECUTED);
    const stop: Input = {name: 'overLimit', stop: OVER, how: 'soft', graceUs: 7e6};
    expect(soft.take(stop)).to.deep.equal(['keepLimit', 'signal 15', 'signalTasks', 'resume', 'in 7000 ms graceOver']);
    expect(soft.take({...stop, how: 'hard'})).to.deep.equal([]);
    expect(soft.take({name: 'graceOver'})).to.deep.equal([...KILL, 'in 30000 ms tooLate']);
    expect(soft.take({name: 'killLate'})).to.deep.equal(['killInit']);
    expect(soft.take(ENDED)).to.include('endWatches');
    expect(soft.take({name: 'killLate'}, {name: 'graceOver'})).to.deep.equal([]);
    const hard = new Told();
    hard.take(READY, {name: 'connected'}, EXECUTED);
    expect(hard.take({...stop, how: 'hard'})).to.deep.equal(['keepLimit', ...KILL, 'in 30000 ms tooLate']);
    expect(hard.decider.observed.stop).to.deep.equal(OVER);
  });

  it('gives no more grace to a payload that is told to end again, and less where the second end is sooner', () => {
    const told = new Told();
    told.take(READY, {name: 'connected'}, EXECUTED);
    told.take({name: 'overLimit', stop: OVER, how: 'soft', graceUs: 5e6});
    const words = told.take({name: 'callerLost'});
    expect(words.filter((each) => each.endsWith('graceOver'))).to.deep.equal([]);
    const other = new Told();
    other.take(READY, {name: 'connected'}, EXECUTED, {name: 'callerLost'});
    expect(other.take({name: 'overLimit', stop: OVER, how: 'soft', graceUs: 5e6})).to.include('in 5000 ms graceOver');
    expect(other.decider.observed.callerLost).to.equal(true);
  });

  it('gives up what cannot be killed', () => {
    const told = new Told();
    told.take(READY, {name: 'connected'}, EXECUTED, {name: 'overLimit', stop: OVER, how: 'hard', graceUs: 0});
    told.take({name: 'tooLate'});
    expect([told.decider.over, told.decider.observed.unkillable]).to.deep.equal([true, true]);
    told.take({name: 'shimGone'});
    expect(told.decider.observed.shimKilled).to.equal(false);
  });

  it('counts a payload as executed whose shim was killed when it had been told to go', () => {
    const told = new Told();
    told.take(READY, {name: 'connected'}, {name: 'shimGone'});
    told.decider.assumeExecuted();
    const {shimKilled, executedUs, startEpochUs} = told.decider.observed;
    expect([shimKilled, executedUs, startEpochUs]).to.deep.equal([true, 2000, 1e15 - 1000]);
    const failed: Input = {name: 'failed', step: 'exec', errno: 2, text: 'no such file'};
    for (const inputs of [[READY], [READY, {name: 'connected'}, failed]] as Input[][]) {
      const before = new Told();
      before.take(...inputs, {name: 'shimGone'});
      before.decider.assumeExecuted();
      const {observed} = before.decider;
      expect([observed.shimKilled, observed.executedUs, observed.startEpochUs]).to.deep.equal([true, null, null]);
    }
  });

  it('that takes over says the same again, keeps the start that was known, and kills what was told to end', () => {
    const told = new Told({stop: OVER, stopUs: 2000, startEpochUs: 77, supervisorsLost: 1});
    expect(told.take(READY, {name: 'connected'}, EXECUTED)).to.deep.equal([
      ...['cancel', 'recordStart', 'connect', 'go', 'keepExecuted', 'in 10000 ms graceOver', 'watch'],
    ]);
    const {startEpochUs, stop, supervisorsLost} = told.decider.observed;
    expect([startEpochUs, stop, supervisorsLost]).to.deep.equal([77, OVER, 1]);
  });

  it('tells a payload’s memory killed by the kernel from that of one of several applications', () => {
    const one = new Told();
    one.take(READY, {name: 'connected'}, EXECUTED);
    expect(one.take({name: 'killedForMemory', kills: []})).to.include.members(KILL);
    const job = {
      applications: [
        {name: 'a', command: ['x']},
        {name: 'b', command: ['x']},
      ],
      onOom: 'kill-application',
    } as const;
    const two = new Told({}, job as unknown as Partial<JobDocument>);
    expect(two.take(READY, {name: 'connected'})).to.deep.equal(['cancel', 'recordStart', 'connect', 'go', 'go']);
    const start = (index: number): Input => ({name: 'executed', atUs: 1000, application: {index, start: 1}, keeperPid: 60 + index});
    expect(two.take(start(0))).to.deep.equal(['keepExecuted', 'watch', 'keepApplications']);
    expect(two.take(start(1))).to.deep.equal(['keepApplications']);
    const stop = {limit: 'memory', evidence: 'a test'} as const;
    expect(two.take({name: 'overMemory', stop, largest: 1})).to.deep.equal(['kill']);
    expect([two.decider.observed.stop, two.decider.observed.spared]).to.deep.equal([null, stop]);
  });

  it('tells the looks at waiting processes when the payload has to end', () => {
    const told = new Told();
    const seen = {isKilled: false, isPayloadGone: false};
    told.take(READY, {name: 'connected'}, EXECUTED);
    expect(told.decider.ending(seen)).to.equal(null);
    expect(told.decider.ending({...seen, isPayloadGone: true})).to.deep.equal({all: true, signals: [], graceUs: 10e6});
    told.take({name: 'noted', signal: 15});
    expect(told.decider.ending(seen)).to.deep.equal({all: false, signals: [15], graceUs: 10e6});
    told.take(ENDED);
    expect(told.decider.ending(seen)).to.equal(null);
  });
});
