/** The role of configs/ansible on a node of the test's own. */
import {dirname, join} from 'node:path';
import {TARE_VERSION} from '../../src/version.js';
import {FOLDER} from '../support/folder.js';
import {need} from '../support/need.js';
import {PrivateNode} from '../support/private-node.js';
import {roleTests, type RoleNode} from '../support/role.js';
import {isRoot, program} from '../support/tare.js';

describe('the role of Ansible', function () {
  this.timeout(180_000);
  let node: PrivateNode;
  let there: RoleNode;
  before(async function () {
    need(this, isRoot, 'only root can make a node of the test’s own');
    need(this, program('ansible-playbook') !== null, 'Ansible is not installed');
    node = await PrivateNode.start();
    stop = () => node.stop();
    const deb = node.bring(join(dirname(FOLDER), `tare_${TARE_VERSION}_amd64.deb`));
    there = {node, deb, roles: node.bring(join(FOLDER, 'configs/ansible'))};
  });
  let stop = (): Promise<void> => Promise.resolve();
  after(() => stop());
  roleTests(() => there);
});
