/**
 * A node on which HTCondor's package and Tare's are installed, set up with nothing but what docs/howto/htcondor.md says, taken from the document. The
 * test is the site's part: the pool's own configuration, a policy, and what runs root's timers.
 */

import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {TARE_VERSION} from '../../../src/version.js';
import {blocksOf} from '../../docs/blocks.js';
import {EXTRAUSERS} from '../../support/name-service.js';
import {need} from '../../support/need.js';
import {PrivateNode, type Said} from '../../support/private-node.js';
import {isRoot, program} from '../../support/tare.js';

export const checkout = join(import.meta.dirname, '../../..');

/** What a site has of its own: one machine that is all of a pool. */
const POOL = `
use ROLE: Personal
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
UID_DOMAIN = example.org
TRUST_UID_DOMAIN = True
NUM_CPUS = 4
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
NUM_SLOTS_TYPE_1 = 1
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
UPDATE_INTERVAL = 5
MAIL = /bin/true
`;

export class DocumentedNode {
  readonly node: PrivateNode;

  private constructor(node: PrivateNode) {
    this.node = node;
  }

  /** The machine with both packages, and two accounts: alice, and nina, which only the name service knows. */
  static async start(): Promise<DocumentedNode> {
    const made = new DocumentedNode(await PrivateNode.start());
    try {
      await made.install();
      return made;
    } catch (error) {
      await made.node.stop();
      throw error;
    }
  }

  private async install(): Promise<void> {
    const {node} = this;
    await node.addAccount('alice', 1000);
    await node.addAccount('nina', 4711, {nss: true});
    await this.root(`dpkg --install ${node.bring(join(checkout, `dist/tare_${TARE_VERSION}_amd64.deb`))}`);
    // what systemd makes when a node starts (condor.conf of tmpfiles.d), and the package's own directories
    await this.root(
      'for place in /run/condor /run/lock/condor /var/log/condor /var/spool/condor /var/lib/condor/execute; do install -d -o condor -g condor -m 755 $place; done',
    );
    await node.write('/etc/condor/config.d/50-pool.config', POOL);
  }

  /** A script of root's, which has to succeed: what it says. */
  async root(script: string, seconds = 60): Promise<string> {
    const {status, text} = await this.node.sh(script, {seconds});
    expect(status, `${script}\n${text}`).to.equal(0);
    return text.trim();
  }

  /** Every block of the document, in order, and the site's policy over what the document has. */
  async follow(policy: string): Promise<void> {
    for (const {kind, text, file, account, skip} of blocksOf(
      'docs/howto/htcondor.md',
      readFileSync(join(checkout, 'docs/howto/htcondor.md'), 'utf8'),
    )) {
      if (skip !== null) continue;
      if (kind === 'yaml' && file?.startsWith('/') === true) await this.node.write(file, text);
      if (kind === 'sh' && account === 'root') await this.root(text);
    }
    await this.node.write('/etc/tare/policy.d/10-site.yaml', policy);
    await this.root('tare plan -- true >/dev/null');
  }

  /** Root's timer, as the unit says or every so many seconds, and the daemons. */
  async launch(seconds?: number): Promise<void> {
    const units = '/usr/lib/systemd/system';
    const program = await this.root(`sed -n 's/^ExecStart=//p' ${units}/tare-probe.service`);
    const period = seconds ?? Number(await this.root(`sed -n 's/^OnUnitInactiveSec=\\([0-9]*\\)s$/\\1/p' ${units}/tare-probe.timer`));
    expect(period).to.be.above(0);
    await this.root(`(while :; do ${program}; sleep ${String(period)}; done) >/dev/null 2>&1 & condor_master; sleep 1`);
  }

  /** What the collector knows of the node. */
  async status(...names: readonly string[]): Promise<string> {
    return (await this.node.sh(`condor_status -constraint PartitionableSlot -af ${names.join(' ')}`)).text.trim();
  }

  async becomes(pattern: RegExp, names: readonly string[], seconds = 60): Promise<void> {
    let found = '';
    for (const deadline = Date.now() + seconds * 1000; !pattern.test(found);) {
      if (Date.now() > deadline) expect(found, `after ${String(seconds)} s`).to.match(pattern);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      found = await this.status(...names);
    }
  }

  async troubles(): Promise<Said> {
    return this.node.sh(
      'tail -n 20 /var/log/condor/StartLog /var/log/condor/StarterLog.slot* /var/log/condor/SchedLog; condor_status -l | grep -E "^(Tare|Start)"; condor_q -all -better | tail -n 30',
    );
  }
}

/** Gives the suite it is called in such a node. What its daemons wrote last is shown when a test failed. */
export function documentedNode(): () => DocumentedNode {
  let made: DocumentedNode | null = null;
  before(async function () {
    need(this, isRoot, 'only root can make a node of the test’s own');
    need(this, program('condor_master') !== null && program('dpkg') !== null, 'HTCondor and dpkg are not installed');
    need(this, existsSync(EXTRAUSERS), 'libnss-extrausers is not installed');
    made = await DocumentedNode.start();
  });
  after(async function () {
    if (made === null) return;
    if (this.test?.parent?.tests.some(({state}) => state === 'failed') === true) console.log((await made.troubles()).text);
    await made.node.stop();
  });
  return () => made ?? expect.fail('the node has not been started');
}
