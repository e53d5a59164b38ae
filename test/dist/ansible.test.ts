/** The role of configs/ansible on a node of the test's own: `ansible-playbook` runs there, as it would by SSH. */
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {expect} from 'chai';
import {TARE_VERSION} from '../../src/version.js';
import {FOLDER} from '../support/folder.js';
import {need} from '../support/need.js';
import {PrivateNode, type Said} from '../support/private-node.js';
import {isRoot, program} from '../support/tare.js';

const DEB = join(dirname(FOLDER), `tare_${TARE_VERSION}_amd64.deb`);

describe('the role of Ansible', function () {
  this.timeout(180_000);
  let node: PrivateNode;
  let deb: string;
  let playbook: string;
  before(async function () {
    need(this, isRoot, 'only root can make a node of the test’s own');
    need(this, program('ansible-playbook') !== null, 'Ansible is not installed');
    node = await PrivateNode.start();
    stop = () => node.stop();
    deb = node.bring(DEB);
    playbook = join(node.bring(join(FOLDER, 'configs/ansible')), 'site.yml');
    await node.write('/root/policy.yaml', readFileSync(join(FOLDER, 'configs/policies/wlcg-tier2-htcondor.yaml'), 'utf8'));
  });
  let stop = (): Promise<void> => Promise.resolve();
  after(() => stop());
  const play = (settings: Record<string, string>, ...flags: string[]): Promise<Said> => {
    const variables = JSON.stringify({tare_package: deb, tare_policy: '/root/policy.yaml', ...settings});
    return node.sh(`cd /root; ansible-playbook -i localhost, -c local -e '${variables}' ${flags.join(' ')} ${playbook}`, {seconds: 120});
  };
  const read = async (path: string): Promise<string> => (await node.sh(`cat ${path}`)).text;

  it('sets a node up, and has nothing to do the second time', async () => {
    const first = await play({});
    expect(first.status, first.text).to.equal(0);
    expect(await read('/etc/tare/policy.d/90-rollout.yaml')).to.include('mode: observe');
    expect(await read('/etc/condor/config.d/60-tare-node.conf')).to.include('USER_JOB_WRAPPER = /opt/tare/bin/tare-wrap');
    expect((await node.sh('tare plan --json -- true')).text).to.include('"observe"');
    const second = await play({});
    expect(second.status, second.text).to.equal(0);
    expect(second.text).to.match(/changed=0 /);
  });

  it('shows beforehand what it would change, and goes from observing to enforcing', async () => {
    const shown = await play({tare_mode: 'enforce'}, '--check', '--diff');
    expect(shown.text).to.include('+mode: enforce');
    expect(await read('/etc/tare/policy.d/90-rollout.yaml')).to.include('mode: observe');
    const done = await play({tare_mode: 'enforce'});
    expect(done.status, done.text).to.equal(0);
    expect(await read('/etc/tare/policy.d/90-rollout.yaml')).to.include('mode: enforce');
  });

  it('puts no policy in place that is not valid, nor one that contradicts the node’s own parts', async () => {
    const before = await read('/etc/tare/policy.yaml');
    await node.write('/root/broken.yaml', 'schema: tare/policy/v1\nmode: enforced\n');
    const broken = await play({tare_policy: '/root/broken.yaml'});
    expect(broken.status).not.to.equal(0);
    expect(broken.text).to.include('failed to validate');
    expect(await read('/etc/tare/policy.yaml')).to.equal(before);

    await node.write(
      '/etc/tare/policy.d/50-own.yaml',
      'schema: tare/policy/v1\nrules: [{name: never, match: {vo: [ops]}, refuse: not here}]\n',
    );
    const contradiction = await play({});
    expect(contradiction.status).not.to.equal(0);
    expect(contradiction.text).to.include('can never count');
  });
});
