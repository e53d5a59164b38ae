import {expect} from 'chai';
import {slotHere} from '../../../src/plan/slot.js';

const none = {name: null, cores: null, memoryBytes: null, scratchBytes: null, gpus: null, wallTimeUs: null, cpuTimeUs: null};
const told = (value: number) => ({value, provenance: {source: 'slot' as const, at: 'ENV'}});
const node = (slot: {cores: number | null; memoryLimitBytes: number | null}) => ({
  slot: {...slot, memoryDirectory: null, processes: null, how: 'the groups'},
  cpu: {online: [0, 1, 2, 3], allowed: [], present: 4, model: null, how: ''},
  memory: {totalBytes: 4000, swapBytes: 0, how: ''},
});
type Facts = Parameters<typeof slotHere>[1];

describe('the slot that the environment tells of', () => {
  const slot = (cores: number, memoryBytes: number, groups = {cores: null as number | null, memoryLimitBytes: null as number | null}) => {
    const here = slotHere({...none, cores: told(cores), memoryBytes: told(memoryBytes)}, node(groups) as unknown as Facts);
    return [here.cores, here.memoryBytes].map((one) => [one?.value, one?.provenance.at]);
  };

  it('is believed as far as it is smaller', () => {
    expect(slot(3, 3000)).to.deep.equal([
      [3, 'ENV'],
      [3000, 'ENV'],
    ]);
    expect(slot(4, 4000, {cores: 4, memoryLimitBytes: 4000}).map(([, at]) => at)).to.deep.equal(['ENV', 'ENV']);
  });

  it('is no larger than the groups around the caller, nor than the node', () => {
    expect(slot(64, 1e12)).to.deep.equal([
      [4, 'ENV: 64, but this node has 4 CPUs'],
      [4000, 'ENV: 1000000000000, but this node has 4000 bytes'],
    ]);
    expect(slot(3, 3000, {cores: 1.5, memoryLimitBytes: 2000})).to.deep.equal([
      [1.5, 'ENV: 3, but the groups'],
      [2000, 'ENV: 3000, but the groups'],
    ]);
  });

  it('stays unknown where nothing is told', () => {
    expect(slotHere(none, node({cores: 1, memoryLimitBytes: 1}) as unknown as Facts)).to.deep.equal(none);
  });
});
