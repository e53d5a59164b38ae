import {chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {readKills, writeKills} from '../../../src/box/kills.js';
import {noGroups} from '../../../src/cgroup/manager.js';
import type {LiveBox} from '../../../src/live/box-view.js';
import {figuresOf} from '../../../src/live/figures.js';
import {findBox, groupsOf, liveBoxes, narrowTo} from '../../../src/live/live.js';
import {Rates} from '../../../src/live/rates.js';
import {here} from '../../../src/process/presence.js';
import {processId} from '../../../src/process/process.js';
import {plan, policy} from '../plan/build.js';

const UID = process.getuid?.() ?? 0;

/** A box of which this process is shim and payload. */
function boxFile(id: string, change: object = {}): object {
  const self = processId(process.pid);
  const {bootId, pidNamespace} = here();
  return {
    id,
    plan: plan(),
    init: self,
    payload: self,
    startEpochUs: Date.now() * 1000 - 5e6,
    stop: null,
    started: {
      recordId: 'r',
      payload: {name: `job ${id}`},
      user: {local: null, uid: 1001},
      allocation: {cores: 2},
      host: {node: hostname(), bootId},
      wrapper: {pidNamespace, shim: self, supervisor: self},
    },
    ...change,
  };
}

describe('live boxes', () => {
  let base: string;
  let boxes: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-live-'));
    boxes = join(base, 'state/boxes');
    mkdirSync(boxes, {recursive: true});
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const put = (id: string, content: unknown = boxFile(id)): string => {
    const directory = join(boxes, id);
    mkdirSync(directory, {recursive: true});
    writeFileSync(join(directory, 'box.json'), typeof content === 'string' ? content : JSON.stringify(content));
    return directory;
  };
  const rules = (): ReturnType<typeof policy> => policy({directories: {state: join(base, 'state'), scratch: join(base, 'scratch')}});
  const find = (prefix: string): LiveBox => findBox(rules(), UID, prefix);
  const code = (action: () => unknown): string => {
    try {
      action();
      return 'none';
    } catch (error) {
      return (error as {code: string}).code;
    }
  };

  it('are found by id or by what it begins with', () => {
    for (const id of ['ab12', 'ab34', 'cd', 'cdef']) put(id);
    expect(find('ab1').id).to.equal('ab12');
    expect(find('cd').id, 'the whole of one, the beginning of another').to.equal('cd');
    expect(code(() => find('ab'))).to.equal('BOX_AMBIGUOUS');
    expect(() => find('ab')).to.throw(/begins with ab, or that name; found: ab12 \(uid \d+, job ab12\), ab34 .*; give more of the id$/);
    for (const none of ['', 'ff', 'ab123', '..', '/', 'AB12', 'a/b'])
      expect(
        code(() => find(none)),
        none,
      ).to.equal('BOX_UNKNOWN');
  });

  it('of which several are begun so name no more than a line holds', () => {
    for (let index = 10; index < 30; index++) put(`aa${index}`);
    expect(() => find('aa')).to.throw(/ and 12 more; give more of the id$/);
  });

  it('say what they are; what is not what it should be is not known', () => {
    put('ab');
    expect(find('ab')).to.deep.include({name: 'job ab', user: '1001', pattern: 'ulimit++', cores: 2, uid: UID, stopped: false});
    put('cd', boxFile('cd', {init: {pid: 1, startTicks: 5}, payload: {pid: '7'}, startEpochUs: -4, stop: 3, plan: {steps: {}}}));
    expect(find('cd')).to.deep.include({init: null, payload: null, startEpochUs: null, stopped: false, pattern: null, graceUs: 0});
    expect(groupsOf(find('cd'))).to.equal(noGroups);
  });

  it('are those that are whole, and whose wrapper is there', () => {
    const gone = {...processId(process.pid), startTicks: 1};
    const started = (boxFile('ab02') as {started: {wrapper: object}}).started;
    put('ab01', '{"id":');
    put('ab02', boxFile('ab02', {started: {...started, wrapper: {...started.wrapper, shim: gone, supervisor: gone}}}));
    put('ab03', boxFile('ab04'));
    put('ab05', boxFile('ab05', {started: null}));
    put('nothex', boxFile('nothex'));
    mkdirSync(join(boxes, 'ab06'));
    mkdirSync(join(boxes, 'ab07'));
    symlinkSync(join(put('ab08'), 'box.json'), join(boxes, 'ab07/box.json'));
    expect(liveBoxes(rules(), UID).map(({id}) => id)).to.deep.equal(['ab08']);
  });

  it('are those of another version, too', () => {
    const {started} = boxFile('ab') as {started: {wrapper: {pidNamespace: string; shim: object; supervisor: object}}};
    const {pidNamespace, shim: shim, supervisor: supervisor} = started.wrapper;
    put('ab', boxFile('ab', {started: {...started, schema: 'tare/record/v1', wrapper: {pidNamespace, shim, supervisor}}}));
    expect(find('ab')).to.deep.include({shim, supervisor});
  });

  it('are not believed where others could have put them', () => {
    put('ab');
    chmodSync(boxes, 0o777);
    expect(liveBoxes(rules(), UID)).to.deep.equal([]);
  });

  it('are narrowed to one application, by its name', () => {
    put('ab');
    expect(code(() => narrowTo(find('ab'), 'merger'))).to.equal('APPLICATION_UNKNOWN');
    expect(code(() => narrowTo(find('ab'), undefined))).to.equal('none');
    const process = {pid: 7, startTicks: 8};
    const box: LiveBox = {
      ...find('ab'),
      applications: [
        {name: 'one', state: 'waiting', service: false, process: null},
        {name: 'two', state: 'running', service: false, process},
      ],
    };
    expect(narrowTo(box, 'two').payload).to.equal(process);
    expect(narrowTo(box, 'one').payload).to.equal(null);
    expect(code(() => narrowTo(box, 'three'))).to.equal('APPLICATION_UNKNOWN');
  });

  it('stand as their processes, limits and kills say', () => {
    const standing = (change: object): string => {
      put('ab', boxFile('ab', change));
      return figuresOf(find('ab')).standing;
    };
    expect(standing({})).to.equal('running');
    expect(standing({startEpochUs: null})).to.equal('starting');
    expect(standing({stop: {limit: 'memory'}})).to.equal('ending');
    expect(standing({payload: {pid: process.pid, startTicks: 1}})).to.equal('ending');
    const kill = {uid: 0, epochUs: 1, signal: 'SIGUSR1'};
    writeKills(join(boxes, 'ab'), [kill]);
    expect(standing({})).to.equal('running');
    writeKills(join(boxes, 'ab'), [{...kill, signal: 'SIGTERM'}]);
    expect(standing({})).to.equal('ending');
  });

  it('weigh what their processes do where no group counts, and at least what was noted', () => {
    const directory = put('ab');
    writeFileSync(join(directory, 'seen.json'), JSON.stringify({weighing: {usage: {memPeakBytes: 2 ** 50}}}));
    expect(figuresOf(find('ab')).memoryPeakBytes).to.equal(2 ** 50);
    for (const garbage of ['null', '5', '{"weighing": "x"}', '{"weighing": {"usage": {"memPeakBytes": "x"}}}']) {
      writeFileSync(join(directory, 'seen.json'), garbage);
      const {memoryPeakBytes, memoryBytes} = figuresOf(find('ab'));
      expect(memoryPeakBytes, garbage).to.equal(memoryBytes);
    }
    expect(figuresOf({...find('ab'), init: null})).to.include({memoryBytes: null, memoryPeakBytes: null, cpuUs: null, processes: null});
  });
});

describe('kills in a box’s folder', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-kills-'));
  });
  afterEach(() => {
    rmSync(directory, {recursive: true, force: true});
  });
  const kill = {uid: 7, epochUs: 1, signal: 'SIGTERM'};

  it('are read as they were written, the latest where there are many', () => {
    expect(readKills(directory)).to.deep.equal([]);
    writeKills(
      directory,
      Array.from({length: 20}, (_, epochUs) => ({...kill, epochUs})),
    );
    expect(readKills(directory).map(({epochUs}) => epochUs)).to.deep.equal(Array.from({length: 16}, (_, index) => index + 4));
  });

  it('are none where something else is', () => {
    for (const text of [
      '',
      'null',
      '{}',
      '[null, 5, "x"]',
      '[{"uid": "0", "epochUs": 1, "signal": "SIGKILL"}]',
      '[{"uid": 0, "epochUs": 1}]',
    ]) {
      writeFileSync(join(directory, 'kills.json'), text);
      expect(readKills(directory), text).to.deep.equal([]);
    }
    writeFileSync(
      join(directory, 'kills.json'),
      JSON.stringify([
        {...kill, signal: 'SIG\u001B'},
        {...kill, more: 1},
      ]),
    );
    expect(readKills(directory)).to.deep.equal([kill]);
  });
});

describe('CPU use', () => {
  it('is what CPU time grew by over the time between two looks', () => {
    const rates = new Rates();
    expect(rates.look([{id: 'a', cpuUs: 1e6}], 0)).to.deep.equal(new Map());
    const jobs = [
      {id: 'a', cpuUs: 4e6},
      {id: 'b', cpuUs: 1e6},
      {id: 'c', cpuUs: null},
      {id: null, cpuUs: 5},
    ];
    expect(rates.look(jobs, 2e6)).to.deep.equal(new Map([['a', 1.5]]));
    expect(rates.look([{id: 'a', cpuUs: 3e6}], 4e6), 'a sum that became smaller').to.deep.equal(new Map([['a', 0]]));
  });
});
