import {EventEmitter} from 'node:events';
import {expect} from 'chai';
import {runAbandonable} from '../../../src/host/abandon.js';
import {childProcess} from '../../../src/host/spawn.js';

describe('a program that cannot be started', () => {
  const {spawn} = childProcess();
  const failure = new Error('spawn EMFILE');
  afterEach(() => {
    Object.assign(childProcess(), {spawn});
  });

  for (const [how, start] of Object.entries({
    'by an event, and without pipes, as Node.js says it': () => {
      const child = Object.assign(new EventEmitter(), {unref: () => undefined});
      setImmediate(() => child.emit('error', failure));
      return child;
    },
    'by an exception, as Bun says it': () => {
      throw failure;
    },
  }))
    it(`gives an answer: ${how}`, async () => {
      Object.assign(childProcess(), {spawn: start});
      expect(await runAbandonable('/bin/true', [], null)).to.include({code: null, error: 'spawn EMFILE', late: false});
    });
});
