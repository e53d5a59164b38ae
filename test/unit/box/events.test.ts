import {expect} from 'chai';
import {appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {eventsIn} from '../../../src/box/state-read.js';
import {lineOf, reduce, type BoxEvent, type Happening} from '../../../src/box/events.js';
import {readState} from '../../../src/box/state-read.js';
import {emit, writeState, type BoxState} from '../../../src/box/state.js';
import {newObservation, type EndedObservation} from '../../../src/decide/observation.js';
import {NO_USAGE} from '../../../src/record/record.js';
import {plan} from '../plan/build.js';

const INIT = {pid: 7, startTicks: 70};
const fresh = (): BoxState =>
  ({
    ...{schema: 'tare/box/v1', seq: 0, id: 'ab12', plan: plan(), started: {recordId: 'r', wrapper: null}},
    ...{init: null, payload: null, applications: [], noted: [], connected: false, undo: [], startEpochUs: null},
    ...{stop: null, stopUs: null, weighed: null, recorded: false, parts: null, oom: null},
  }) as unknown as BoxState;

const OBSERVED: EndedObservation = {
  ...newObservation({stop: null, supervisorsLost: 0}),
  ...{endedUs: 9, verdict: null, weighing: {usage: NO_USAGE, applications: [], flags: []}},
  ...{watch: null, suspended: null, processes: [], applications: null, records: null},
};

/** One of each type. */
const ALL: readonly Happening[] = [
  {type: 'adopted', wrapper: {pidNamespace: 'pid:[1]', shim: INIT, supervisor: INIT, host: null} as never},
  {type: 'connected', undo: [{op: 'process.kill', pid: 9, startTicks: 90}], addresses: null},
  {type: 'executed', startEpochUs: 5, init: INIT, payload: null},
  {type: 'applications', applications: [{name: 'a', state: 'running', service: false, keeper: INIT}], noted: []},
  {type: 'heard', parts: {} as never},
  {type: 'limit', stop: {limit: 'memory', evidence: 'a test'}, atUs: 6},
  {type: 'clients-ended', looked: []},
  {type: 'observed', observation: OBSERVED},
  {type: 'weighed', weighing: {usage: {...NO_USAGE, cpuUserUs: 1}, applications: [], flags: []}},
  {type: 'killed-by', oom: {whose: 'slot', evidence: 'a test'} as never},
  {type: 'recorded'},
];
const numbered = (happenings: readonly Happening[]): BoxEvent[] =>
  happenings.map((one, index) => ({seq: index + 1, us: 1000 + index, ...one}));

describe('events: the state of a box is a fold of them', () => {
  it('each of which changes what it is about', () => {
    for (const event of numbered(ALL)) {
      const {seq: _, ...before} = fresh();
      const {seq: __, ...after} = reduce(fresh(), event);
      expect(after, event.type).not.to.deep.equal(before);
    }
  });

  it('in any two pieces: what is known already changes nothing', () => {
    const events = numbered(ALL);
    const whole = events.reduce(reduce, fresh());
    for (let cut = 0; cut <= events.length; cut++)
      expect(events.reduce(reduce, events.slice(0, cut).reduce(reduce, fresh())), String(cut)).to.deep.equal(whole);
  });

  it('written as lines of which each is read again; a line that was cut off, or is of another version, is left out', () => {
    const events = numbered(ALL);
    const text = events.map(lineOf).join('');
    expect(eventsIn(text)).to.deep.equal(JSON.parse(JSON.stringify(events)));
    for (let cut = 1; cut < 60; cut++) {
      const torn = text.slice(0, -cut);
      expect(eventsIn(torn), String(cut)).to.have.length.within(events.length - 2, events.length - 1);
      // the next writer begins a line of its own
      expect(eventsIn(torn + lineOf({seq: 11, us: 1, type: 'recorded'})).at(-1)).to.include({seq: 11});
    }
    expect(eventsIn('\n{"seq":1,"us":1,"type":"moon"}\n{"seq":"1"}\nnull\n[]\n')).to.deep.equal([]);
  });
});

describe('events: on disk', () => {
  let base: string;
  const directory = (): string => join(base, 'box');
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-events-'));
    mkdirSync(directory());
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });

  it('the next supervisor has the state as it was, after each event', () => {
    const state = fresh();
    writeState(state, directory());
    for (const one of ALL) {
      emit(state, one, directory());
      expect(readState(directory()), one.type).to.deep.equal(JSON.parse(JSON.stringify(state)));
    }
    expect(state.seq).to.equal(ALL.length);
  });

  it('go into the state when that is written whole, also where a supervisor that was killed then left their file', () => {
    const state = fresh();
    writeState(state, directory());
    for (const one of ALL) emit(state, one, directory());
    const events = readFileSync(join(directory(), 'events.jsonl'));
    writeState(state, directory());
    expect(readdirSync(directory())).to.deep.equal(['box.json']);
    writeFileSync(join(directory(), 'events.jsonl'), events);
    expect(readState(directory())).to.deep.equal(JSON.parse(JSON.stringify(state)));
  });

  it('are bounded: the state is written whole when there are many', () => {
    const state = fresh();
    writeState(state, directory());
    appendFileSync(join(directory(), 'events.jsonl'), `\n${' '.repeat(256 * 1024)}`);
    emit(state, {type: 'recorded'}, directory());
    expect(readdirSync(directory())).to.deep.equal(['box.json']);
    expect(readState(directory())).to.include({seq: 1, recorded: true});
  });
});
