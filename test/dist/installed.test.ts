/** The packages on a node without network: installed, replaced by another version while a job runs, put back, removed. */
import {execFileSync} from 'node:child_process';
import {mkdtempSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {TARE_VERSION} from '../../src/version.js';
import {FOLDER} from '../support/folder.js';
import {need} from '../support/need.js';
import {PrivateNode} from '../support/private-node.js';
import {isRoot, program} from '../support/tare.js';

const dist = dirname(FOLDER);
const DEB = join(dist, `tare_${TARE_VERSION}_amd64.deb`);
const RPM = join(dist, `tare-${TARE_VERSION}-1.x86_64.rpm`);
/** Which another version is made from. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NEXT = '9.9.9';

const KINDS = [
  {
    kind: 'deb',
    tool: 'dpkg',
    file: DEB,
    next: `tare_${NEXT}_amd64.deb`,
    install: 'dpkg --install',
    over: 'dpkg --install --force-downgrade',
    remove: 'dpkg --remove tare',
  },
  {
    kind: 'RPM',
    tool: 'rpm',
    file: RPM,
    next: `tare-${NEXT}-1.x86_64.rpm`,
    install: 'rpm --install --nodeps',
    over: 'rpm --upgrade --oldpackage --nodeps',
    remove: 'rpm --erase tare',
  },
];

before(function () {
  this.timeout(300_000);
  need(this, isRoot, 'only root can make a node of the test’s own');
});

for (const {kind, tool, file, next, install, over, remove} of KINDS) {
  describe(`the ${kind}, installed`, function () {
    this.timeout(120_000);
    let node: PrivateNode;
    let there: string;
    before(async function () {
      need(this, program(tool) !== null, `${tool} is not installed`);
      need(this, kind !== 'RPM' || program('rpmbuild') !== null, 'rpmbuild is not installed');
      node = await PrivateNode.start();
      stop = () => node.stop();
      there = node.bring(file);
      await node.addAccount('alice', 1000);
      const {status, text} = await node.sh(`${install} ${there}`);
      expect(status, text).to.equal(0);
    });
    let stop = (): Promise<void> => Promise.resolve();
    after(() => stop());
    const says = async (script: string, account = 'root'): Promise<string> => {
      const {status, text} = await node.sh(script, {account});
      expect(status, `${script}\n${text}`).to.equal(0);
      return text.trim();
    };

    it('brings the places that accounts share, and what root does from time to time', async () => {
      const modes = await says('stat -c "%n %a %U" /var/lib/tare-users /var/spool/tare /var/lib/tare/node /var/lib/tare/node/reports');
      expect(modes.split('\n')).to.deep.equal([
        '/var/lib/tare-users 1777 root',
        '/var/spool/tare 1777 root',
        '/var/lib/tare/node 755 root',
        '/var/lib/tare/node/reports 1733 root',
      ]);
      await says('ls /usr/lib/systemd/system/tare-{probe,sweep,export,prune}.{service,timer} /etc/cron.d/tare /etc/logrotate.d/tare');
      // what the units and the cron table call is there
      const called = await says('grep -ho "/opt/tare/[a-z/-]*" /usr/lib/systemd/system/tare-* /etc/cron.d/tare | sort -u | xargs ls -L');
      expect(called.split('\n')).to.include.members(['/opt/tare/bin/tare', '/opt/tare/libexec/tare-versions']);
    });

    it('its policy is valid, and holds for no job until it is copied', async () => {
      expect(await says('tare plan --json -- true | grep -c policy.yaml || true', 'alice')).to.equal('0');
      await says('cp /etc/tare/policy.yaml.example /etc/tare/policy.yaml && tare validate /etc/tare/policy.yaml');
    });

    it('runs jobs of an account that has no folder yet, with records in the shared spool', async () => {
      await says(
        "printf 'mode: enforce\\nbox: required\\nschema: tare/policy/v1\\n' >/etc/tare/policy.d.yaml; mkdir -p /etc/tare/policy.d; mv /etc/tare/policy.d.yaml /etc/tare/policy.d/10.yaml",
      );
      expect(await says('tare run --record r.json -- echo in a box; grep -o \'"mode":"[a-z-]*"\' r.json', 'alice')).to.equal(
        'in a box\n"mode":"box"',
      );
      expect(await says('ls /var/spool/tare | wc -l')).to.equal('1');
      expect(await says('stat -c %U /var/lib/tare-users/1000')).to.equal('alice');
    });

    /** A job of alice's, which ends with 7 when her file `go` is there. */
    const job =
      '(tare run -- /bin/sh -c "touch here; while [ ! -e go ]; do sleep 0.1; done; exit 7" >out 2>&1; echo $? >status) & for i in $(seq 300); do [ ! -e here ] || break; sleep 0.1; done; rm here';
    const ended = 'touch go; for i in $(seq 100); do [ -s status ] && break; sleep 0.1; done; grep -qx 7 status; rm go status';
    const folders = (): Promise<string> => says('echo /opt/tare-*');
    /** Nothing that would be removed is looked at earlier. */
    const later = 'touch --no-dereference --date="11 minutes ago" /opt/tare; /opt/tare/libexec/tare-versions';

    it('another version takes nothing away from a job that runs, and goes back the same way', async () => {
      const place = mkdtempSync(join(node.directory, 'next-'));
      const packager = ['scripts/build-packages.mjs', '--as', NEXT, '--to', place, kind.toLowerCase()];
      execFileSync('node', packager, {cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit']});
      await says(job, 'alice');
      await says(`${over} ${join(place, next)}`);
      expect(await says('readlink /opt/tare')).to.equal(`tare-${NEXT}`);
      await says(later);
      expect(await folders()).to.equal(`/opt/tare-${TARE_VERSION} /opt/tare-${NEXT}`);
      // a supervisor that follows another is a program of the job's own version
      await says(`pkill -KILL -f '^/opt/tare-${TARE_VERSION}/bin/../libexec/tare @shim=' && sleep 1`);
      await says(ended, 'alice');
      await says('/opt/tare/libexec/tare-versions');
      expect(await folders()).to.equal(`/opt/tare-${NEXT}`);

      await says(job, 'alice');
      await says(`${over} ${there}; tare --version`);
      expect(await says('readlink /opt/tare')).to.equal(`tare-${TARE_VERSION}`);
      await says(later);
      expect(await folders()).to.equal(`/opt/tare-${TARE_VERSION} /opt/tare-${NEXT}`);
      await says(ended, 'alice');
      await says('/opt/tare/libexec/tare-versions');
      expect(await folders()).to.equal(`/opt/tare-${TARE_VERSION}`);
    });

    it('is removed without a trace but records, state and policy, and the folder of a job that runs', async () => {
      await says(job, 'alice');
      expect(await says(remove)).to.include(`jobs run from /opt/tare-${TARE_VERSION}`);
      await says(ended, 'alice');
      expect(await says('ls -d /opt/tare* /usr/bin/tare* /usr/lib/tare 2>/dev/null || true')).to.equal(`/opt/tare-${TARE_VERSION}`);
      expect(await says('ls /var/spool/tare | wc -l')).to.equal('4');
    });

    it('is removed whole when no job runs', async () => {
      await says(`${install} ${there}`);
      await says(remove);
      expect(await says('ls -d /opt/tare* /usr/bin/tare* /usr/lib/tare 2>/dev/null || true')).to.equal('');
      expect(await says('ls /var/spool/tare | wc -l')).to.equal('4');
    });
  });
}
