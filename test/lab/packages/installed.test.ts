/** The deb on a machine that systemd runs: installed without network, used from there, replaced under a job and put back, purged. */
import {existsSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {TARE_VERSION} from '../../../src/version.js';
import {FOLDER} from '../../support/folder.js';
import {patience} from '../../support/pace.js';
import {below, processes, until} from '../../support/tare.js';
import {requireLab, says, sh} from './lab-node.js';

const DEB = join(dirname(FOLDER), `tare_${TARE_VERSION}_amd64.deb`);
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NEXT = '9.9.9';
const POLICY = `schema: tare/policy/v1
site: {name: LAB}
mode: enforce
box: required
directories: {state: /var/lib/tare-users/%u, spool: /var/spool/tare}
exporters: {jsonl: {directory: /var/spool/tare-export}}
`;
const HEALTH = '/var/lib/tare/node/health.json';
const SEALED = '/var/lib/tare-users/0/sealed';
const TIMERS = ['tare-export.timer', 'tare-probe.timer', 'tare-sweep.timer'];

/** All that is on the system's disk, but the checkout and what no package brings. */
const FILES = `find / -xdev ${['/srv/*', '/tmp/*', '/var/tmp/*', '/var/log/journal/*'].map((path) => `-not -path '${path}'`).join(' ')} | sort`;
/** What may be left of it: records, state and the policy; and what dpkg and this test write. */
const MAY_STAY =
  /^\/(etc\/tare(\/policy\.yaml)?|var\/lib\/tare(-users)?(\/.*)?|var\/spool\/tare(-export)?(\/.*)?|var\/log\/(tare(\/.*)?|dpkg\.log))$/;

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const health = (): {at: number; healthy: boolean; reason: string | null} => json(HEALTH) as ReturnType<typeof health>;
/** A look that finds nothing new changes only the file's time. */
const looked = (): number => statSync(HEALTH).mtimeMs;
const files = (folder: string): string[] =>
  (readdirSync(folder, {recursive: true}) as string[]).map((name) => join(folder, name)).filter((path) => statSync(path).isFile());
const records = (folder: string): UsageRecord[] =>
  existsSync(folder)
    ? files(folder)
        .filter((path) => path.endsWith('.json'))
        .map((path) => json(path) as UsageRecord)
    : [];
const unit = (name: string, property: string): Promise<string> => says(`systemctl show --value --property=${property} ${name}`);

/** A job of grid's, in groups of its own, that ends with 7 when its file `go` is there. */
async function startJob(): Promise<number> {
  const job = `tare run -- /bin/sh -c 'touch runs; while [ ! -e go ]; do sleep 0.1; done; exit 7'; echo $? >status`;
  await says(
    `systemd-run --quiet --collect --uid=grid --working-directory=/home/grid -pDelegate=yes bash -c "${job.replaceAll('$', '\\$')}"`,
  );
  await until('the payload of a job', () => existsSync('/home/grid/runs'), 30);
  return processes().find(({argv}) => argv[0] === 'tare' && argv[1] === 'run')?.pid ?? 0;
}
async function endJob(): Promise<void> {
  await says('touch /home/grid/go');
  await until('the end of a job', () => existsSync('/home/grid/status') && readFileSync('/home/grid/status', 'utf8') === '7\n', 30);
  await says('rm /home/grid/*');
}
const folders = (): string[] =>
  readdirSync('/opt')
    .filter((name) => name.startsWith('tare'))
    .sort();
/** The sweep's unit, when no job that starts can look the old folder up any more. */
const sweepLater = (): Promise<string> =>
  says('touch --no-dereference --date="11 minutes ago" /opt/tare; systemctl start tare-sweep.service');

describe('the deb on a machine that systemd runs', function () {
  this.timeout(patience(60_000));
  let bare: Set<string>;
  before(async () => {
    requireLab();
    bare = new Set((await says(FILES)).split('\n'));
  });

  it('installs without a network, makes its directories, and starts all its timers but that of prune', async () => {
    expect(await says('ip -o link | cut -d: -f2')).to.equal('lo');
    await says(`dpkg --install ${DEB}`);
    const modes = await says('stat -c "%n %a %U" /var/lib/tare-users /var/spool/tare /var/log/tare /var/lib/tare/node/reports');
    expect(modes.split('\n')).to.deep.equal([
      '/var/lib/tare-users 1777 root',
      '/var/spool/tare 1777 root',
      '/var/log/tare 755 root',
      '/var/lib/tare/node/reports 1733 root',
    ]);
    expect(await says(`systemctl is-enabled ${TIMERS.join(' ')}; systemctl is-active ${TIMERS.join(' ')}`)).to.equal(
      'enabled\nenabled\nenabled\nactive\nactive\nactive',
    );
    expect((await sh('systemctl is-enabled tare-prune.timer; systemctl is-active tare-prune.timer')).text).to.equal('disabled\ninactive\n');
    // each has a next time, but the one that is just running
    for (const timer of TIMERS.filter((name) => name !== 'tare-probe.timer'))
      expect(await unit(timer, 'NextElapseUSecMonotonic'), timer).to.match(/^\d/);
    expect(await says('systemd-analyze verify --man=no /usr/lib/systemd/system/tare-*')).to.equal('');
  });

  it('doctor finds a box, for root and for an account', async () => {
    await says(`cat >/etc/tare/policy.yaml <<'E'\n${POLICY}E\ntare validate /etc/tare/policy.yaml`);
    expect(await says('tare doctor')).to.match(/^healthy$/m);
    expect(await says('tare doctor --user grid')).to.match(/^a box as grid \(uid 1000\): works /m);
    expect(await says('tare doctor', 'grid')).to.match(/^a box as grid \(uid 1000\): works .* memory kernel/m);
  });

  it('the timer of the probe fires again and again, and tells the node’s health', async () => {
    await until('the health of the node', () => existsSync(HEALTH), 6);
    const first = looked();
    await until('two more looks', () => looked() > first + 30_000, 9);
    expect(health()).to.include({healthy: true, reason: null});
    expect(await unit('tare-probe.service', 'Result')).to.equal('success');
    await says('chmod 0 /usr/bin/bwrap');
    await until('a node that is closed', () => !health().healthy, 6).finally(() => says('chmod 755 /usr/bin/bwrap'));
    await until('a node that is open', () => health().healthy, 6);
  });

  it('runs jobs of an account in a box with the kernel’s limits; the units take the record over, and deliver it', async () => {
    await says('tare run --memory 64MiB -- /bin/sh -c "id -u; : >/home/grid/written"; rm written', 'grid');
    const [record] = records('/var/spool/tare');
    expect(record).to.include({state: 'final', mode: 'box', trust: 'user'});
    expect(record?.limits?.memory).to.include({enforcement: 'kernel', by: 'cgroup2:memory.max'});
    await says('systemctl start tare-sweep.service tare-export.service');
    expect(records('/var/spool/tare')).to.deep.equal([]);
    expect(records(SEALED).map(({recordId, sealed}) => [recordId, sealed])).to.deep.equal([[record?.recordId, {uid: 1000, node: 'lab'}]]);
    expect(await says('cat /var/spool/tare-export/*')).to.include(record?.recordId);
    await says('systemctl start tare-prune.service');
    expect(records(SEALED)).to.have.length(1);
  });

  it('the timer of the sweep fires, and closes what a killed wrapper left', async () => {
    const shim = await startJob();
    const wrapper = [shim, ...below(shim).map(({pid}) => pid)];
    await says(`kill -KILL ${wrapper.join(' ')}; sleep 1; rm -f /home/grid/*`);
    expect(readdirSync('/var/lib/tare-users/1000/boxes')).to.have.length(1);
    // its own time is ten minutes away
    const last = await unit('tare-sweep.timer', 'LastTriggerUSec');
    await says(
      'mkdir -p /run/systemd/system/tare-sweep.timer.d; printf "[Timer]\\nOnUnitInactiveSec=\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\n" >/run/systemd/system/tare-sweep.timer.d/soon.conf; systemctl daemon-reload; systemctl restart tare-sweep.timer',
    );
    await until('the sweep', () => readdirSync('/var/lib/tare-users/1000/boxes').length === 0, 6);
    await says(
      'while systemctl is-active --quiet tare-sweep.service || [ $(systemctl show --value -p ActiveState tare-sweep.service) = activating ]; do sleep 0.2; done',
    );
    expect(await unit('tare-sweep.timer', 'LastTriggerUSec')).not.to.equal(last);
    expect(
      records(SEALED)
        .map(({state, outcome}) => `${state} ${outcome.status}`)
        .sort(),
    ).to.deep.equal(['final completed', 'lost lost']);
    await says('rm -r /run/systemd/system/tare-sweep.timer.d; systemctl daemon-reload; systemctl restart tare-sweep.timer');
  });

  it('logrotate takes its file, and moves a log that a wrapper holds open', async () => {
    await says('logrotate --debug /etc/logrotate.d/tare');
    await says('echo line >/var/log/tare/jobs.log; logrotate --force --state /tmp/rotated /etc/logrotate.d/tare');
    expect(await says('cat /var/log/tare/jobs.log.1; stat -c %s /var/log/tare/jobs.log')).to.equal('line\n0');
  });

  it('cron reads its table, and does nothing where systemd runs', async () => {
    await says(`systemctl stop ${TIMERS.join(' ')}; systemctl start cron`);
    const last = looked();
    // a line of the minute is begun within 61 s
    await says(
      'for i in $(seq 700); do journalctl -u cron -o cat | grep -q "(root) CMD.*tare node probe" && break; sleep 0.1; done; sleep 2',
    );
    const journal = await says('journalctl -u cron -o cat');
    expect(journal).to.match(
      /\(root\) CMD \(\[ -d \/run\/systemd\/system \] \|\| for n in 1 2 3 4 5 6; do \/opt\/tare\/bin\/tare node probe/,
    );
    expect(journal).not.to.match(/error|bad|insecure/i);
    expect(looked()).to.equal(last);
    await says(`systemctl stop cron; systemctl start ${TIMERS.join(' ')}`);
  });

  it('another version comes under a job and goes back under one: a folder lives until its last job has ended, and each record is whole', async () => {
    await says(`node scripts/build-packages.mjs --as ${NEXT} --to /var/tmp deb`.replace('scripts', `${ROOT}scripts`));
    const [own, next] = [`tare-${TARE_VERSION}`, `tare-${NEXT}`];
    await startJob();
    await says(`dpkg --install /var/tmp/tare_${NEXT}_amd64.deb`);
    expect(await says('readlink /opt/tare; tare run -- /bin/echo runs', 'grid')).to.equal(`${next}\nruns`);
    await sweepLater();
    expect(folders()).to.deep.equal(['tare', own, next]);
    // a supervisor that follows another is a program of the job's own version
    await says(`pkill -KILL -f '^/opt/${own}/bin/../libexec/tare @shim=' && sleep 5`);
    await endJob();
    await sweepLater();
    expect(folders()).to.deep.equal(['tare', next]);

    await startJob();
    await says(`dpkg --install --force-downgrade ${DEB}`);
    expect(await says('readlink /opt/tare; tare run -- /bin/echo runs', 'grid')).to.equal(`${own}\nruns`);
    await sweepLater();
    expect(folders()).to.deep.equal(['tare', own, next]);
    await endJob();
    await sweepLater();
    expect(folders()).to.deep.equal(['tare', own]);
    const ends = records(SEALED).filter(({outcome}) => outcome.exitCode === 7);
    expect(ends.map(({state, mode, flags}) => [state, mode, flags.includes('supervisor-lost')])).to.have.deep.members([
      ['final', 'box', true],
      ['final', 'box', false],
    ]);
    for (const {usage} of ends) expect(usage.cpuUserUs).to.be.above(0);
    expect(await says(`systemctl is-active ${TIMERS.join(' ')}`)).to.equal('active\nactive\nactive');
  });

  it('a removal leaves the folder of a job that runs, and names it', async () => {
    await startJob();
    expect(await says('dpkg --remove tare')).to.include(`tare: jobs run from /opt/tare-${TARE_VERSION}: remove it when they have ended`);
    await endJob();
    expect(folders()).to.deep.equal([`tare-${TARE_VERSION}`]);
    expect(records('/var/spool/tare').map(({state, outcome}) => [state, outcome.exitCode])).to.deep.equal([['final', 7]]);
  });

  it('a purge leaves nothing but records, state and the policy, also while a timer’s service runs', async () => {
    await says(`dpkg --install ${DEB}`);
    await says('systemctl start --no-block tare-export.service');
    await says("for i in $(seq 1000); do pkill -STOP -f '[r]ecords export --quiet' && break; sleep 0.01; done");
    expect(await unit('tare-export.service', 'ActiveState')).to.equal('activating');
    const said = await says('dpkg --purge tare');
    const after = new Set((await says(FILES)).split('\n'));
    const left = [...after].filter((path) => !bare.has(path));
    expect(
      left.filter((path) => !MAY_STAY.test(path)),
      said,
    ).to.deep.equal([]);
    expect(left).to.include.members(['/etc/tare/policy.yaml', SEALED]);
    expect([...bare].filter((path) => !after.has(path))).to.deep.equal([]);
    expect(
      await says('systemctl list-units --all --plain --no-legend "tare*"; systemctl list-unit-files --no-legend "tare*" || true'),
    ).to.equal('');
  });
});
