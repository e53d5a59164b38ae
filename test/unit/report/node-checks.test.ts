import {expect} from 'chai';
import {checkNode, type NodeFound} from '../../../src/report/node-checks.js';

const NOTHING: NodeFound = {clock: null, shortages: null, log: null, waiting: 0, degraded: {}};
const states = (found: Partial<NodeFound>): string[][] => checkNode({...NOTHING, ...found}).map(({name, state}) => [name, state]);

describe('what doctor says of the node’s own state', () => {
  it('is nothing where nothing was found', () => {
    expect(states({})).to.deep.equal([]);
  });

  it('has the clock: unknown is not wrong', () => {
    expect(states({clock: {synchronised: true, how: 'x'}})).to.deep.equal([['clock', 'ok']]);
    expect(states({clock: {synchronised: false, how: 'x'}})).to.deep.equal([['clock', 'limited']]);
    expect(states({clock: {synchronised: null, how: 'x'}})).to.deep.equal([['clock', 'ok']]);
  });

  it('has the reserve, the log, records that wait and counts', () => {
    expect(states({shortages: []})).to.deep.equal([['reserve', 'ok']]);
    expect(states({shortages: ['1MiB free for /x']})).to.deep.equal([['reserve', 'missing']]);
    expect(states({log: {file: '/var/log/tare', obstacle: '/var/log/tare is a directory'}})).to.deep.equal([['log', 'limited']]);
    expect(states({waiting: 2})).to.deep.equal([['waiting records', 'limited']]);
    const [check] = checkNode({...NOTHING, degraded: {unboxed: 3, other: 0}});
    expect([check?.name, check?.found]).to.deep.equal(['less than asked', 'jobs of the last day: unboxed: 3']);
  });
});
