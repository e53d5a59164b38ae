/** The role of configs/ansible on a machine that systemd runs, on which it sets the timers going. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import {TARE_VERSION} from '../../../src/version.js';
import {FOLDER} from '../../support/folder.js';
import {patience} from '../../support/pace.js';
import {roleTests} from '../../support/role.js';
import {requireLab, says, sh} from './lab-node.js';

describe('the role of Ansible on a machine that systemd runs', function () {
  this.timeout(patience(60_000));
  before(async () => {
    requireLab();
    await says('dpkg --purge tare; rm -rf /etc/tare');
  });
  after(() => says('dpkg --purge tare'));
  const write = (path: string, text: string): Promise<void> => {
    mkdirSync(dirname(path), {recursive: true});
    writeFileSync(path, text);
    return Promise.resolve();
  };
  const there = {
    node: {sh, write},
    deb: join(dirname(FOLDER), `tare_${TARE_VERSION}_amd64.deb`),
    roles: join(FOLDER, 'configs/ansible'),
  };
  roleTests(() => there, {whole: false});

  it('leaves the timers of the package running', async () => {
    expect(await says('systemctl is-active tare-probe.timer tare-sweep.timer tare-export.timer')).to.equal('active\nactive\nactive');
  });
});
