/**
 * A computing element on which ARC's packages and Tare's are installed, with nothing but what docs/howto/arc.md says, taken from the document. The test
 * is the site's part: arc.conf, a certificate authority, and root's timers, which it calls.
 */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {TARE_VERSION} from '../../../src/version.js';
import {blocksOf} from '../../docs/blocks.js';
import {need} from '../../support/need.js';
import {PrivateNode} from '../../support/private-node.js';
import {isRoot, payload, program} from '../../support/tare.js';

const checkout = join(import.meta.dirname, '../../..');
const HOST = 'node1.example.org';

const CONTROL = '/var/spool/arc/jobstatus';

/** What a site has of its own: a CE that runs jobs itself, with ARC's own places. */
const ARC_CONF = `[common]
hostname = ${HOST}
[authgroup:all]
file = /etc/grid-security/testCA.allowed-subjects
[mapping]
map_to_user = all alice:alice
policy_on_nomap = stop
[lrms]
lrms = fork
[arex]
runtimedir = /etc/arc/rte
wakeupperiod = 2
[arex/ws]
wsurl = https://${HOST}:443/arex
[arex/ws/jobs]
allowaccess = all
[infosys]
[infosys/glue2]
[infosys/cluster]
[queue:fork]
`;
/** The site's policy over what the document has. */
const POLICY = `
schema: tare/policy/v1
mode: enforce
site: {name: EXAMPLE-T2}
box: required
`;
const JOBS: Record<string, string> = {
  well: '(executable="/bin/sh")(arguments="-c" "id -un")',
  fails: '(executable="/bin/sh")(arguments="-c" "exit 3")',
  memory: '(executable="/usr/local/bin/touch-memory")(arguments="290" "--hold" "60")(memory=300)',
};

