/**
 * A node on which HTCondor's package and Tare's are installed, with nothing but what docs/htcondor.md says, taken from the document: jobs of two
 * accounts, one of which only the name service knows. The test is the site's part: the pool's own configuration, and root's timers, which it calls.
 */

import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {TARE_VERSION} from '../../../src/version.js';
import {blocksOf} from '../../docs/blocks.js';
import {EXTRAUSERS} from '../../support/name-service.js';
import {need} from '../../support/need.js';
import {PrivateNode} from '../../support/private-node.js';
import {isRoot, program} from '../../support/tare.js';

const checkout = join(import.meta.dirname, '../../..');
const JOBS = 10;

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
/** The site's policy over what the document has. */
const POLICY = `
schema: tare/policy/v1
site: {name: EXAMPLE-T2}
box: required
benchmarks: {HEPscore23: 10}
rules:
  - name: by name
    match: {user: [nina]}
    maxima: {processes: 77}
exporters:
  apel: {directory: /var/spool/apel, doubleCounting: understood, submitHost: "ce01.example.org:9619/ce01.example.org-condor"}
`;
/** docs/accounting.md: SSM reads its queue with this. */
const READ_QUEUE = `
from dirq.QueueSimple import QueueSimple
queue = QueueSimple('/var/spool/apel')
bodies = []
name = queue.first()
while name:
    if queue.lock(name):
        bodies.append(queue.get(name).decode())
    name = queue.next()
print(sum(body.count('LocalJobId:') for body in bodies), sum(body.count('LocalUserId: nina') for body in bodies))
`;

describe('a node set up as docs/htcondor.md says', function () {
  this.timeout(240_000);
  let node: PrivateNode;
  const root = async (script: string, seconds = 60): Promise<string> => {
    const {status, text} = await node.sh(script, {seconds});
    expect(status, `${script}\n${text}`).to.equal(0);
    return text.trim();
  };
  before(async function () {
    need(this, isRoot, 'only root can make a node of the test’s own');
    need(this, program('condor_master') !== null && program('dpkg') !== null, 'HTCondor and dpkg are not installed');
    need(this, existsSync(EXTRAUSERS), 'libnss-extrausers is not installed');
    node = await PrivateNode.start();
    stop = () => node.stop();
    await node.addAccount('alice', 1000);
    await node.addAccount('nina', 4711, {nss: true});
    await root(`dpkg --install ${node.bring(join(checkout, `dist/tare_${TARE_VERSION}_amd64.deb`))}`);
    // what systemd makes when a node starts (condor.conf of tmpfiles.d), and the package's own directories
    await root(
      'for place in /run/condor /run/lock/condor /var/log/condor /var/spool/condor /var/lib/condor/execute; do install -d -o condor -g condor -m 755 $place; done',
    );
    await node.write('/etc/condor/config.d/50-pool.config', POOL);
  });
  after(async function () {
    if (this.test?.parent?.tests.some(({state}) => state === 'failed') === true)
      console.log(
        (
          await node.sh(
            'tail -n 40 /var/log/condor/StartLog /var/log/condor/StarterLog* /var/log/condor/SchedLog; condor_status -l | grep -E "^(Tare|Start)"; condor_q -all -better | tail -n 30',
          )
        ).text,
      );
    await stop();
  });
  let stop = (): Promise<void> => Promise.resolve();

  it('every block of the document', async () => {
    for (const {kind, text, file, account, skip} of blocksOf(
      'docs/htcondor.md',
      readFileSync(join(checkout, 'docs/htcondor.md'), 'utf8'),
    )) {
      if (skip !== null) continue;
      if (kind === 'yaml' && file?.startsWith('/') === true) await node.write(file, text);
      if (kind === 'sh' && account === 'root') await root(text);
    }
    await node.write('/etc/tare/policy.d/10-site.yaml', POLICY);
    await root('tare plan -- true >/dev/null');
  });

  it('takes jobs when root’s timer has found it healthy', async () => {
    // the timer's part, every 5 s
    await root('(while :; do /opt/tare/bin/tare node probe --quiet; sleep 5; done) >/dev/null 2>&1 & condor_master; sleep 1');
    const deadline = Date.now() + 60_000;
    let ad = '';
    while (!ad.includes('true') && Date.now() < deadline)
      ad = (await node.sh('sleep 1; condor_status -af TareHealthy TareBoxed Start')).text;
    expect(ad.trim().split(/\s+/).slice(0, 2)).to.deep.equal(['true', 'true']);
  });

  it('boxes all jobs of both accounts, by their names', async () => {
    const submit = `
cd; mkdir -p jobs; cd jobs
cat >job.sub <<'END'
executable = /bin/sh
arguments = "-c 'id -un; sleep 1'"
output = out.$(Process)
error = err.$(Process)
log = log
request_memory = 128
request_cpus = 1
queue ${String(JOBS)}
END
condor_submit job.sub`;
    for (const account of ['alice', 'nina']) {
      const {status, text} = await node.sh(submit, {account});
      expect(status, text).to.equal(0);
    }
    for (const account of ['alice', 'nina']) {
      const {status, text} = await node.sh(
        'for i in $(seq 150); do [ -n "$(condor_q -allusers -af ClusterId)" ] || return 0; sleep 1; done; return 1',
        {account, seconds: 160},
      );
      expect(status, text).to.equal(0);
      expect((await node.sh('cat out.*', {account})).text.trim().split('\n')).to.deep.equal(Array.from({length: JOBS}, () => account));
    }
  });

  it('has records that root’s timers seal and export', async () => {
    const units = ['tare-sweep', 'tare-export'].map((name) => `/usr/lib/systemd/system/${name}.service`).join(' ');
    await root(`install -d /var/spool/apel; sed -n 's/^ExecStart=//p' ${units} | sh -e`);
    const sealed = await root('cat /var/lib/tare-users/0/sealed/*/*.json');
    const records = sealed.split('\n').map((line) => JSON.parse(line) as UsageRecord);
    expect(records).to.have.length(2 * JOBS);
    for (const {mode, state, trust, sealed: seal, user, limits, flags} of records) {
      expect([mode, state, trust]).to.deep.equal(['box', 'final', 'user']);
      expect(seal?.uid).to.equal(user.local === 'nina' ? 4711 : 1000);
      expect(limits?.processes.value === 77, user.local ?? '').to.equal(user.local === 'nina');
      expect(flags).not.to.include('unboxed');
    }
    expect(records.filter(({user}) => user.local === 'nina')).to.have.length(JOBS);
    await node.write('/root/read.py', READ_QUEUE);
    expect(await root('/usr/bin/python3 /root/read.py')).to.equal(`${String(2 * JOBS)} ${String(JOBS)}`);
  });
});
