import {expect} from 'chai';
import {nsenterArgv} from '../../../src/engine/nsenter.js';
import {plan} from '../plan/build.js';

const INIT = ['--', '/proc/self/fd/4', 'tare-init', '3'];

describe('a command that joins a box', () => {
  it('enters the namespaces that the box made, and no other', () => {
    expect(nsenterArgv(plan(), '/usr/bin/nsenter', {init: 7, inside: 8})).to.deep.equal(
      ['/usr/bin/nsenter', '--user', '--pid', '--mount', '--ipc', '--uts', '--preserve-credentials', '--target', '7'].concat(INIT),
    );
    expect(nsenterArgv(plan({job: {network: 'none'}}), '/n', {init: 7, inside: 8})).to.include('--net');
  });
});
