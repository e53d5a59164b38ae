import {expect} from 'chai';
import {migrateBox} from '../../../src/migrate/box.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import type {Undo} from '../../../src/steps/def.js';
import {undoOf} from '../../../src/steps/undo.js';
import {plan, v1} from '../plan/build.js';

interface Box {
  schema: string;
  undo: Undo[];
  helper?: unknown;
}

describe('migrate: the state of a box that another version began', () => {
  const made = plan({job: {limits: {memory: '1GiB'}}, facts: {cgroup: v1({memory: 'memory'})}});
  const places = `${made.directories.scratch}/tare-ab12`;

  it('of 0.1.0 gets the instructions that its plan stands for', () => {
    const box = migrateBox({id: 'ab12', plan: made, helper: null}) as Box;
    expect(box.schema).to.equal('tare/box/v1');
    expect(box.undo).to.deep.equal(undoOf(made, 'ab12', places));
    expect(box).not.to.have.property('helper');
  });

  it('of 0.1.0 has the program of its network among them', () => {
    const box = migrateBox({id: 'ab12', plan: made, helper: {pid: 77, startTicks: 5}}) as Box;
    expect(box.undo.at(-1)).to.deep.equal({op: 'process.kill', pid: 77, startTicks: 5});
  });

  it('of 0.1.0 has the keys and the steps of this version', () => {
    const because = 'a test';
    const steps = [
      {
        op: 'scratch.contain',
        by: 'loop',
        image: '{box}/disk.ext4',
        program: '/sbin/mkfs.ext4',
        destination: '{box}/disk',
        bytes: 1,
        because,
      },
      {op: 'cvmfs.hold', repository: 'a.b', path: '/cvmfs/a.b', because},
      {op: 'mount.graft', source: '/cvmfs', at: '{box}/view/0/cvmfs', because},
    ];
    const box = migrateBox({id: 'ab12', plan: {...made, steps}, frontStartedUs: 5, around: null}) as Box & {plan: typeof made};
    expect(box).to.include({shimStartedUs: 5, outer: null}).and.not.to.have.any.keys('frontStartedUs', 'around');
    expect(box.plan.steps.map(({op}) => op)).to.deep.equal(['scratch.quota', 'mount.pin', 'mount.move']);
  });

  it('of a version that had fewer limits has each of this one, and none that came later holds', () => {
    const {scratch, ...limits} = made.limits;
    const observed = {limits, refused: null};
    const box = migrateBox({schema: 'tare/box/v1', seq: 3, id: 'ab12', plan: {...made, limits, observed}, undo: []}) as {plan: Plan};
    expect(box.plan.limits).to.deep.equal({...limits, scratch: {...scratch, because: 'the version that began the box has no such limit'}});
    expect(box.plan.observed?.limits).to.deep.equal(box.plan.limits);
    expect(migrateBox({schema: 'tare/box/v1', plan: {limits: 7}})).to.deep.equal({schema: 'tare/box/v1', plan: {limits: 7}});
  });

  it('of this version is read as it is', () => {
    const box = {schema: 'tare/box/v1', seq: 3, id: 'ab12', plan: made, undo: []};
    expect(migrateBox(box)).to.deep.equal(box);
  });
});
