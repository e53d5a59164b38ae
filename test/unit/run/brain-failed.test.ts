import {expect} from 'chai';
import {silentLog} from '../../../src/process/log.js';
import {BrainFailed, orNextBrain} from '../../../src/run/brain-failed.js';

describe('what fails after the launch', () => {
  it('ends the brain, is logged, and is nothing that was refused', async () => {
    const said: unknown[] = [];
    const log = {
      ...silentLog,
      error: (message: string, details?: object) => said.push([message, details]),
      close: () => Promise.resolve(void said.push('closed')),
    };
    const error = await orNextBrain(Promise.reject(new Error('EIO: i/o error, stat')), log).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(BrainFailed);
    expect(said[0]).to.have.property('0', 'this brain cannot go on; the next one takes over');
    expect(said.at(-1)).to.equal('closed');
  });

  it('and what works is handed on', async () => {
    expect(await orNextBrain(Promise.resolve(7), silentLog)).to.equal(7);
  });
});
