import {EventEmitter} from 'node:events';
import {expect} from 'chai';
import {runAbandonable} from '../../../src/host/abandon.js';
import {childProcess} from '../../../src/host/spawn.js';

describe('a program that may be abandoned', () => {
  it('that cannot be started for want of descriptors gives an answer: Node.js makes no pipes then', async () => {
    const {spawn} = childProcess();
    const child = Object.assign(new EventEmitter(), {unref: () => undefined});
    Object.assign(childProcess(), {spawn: () => child});
    try {
      const answer = runAbandonable('/bin/true', [], null);
      child.emit('error', new Error('spawn EMFILE'));
      expect(await answer).to.include({code: null, error: 'spawn EMFILE', late: false});
    } finally {
      Object.assign(childProcess(), {spawn});
    }
  });
});
