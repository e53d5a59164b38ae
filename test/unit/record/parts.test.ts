import {expect} from 'chai';
import {LINE_BYTES, MOST_PARTS, NO_PARTS, partLine, readPart, withPart, type RecordChild} from '../../../src/record/parts.js';
import {changed, pilot} from '../../support/records.js';

const part = (number: number, more: Partial<RecordChild> = {}): RecordChild => {
  const read = readPart(partLine(changed(pilot(number), {state: 'started'})));
  if (read === null) throw new Error('no part');
  return {...read, ...more};
};

describe('parts of a record', () => {
  it('are read as they were told', () => {
    const record = pilot();
    const {recordId, time, usage, limits} = record;
    expect(readPart(partLine(record))).to.deep.equal({
      recordId,
      state: 'final',
      name: 'pilot',
      pattern: 'ulimit++',
      mode: 'box',
      startEpochUs: time.startEpochUs,
      wallUs: time.wallUs,
      limits: {cores: 8, memory: limits?.memory.value, wallTime: null, cpuTime: null},
      usage: {cpuUserUs: usage.cpuUserUs, cpuSystemUs: usage.cpuSystemUs, memPeakBytes: usage.memPeakBytes},
      outcome: {status: 'completed', exitCode: 0, signal: null, limit: null},
    });
  });

  it('fit a line that a pipe takes whole, whatever they are called', () => {
    for (const name of ['"'.repeat(5000), '€'.repeat(5000), '\u0001'.repeat(5000)])
      expect(Buffer.byteLength(partLine(changed(pilot(), {payload: {name}})))).to.be.below(LINE_BYTES);
  });

  it('are known by their record: an end stays, and a start after it changes nothing', () => {
    const started = part(1);
    const ended = {...started, state: 'final' as const, wallUs: 5};
    const once = withPart(withPart(NO_PARTS, started), ended);
    expect(once.list).to.deep.equal([ended]);
    expect(withPart(once, started)).to.equal(once);
    expect(withPart(once, {...ended, wallUs: 6})).to.equal(once);
    // one that could not tell its start
    expect(withPart(NO_PARTS, ended).list).to.deep.equal([ended]);
  });

  it('are counted where they are too many, each once', () => {
    let parts = NO_PARTS;
    for (let number = 0; number < MOST_PARTS + 3; number++) {
      parts = withPart(parts, part(number));
      parts = withPart(parts, part(number, {state: 'final'}));
    }
    expect([parts.list.length, parts.others]).to.deep.equal([MOST_PARTS, 3]);
    expect(parts.list.every(({state}) => state === 'final')).to.equal(true);
  });

  for (const [name, more] of [
    ['no id', {recordId: 'x'}],
    ['a state', {state: 'lost'}],
    ['a name for the terminal', {name: '\u001b[2J'}],
    ['a name too long', {name: 'x'.repeat(101)}],
    ['a pattern', {pattern: 'x'}],
    ['a negative time', {wallUs: -1}],
    ['a time that is none', {startEpochUs: 1.5}],
    ['a figure as text', {net: {cpuUserUs: '1', cpuSystemUs: null, memPeakBytes: null}}],
    ['a figure left out', {net: {cpuUserUs: 1, cpuSystemUs: 1}}],
    ['no limits', {limits: null}],
    ['a list', {outcome: []}],
    ['a signal', {outcome: {status: 'signalled', exitCode: null, signal: '\n', limit: null}}],
  ] as const)
    it(`are none with ${name}`, () => {
      expect(readPart(JSON.stringify({...part(1), ...more}))).to.equal(null);
    });

  it('have nothing that is not theirs', () => {
    expect(readPart(JSON.stringify({...part(1), __proto__: null, more: 1}))).to.deep.equal(part(1));
    expect(Object.keys(JSON.parse(partLine(pilot())) as object))
      .to.include('net')
      .and.not.include('usage');
    expect(readPart('{')).to.equal(null);
  });
});
