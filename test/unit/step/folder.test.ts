import {existsSync, mkdtempSync, rmSync, utimesSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {processId} from '../../../src/process/process.js';
import {comeAs, noteEnd, openStep, sweepSteps, tasksIn} from '../../../src/step/folder.js';

describe('the folder of a step', () => {
  const uid = process.getuid?.() ?? -1;
  const shim = processId(process.pid) ?? expect.fail('no process');
  const dead = {pid: shim.pid, startTicks: shim.startTicks + 1};
  const end = {
    rawStatus: 0,
    startEpochUs: 1,
    wallUs: 1,
    cpuUserUs: 0,
    cpuSystemUs: 0,
    largestProcessBytes: 0,
    reason: null,
  };
  let state: string;
  beforeEach(() => {
    state = mkdtempSync(join(tmpdir(), 'tare-steps-'));
  });
  afterEach(() => {
    rmSync(state, {recursive: true});
  });

  it('has one maker', () => {
    const made = ['a#1.0@n.0', 'a#1.0@n.0', 'a#1.1@n.0'].map((step) => openStep(state, uid, step));
    expect(made.map(({isMaker}) => isMaker)).to.deep.equal([true, false, true]);
    expect(made[0]?.directory).to.equal(made[1]?.directory);
  });

  it('lets each task in once, and a supervisor that follows another', () => {
    const {directory} = openStep(state, uid, 'a#1.0@n.0');
    const note = {name: 'task 0', shim, init: null};
    expect([comeAs(directory, 0, note), comeAs(directory, 0, note), comeAs(directory, 0, {...note, shim: dead})]).to.deep.equal([
      true,
      true,
      false,
    ]);
    noteEnd(directory, 0, end);
    expect(comeAs(directory, 0, note)).to.equal(false);
    expect(tasksIn(directory)).to.deep.equal({come: [0], ended: new Set([0])});
  });

  it('is swept when no task of it lives and none comes any more', () => {
    const [live, left, fresh] = ['live', 'left', 'fresh'].map((step) => openStep(state, uid, `${step}#1.0@n.0`).directory) as [
      string,
      string,
      string,
    ];
    comeAs(live, 0, {name: 'task 0', shim, init: null});
    for (const one of [left, fresh]) comeAs(one, 0, {name: 'task 0', shim: dead, init: null});
    for (const one of [live, left]) utimesSync(one, 1, 1);
    sweepSteps(state, uid);
    expect([live, left, fresh].map((one) => existsSync(one))).to.deep.equal([true, false, true]);
  });
});
