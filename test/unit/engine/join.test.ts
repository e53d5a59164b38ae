import {expect} from 'chai';
import {joinArgv} from '../../../src/engine/join.js';
import {plan} from '../plan/build.js';

describe('a command that joins a box', () => {
  it('enters the namespaces that the box made, and no other', () => {
    const init = ['/proc/self/fd/4', 'tare-init', '3'];
    expect(joinArgv(plan(), 7)).to.deep.equal(['/proc/self/fd/4', 'tare-join', '7', 'user,pid,mnt,ipc,uts', ...init]);
    expect(joinArgv(plan({job: {network: 'none'}}), 7)[3]).to.equal('user,pid,mnt,ipc,uts,net');
  });
});
