/**
 * A node on which HTCondor's package and Tare's are installed, with nothing but what docs/howto/htcondor.md says, taken from the document: jobs of two
 * accounts, one of which only the name service knows. The test is the site's part: the pool's own configuration, and root's timers, which it calls.
 */

import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {documentedNode} from './documented.js';

const JOBS = 10;

/** The site's policy over what the document has. */
const POLICY = `
schema: tare/policy/v1
mode: enforce
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
/** docs/howto/export-records.md: SSM reads its queue with this. */
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

describe('a node set up as docs/howto/htcondor.md says', function () {
  this.timeout(240_000);
  const documented = documentedNode();

  it('every block of the document', () => documented().follow(POLICY));

  it('takes jobs when root’s timer has found it healthy', async () => {
    await documented().launch(5);
    await documented().becomes(/^true true/, ['TareHealthy', 'TareBoxed', 'Start']);
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
      const {status, text} = await documented().node.sh(submit, {account});
      expect(status, text).to.equal(0);
    }
    for (const account of ['alice', 'nina']) {
      const {status, text} = await documented().node.sh(
        'for i in $(seq 150); do [ -n "$(condor_q -allusers -af ClusterId)" ] || return 0; sleep 1; done; return 1',
        {account, seconds: 160},
      );
      expect(status, text).to.equal(0);
      expect((await documented().node.sh('cat out.*', {account})).text.trim().split('\n')).to.deep.equal(
        Array.from({length: JOBS}, () => account),
      );
    }
  });

  it('has records that root’s timers seal and export', async () => {
    const units = ['tare-sweep', 'tare-export'].map((name) => `/usr/lib/systemd/system/${name}.service`).join(' ');
    await documented().root(`install -d /var/spool/apel; sed -n 's/^ExecStart=//p' ${units} | sh -e`);
    const sealed = await documented().root('cat /var/lib/tare-users/0/sealed/*/*.json');
    const records = sealed.split('\n').map((line) => JSON.parse(line) as UsageRecord);
    expect(records).to.have.length(2 * JOBS);
    for (const {mode, state, trust, sealed: seal, user, limits, flags} of records) {
      expect([mode, state, trust]).to.deep.equal(['box', 'final', 'user']);
      expect(seal?.uid).to.equal(user.local === 'nina' ? 4711 : 1000);
      expect(limits?.processes.value === 77, user.local ?? '').to.equal(user.local === 'nina');
      expect(flags).not.to.include('unboxed');
    }
    expect(records.filter(({user}) => user.local === 'nina')).to.have.length(JOBS);
    await documented().node.write('/root/read.py', READ_QUEUE);
    expect(await documented().root('/usr/bin/python3 /root/read.py')).to.equal(`${String(2 * JOBS)} ${String(JOBS)}`);
  });
});
