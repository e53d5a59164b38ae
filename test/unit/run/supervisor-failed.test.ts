import {expect} from 'chai';
import {silentLog} from '../../../src/process/log.js';
import {SupervisorFailed, orNextSupervisor} from '../../../src/run/supervisor-failed.js';

describe('what fails after the launch', () => {
  it('ends the supervisor, is logged, and is nothing that was refused', async () => {
    const said: unknown[] = [];
    const log = {
      ...silentLog,
      error: (message: string, details?: object) => said.push([message, details]),
      close: () => Promise.resolve(void said.push('closed')),
    };
    const error = await orNextSupervisor(Promise.reject(new Error('EIO: i/o error, stat')), log).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(SupervisorFailed);
    expect(said[0]).to.have.property('0', 'this supervisor cannot go on; the next one takes over');
    expect(said.at(-1)).to.equal('closed');
  });

  it('and what works is handed on', async () => {
    expect(await orNextSupervisor(Promise.resolve(7), silentLog)).to.equal(7);
  });
});
