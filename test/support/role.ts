/** What the role of configs/ansible does on a node: `ansible-playbook` runs there, as it would by SSH. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {FOLDER} from './folder.js';
import {patience} from './pace.js';
import type {PrivateNode, Said} from './private-node.js';

/** `deb` is where the node has the package, `roles` where it has configs/ansible. */
export interface RoleNode {
  node: Pick<PrivateNode, 'sh' | 'write'>;
  deb: string;
  roles: string;
}

/** Tests of the role on a node without Tare, which is there when the first of them begins. `whole`: not only what a slow machine has time for. */
export function roleTests(there: () => RoleNode, {whole = true}: {whole?: boolean} = {}): void {
  const play = (settings: Record<string, string>, ...flags: string[]): Promise<Said> => {
    const {node, deb, roles} = there();
    const variables = JSON.stringify({tare_package: deb, tare_policy: '/root/policy.yaml', ...settings});
    return node.sh(
      `cd /root; ANSIBLE_PIPELINING=1 ansible-playbook -i localhost, -c local -e '${variables}' ${flags.join(' ')} ${join(roles, 'site.yml')}`,
      {
        seconds: patience(120),
      },
    );
  };
  const read = async (path: string): Promise<string> => (await there().node.sh(`cat ${path}`)).text;
  before(async () => {
    await there().node.write('/root/policy.yaml', readFileSync(join(FOLDER, 'configs/policies/wlcg-tier2-htcondor.yaml'), 'utf8'));
  });
  it('sets a node up, and has nothing to do the second time', async () => {
    const first = await play({});
    expect(first.status, first.text).to.equal(0);
    expect(await read('/etc/tare/policy.d/90-rollout.yaml')).to.include('mode: observe');
    expect(await read('/etc/condor/config.d/60-tare-node.conf')).to.include('USER_JOB_WRAPPER = /opt/tare/bin/tare-wrap');
    expect((await there().node.sh('tare plan --json -- true')).text).to.include('"observe"');
    const second = await play({});
    expect(second.status, second.text).to.equal(0);
    expect(second.text).to.match(/changed=0 /);
  });

  if (whole) {
    it('shows beforehand what it would change, and goes from observing to enforcing', async () => {
      const shown = await play({tare_mode: 'enforce'}, '--check', '--diff');
      expect(shown.text).to.include('+mode: enforce');
      expect(await read('/etc/tare/policy.d/90-rollout.yaml')).to.include('mode: observe');
      const done = await play({tare_mode: 'enforce'});
      expect(done.status, done.text).to.equal(0);
      expect(await read('/etc/tare/policy.d/90-rollout.yaml')).to.include('mode: enforce');
    });
  }

  it('installs no policy that is invalid or contradicts the node’s own parts', async () => {
    const before = await read('/etc/tare/policy.yaml');
    await there().node.write('/root/broken.yaml', 'schema: tare/policy/v1\nmode: enforced\n');
    const broken = await play({tare_policy: '/root/broken.yaml'});
    expect(broken.status).not.to.equal(0);
    expect(broken.text).to.include('failed to validate');
    expect(await read('/etc/tare/policy.yaml')).to.equal(before);
    if (!whole) return;

    await there().node.write(
      '/etc/tare/policy.d/50-own.yaml',
      'schema: tare/policy/v1\nrules: [{name: never, match: {vo: [ops]}, refuse: not here}]\n',
    );
    const contradiction = await play({});
    expect(contradiction.status).not.to.equal(0);
    expect(contradiction.text).to.include('can never count');
  });
}
