import {expect} from 'chai';
import {noGroups, type Groups} from '../../../src/cgroup/manager.js';
import {pauseBox} from '../../../src/supervise/freeze.js';

describe('a freezer of processes that stop only after their child goes on', () => {
  it('lets all go for a moment, and stops them again', async () => {
    const written: boolean[] = [];
    const groups: Groups = {
      ...noGroups,
      freeze: (on) => void written.push(on),
      frozen: () => ({frozen: written.filter((on) => on).length === 3, frozenUs: null}),
    };
    expect(await pauseBox({init: null}, groups)).to.equal('freezer');
    expect(written).to.deep.equal([true, false, true, false, true]);
  });
});