describe('a CE set up as docs/howto/arc.md says', function () {
  this.timeout(120_000);
  let node: PrivateNode;
  let stop = (): Promise<void> => Promise.resolve();
  const text = (name: string): string => readFileSync(join(checkout, name), 'utf8');
  const root = async (script: string, seconds = 60): Promise<string> => {
    const {status, text: said} = await node.sh(script, {seconds});
    expect(status, `${script}\n${said}`).to.equal(0);
    return said.trim();
  };
  const alice = async (script: string): Promise<string> => {
    const {status, text: said} = await node.sh(script, {account: 'alice'});
    expect(status, `${script}\n${said}`).to.equal(0);
    return said.trim();
  };
  before(async function () {
    need(this, isRoot, 'only root can make a node of the test’s own');
    need(this, program('arcctl') !== null && program('arcsub') !== null && program('dpkg') !== null, 'ARC and dpkg are not installed');
    node = await PrivateNode.start();
    stop = () => node.stop();
    await node.addAccount('alice', 1000);
    await root(`dpkg --install ${node.bring(join(checkout, `dist/tare_${TARE_VERSION}_amd64.deb`))}`);
    await root(`install -m 755 ${node.bring(payload('touch-memory'))} /usr/local/bin/`);
    await node.write('/etc/arc.conf', ARC_CONF);
    // Else the REST interface makes parameters of its own for minutes. And A-REX's scans for ended jobs would be 10 s apart.
    await root(
      `install -d ${CONTROL}; openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out ${CONTROL}/dhparam.pem; chmod 600 ${CONTROL}/dhparam.pem`,
    );
    await node.write('/usr/local/bin/sleep', '#!/bin/sh\n[ "$1" = 10 ] && set -- 1\nexec /bin/sleep "$@"\n', {mode: '755'});
    await root(`arcctl test-ca init; arcctl test-ca hostcert -n ${HOST}; arcctl test-ca usercert -n Alice --install-user alice`);
  });
  after(async function () {
    if (this.test?.parent?.tests.some(({state}) => state === 'failed') === true)
      console.log((await node.sh('tail -n 30 /var/log/arc/*.log; find /var/spool/arc/jobstatus -name errors | xargs tail -n 20')).text);
    await stop();
  });

  const ids = new Map<string, string>();
  const idOf = (name: string): string => ids.get(name) ?? expect.fail(`no job ${name}`);
  /** What A-REX tells of a job that failed. */
  const failed = (name: string): Promise<string> =>
    root(`cat ${CONTROL}/jobs/${idOf(name).replace(/^(...)(...)(...)/, '$1/$2/$3/')}/failed 2>/dev/null || true`);

  it('every block of the document, and its A-REX starts', async () => {
    // its second step is HTCondor's
    const [places = '', policy = ''] = blocksOf('docs/howto/htcondor.md', text('docs/howto/htcondor.md')).map((block) => block.text);
    await root(places);
    await node.write('/etc/tare/policy.yaml', policy);
    await node.write('/etc/tare/policy.d/10-site.yaml', POLICY);
    const blocks = blocksOf('docs/howto/arc.md', text('docs/howto/arc.md'));
    expect(blocks.map(({kind, account}) => [kind, account])).to.deep.equal(Array.from(blocks, () => ['sh', 'root']));
    // the one that the suite of the documents cannot run too
    for (const block of blocks) await root(block.text);
    const [, callout = ''] = /```ini\n\s*(\[arex\]\n[^`]*)```/.exec(text('docs/howto/arc.md')) ?? [];
    await node.write('/etc/arc.conf', ARC_CONF.replace('[arex]\n', callout.replaceAll(/^ +/gm, '')));
    await root('tare plan -- true >/dev/null');
    await root('/usr/share/arc/arc-arex-start && /usr/share/arc/arc-arex-ws-start');
  });

  it('has the jobs in boxes, and says how they ended and why', async () => {
    await alice('arcproxy -c validityPeriod=12h >/dev/null');
    for (const [name, xrsl] of Object.entries(JOBS)) {
      await node.write(`/home/alice/${name}.xrsl`, `&(jobName="${name}")(stdout="out")(stderr="err")${xrsl}\n`);
      const said = await alice(`arcsub -d ERROR -T arcrest -Q NONE -C https://${HOST}:443/arex ${name}.xrsl`);
      ids.set(name, /\/(\w+)$/.exec(said)?.[1] ?? expect.fail(said));
    }
    await root(
      `for i in $(seq 100); do [ $(ls ${CONTROL}/finished | wc -l) -ge ${String(ids.size)} ] && return 0; sleep 0.5; done; return 1`,
    );
    expect(await root(`cat /var/spool/arc/sessiondir/${idOf('well')}/out`)).to.equal('alice');
    expect([await failed('well'), await failed('fails')]).to.deep.equal(['', 'LRMS error: (3) Job finished with wrong exit code - 3 != 0']);
    // the callout's: the reason and not only a number
    expect(await failed('memory')).to.match(/^LRMS error: \(137\)[^\n]*\nTare: out of memory: over its memory limit: /);
  });

  it('has records that root’s timers seal, and their figures in ARC’s accounting', async () => {
    await root("sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/tare-sweep.service | sh -e");
    const sealed = (await root('cat /var/lib/tare-users/0/sealed/*/*.json')).split('\n').map((line) => JSON.parse(line) as UsageRecord);
    expect(sealed).to.have.length(ids.size);
    for (const {mode, state, lrms, sealed: seal, user, flags} of sealed) {
      expect([mode, state, lrms.type, lrms.host, seal?.uid, user.local]).to.deep.equal(['box', 'final', 'arc', HOST, 1000, 'alice']);
      expect(user.global).to.match(/CN=Alice$/);
      expect(flags).not.to.include('unboxed');
    }
    const rows = await root(
      `for i in $(seq 60); do sqlite3 'file:${CONTROL}/accounting/accounting_v2.db?mode=ro' "select JobID,ExitCode,UsedWalltime,UsedMemory from AAR join Status on AAR.StatusID=Status.ID where Status.Name!='in-progress'" >/root/rows; [ $(wc -l </root/rows) = ${String(ids.size)} ] && break; sleep 0.5; done; cat /root/rows`,
    );
    const ended = {well: 0, fails: 3, memory: 137};
    const expected = sealed.map(({lrms, time, usage, payload}) =>
      [
        lrms.localJobId,
        ended[payload.name as keyof typeof ended],
        Math.round((time.wallUs ?? NaN) / 1e6),
        Math.ceil((usage.memPeakBytes ?? NaN) / 1024),
      ].join('|'),
    );
    expect(rows.split('\n').sort()).to.deep.equal(expected.sort());
  });
});
