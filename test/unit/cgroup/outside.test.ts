import {expect} from 'chai';
import {verdictFromOutside, type GroupEvents, type MemoryEvents} from '../../../src/cgroup/manager.js';

const zero = {inode: 7, oomKills: 0, oomLocal: 0, oom: 0, limitHits: 0, oomGroupKills: 0, killsWhole: false, memswReached: false};
const SLOT = '/c/slot';

function before(version: 1 | 2, slot: Partial<GroupEvents> = {}): MemoryEvents {
  const groups: GroupEvents[] = [
    {...zero, directory: `${SLOT}/tare-1/payload`, level: 'payload'},
    {...zero, directory: `${SLOT}/tare-1`, level: 'box'},
    {...zero, directory: SLOT, level: 'ancestor', ...slot},
    {...zero, directory: '/c', level: 'ancestor', oomKills: null, oomLocal: null, oom: null, limitHits: null},
  ];
  return {version, oomKills: 0, groups};
}
/** As the groups are now; those not named are gone. */
const now =
  (changes: Record<string, Partial<GroupEvents>>) =>
  (group: GroupEvents): GroupEvents | null => {
    const change = changes[group.directory];
    return change === undefined ? null : {...group, ...change};
  };

describe('the memory limit that killed a wrapper, found from outside', () => {
  it('the slot, whole: certain', () => {
    expect(
      verdictFromOutside(before(2), now({[SLOT]: {oomLocal: 1, oom: 1, oomKills: 5, oomGroupKills: 1, killsWhole: true}})),
    ).to.deep.equal({whose: 'slot', evidence: 'oom +1 in /c/slot, oom_kill +5, oom_group_kill +1', certain: true});
  });

  it('the slot, where the kernel does not count groups but is told to kill them', () => {
    const found = verdictFromOutside(
      before(2, {oomGroupKills: null}),
      now({[SLOT]: {oomLocal: 1, oomKills: 5, oomGroupKills: null, killsWhole: true}}),
    );
    expect(found).to.deep.equal({whose: 'slot', evidence: 'oom +1 in /c/slot, oom_kill +5, memory.oom.group 1', certain: true});
  });

  it('the slot, one process of it: not certain', () => {
    expect(verdictFromOutside(before(2), now({[SLOT]: {oomLocal: 2, oomKills: 1}}))).to.include({whose: 'slot', certain: false});
  });

  it('only what has risen since counts', () => {
    const earlier = {oomLocal: 3, oomKills: 9, oomGroupKills: 1, killsWhole: true};
    expect(verdictFromOutside(before(2, earlier), now({[SLOT]: earlier}))).to.equal(null);
  });

  it('none, where the limit was hit without a kill', () => {
    expect(verdictFromOutside(before(2), now({[SLOT]: {oomLocal: 2, limitHits: 90}}))).to.equal(null);
  });

  it('the node, where something was killed at no limit that can be seen: not certain', () => {
    expect(verdictFromOutside(before(2), now({[SLOT]: {oomKills: 2}}))).to.include({whose: 'node', certain: false});
  });

  it('v1: the slot when both its counters rose, never certain', () => {
    const v1 = {oomLocal: null, oom: null, oomGroupKills: null, killsWhole: null};
    expect(verdictFromOutside(before(1, v1), now({[SLOT]: {...v1, oomKills: 1, limitHits: 40}}))).to.deep.equal({
      whose: 'slot',
      evidence: 'failcnt +40 in /c/slot, oom_kill +1',
      certain: false,
    });
    expect(verdictFromOutside(before(1, v1), now({[SLOT]: {...v1, limitHits: 40}}))).to.equal(null);
  });

  it('none, when the groups are gone or there were none', () => {
    expect(verdictFromOutside(before(2), now({}))).to.equal(null);
    expect(verdictFromOutside({version: null, oomKills: null, groups: []})).to.equal(null);
    expect(verdictFromOutside(before(2))).to.equal(null);
  });
});
