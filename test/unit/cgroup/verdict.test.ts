import {expect} from 'chai';
import {parseKernelLog} from '../../../src/cgroup/kernel-log.js';
import type {GroupEvents, MemoryEvents} from '../../../src/cgroup/manager.js';
import {verdict, verdictInside} from '../../../src/cgroup/verdict.js';

const ID = '0a-1';
type Counts = Partial<GroupEvents>;
const zero = {inode: 1, oomKills: 0, oomLocal: 0, oom: 0, limitHits: 0, oomGroupKills: 0, killsWhole: false, memswReached: false};

function events(version: 1 | 2, payload: Counts, slot: Counts = {}, box: Counts = {}): MemoryEvents {
  const base = version === 2 ? zero : {...zero, oomLocal: null, oom: null, oomGroupKills: null, killsWhole: null};
  const groups: GroupEvents[] = [
    {...base, directory: '/c/slot/tare-0a-1/payload', level: 'payload', ...payload},
    {...base, directory: '/c/slot/tare-0a-1/engine', level: 'engine'},
    {...base, directory: '/c/slot/tare-0a-1', level: 'box', ...box},
    {...base, directory: '/c/slot', level: 'ancestor', ...slot},
    {...base, directory: '/c', level: 'ancestor', oomKills: null, limitHits: 5},
  ];
  return {version, oomKills: groups[0]!.oomKills, groups};
}

const LINE = (limit: string): string =>
  `6,1379,1109721398,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${limit},task_memcg=/x/tare-${ID}/payload,task=python3,pid=6372,uid=0\n`;

interface Case {
  name: string;
  version: 1 | 2;
  payload: Counts;
  slot?: Counts;
  box?: Counts;
  log?: string;
  whose: string | null;
  certain?: boolean;
}

const cases: Case[] = [
  {name: 'nothing', version: 2, payload: {}, whose: null},
  {name: 'limit hit by page cache only', version: 2, payload: {limitHits: 300}, whose: null},
  {name: "the payload's limit", version: 2, payload: {oomKills: 3, oomLocal: 1, oom: 1}, whose: 'payload', certain: true},
  {
    name: 'a limit of a group that the payload made',
    version: 2,
    payload: {oomKills: 1, oomLocal: 0, oom: 1},
    whose: 'payload',
    certain: true,
  },
  {name: "the box's limit", version: 2, payload: {oomKills: 1}, box: {oomLocal: 1, oom: 1, oomKills: 1}, whose: 'payload', certain: true},
  {name: "the slot's limit", version: 2, payload: {oomKills: 1}, slot: {oomLocal: 1, oom: 1, oomKills: 1}, whose: 'slot', certain: true},
  {name: 'the node', version: 2, payload: {oomKills: 1}, slot: {oomKills: 1}, whose: 'node', certain: true},
  {
    name: 'both, no log',
    version: 2,
    payload: {oomKills: 2, oomLocal: 1, oom: 1},
    slot: {oomLocal: 1, oom: 2},
    whose: 'payload',
    certain: false,
  },
  {
    name: 'both, the log says slot',
    version: 2,
    payload: {oomKills: 2, oomLocal: 1, oom: 1},
    slot: {oomLocal: 1, oom: 2},
    log: LINE('/x'),
    whose: 'slot',
    certain: true,
  },
  {
    name: "before 5.2, the payload's",
    version: 2,
    payload: {oomKills: 1, oom: 1, oomLocal: null},
    box: {oom: 1, oomLocal: null},
    slot: {oom: 1, oomLocal: null},
    whose: 'payload',
    certain: true,
  },
  {
    name: "before 5.2, the slot's",
    version: 2,
    payload: {oomKills: 1, oom: 0, oomLocal: null},
    box: {oom: 0, oomLocal: null},
    slot: {oom: 1, oomLocal: null},
    whose: 'slot',
    certain: true,
  },
  {name: 'v1: page cache only', version: 1, payload: {limitHits: 274}, whose: null},
  {name: "v1: the payload's limit", version: 1, payload: {oomKills: 1, limitHits: 127}, whose: 'payload', certain: false},
  {name: "v1: the slot's limit", version: 1, payload: {oomKills: 1}, slot: {limitHits: 140}, whose: 'slot', certain: false},
  {name: 'v1: both, no log', version: 1, payload: {oomKills: 1, limitHits: 84}, slot: {limitHits: 1812}, whose: 'payload', certain: false},
  {
    name: 'v1: both, the log says slot',
    version: 1,
    payload: {oomKills: 1, limitHits: 84},
    slot: {limitHits: 1812},
    log: LINE('/x/slot'),
    whose: 'slot',
    certain: true,
  },
  {
    name: 'v1: page cache, then the node',
    version: 1,
    payload: {oomKills: 1, limitHits: 84},
    log: LINE('').replace('CONSTRAINT_MEMCG', 'CONSTRAINT_NONE').replace('oom_memcg=', 'global_oom'),
    whose: 'node',
    certain: true,
  },
  {name: 'v1: nothing counted', version: 1, payload: {oomKills: 1}, whose: 'node', certain: false},
  {name: 'v1: memsw of the payload, not counted', version: 1, payload: {oomKills: 1, memswReached: true}, whose: 'payload', certain: false},
  {
    name: 'v1: memsw of the slot, not counted',
    version: 1,
    payload: {oomKills: 1},
    slot: {memswReached: true},
    whose: 'slot',
    certain: false,
  },
  {name: 'v1: memsw reached, without a kill', version: 1, payload: {memswReached: true}, whose: null},
  {name: 'no counters', version: 1, payload: {oomKills: null, limitHits: null}, whose: null},
];

describe('cgroup: whose memory limit killed', () => {
  for (const {name, version, payload, slot, box, log, whose, certain} of cases) {
    it(`${name} → ${whose ?? 'no verdict'}`, () => {
      const result = verdict(events(version, {}), events(version, payload, slot, box), () => parseKernelLog(log ?? '', ID));
      expect(result?.whose ?? null, result?.evidence).to.equal(whose);
      if (whose !== null) expect(result!.certain).to.equal(certain);
    });
  }

  it('says which counters, and looks only at what rose', () => {
    const before = events(2, {oomKills: 4, oomLocal: 4, oom: 4}, {oomLocal: 7});
    expect(verdict(before, before, () => [])).to.equal(null);
    const after = events(2, {oomKills: 6, oomLocal: 5, oom: 5}, {oomLocal: 7});
    expect(verdict(before, after, () => [])?.evidence).to.equal('oom_kill +2, oom +1 in /c/slot/tare-0a-1/payload/memory.events');
  });

  it('is the payload’s where the kernel in a virtual machine has killed, whose memory is its limit', () => {
    expect(verdictInside(0)).to.equal(null);
    expect(verdictInside(2)).to.deep.equal({
      ...{whose: 'payload', certain: true},
      evidence: 'oom_kill +2 in the kernel of the virtual machine',
    });
  });

  it('reads both forms of the log, and only lines of this box', () => {
    const old = 'Task in /slot/tare-0a-1/payload killed as a result of limit of /slot\n';
    expect(parseKernelLog(old, ID).map(({whose}) => whose)).to.deep.equal(['slot']);
    expect(parseKernelLog(LINE(`/x/tare-${ID}/payload`), ID).map(({whose}) => whose)).to.deep.equal(['payload']);
    expect(parseKernelLog(LINE(`/x/tare-${ID}/payload`), '0a')).to.deep.equal([]);
  });
});
