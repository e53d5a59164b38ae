import {expect} from 'chai';
import {descriptorOf} from '../../../src/migrate/mark.js';
import {migrateStepNote} from '../../../src/migrate/step-note.js';

const SHIM = {pid: 7, startTicks: 5};

describe('migrate: what processes of another version say', () => {
  it('a note of a step’s task names its shim', () => {
    expect(migrateStepNote({name: 'task 0', front: SHIM, init: 9})).to.deep.equal({name: 'task 0', shim: SHIM, init: 9});
    for (const note of [{shim: SHIM}, {apart: 'a reason'}, null, 'text', 5]) expect(migrateStepNote(note)).to.equal(note);
  });

  it('the mark of a shim has the descriptor of its socket', () => {
    expect(['@shim=3', '@front=3', '@shim=', 'run', '@shim=3x'].map(descriptorOf)).to.deep.equal([3, 3, null, null, null]);
  });
});
