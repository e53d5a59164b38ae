/** What `tare plan --as` prints, run by the tools themselves, where they are here. */
import {spawn} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {ending, isRoot, program, type RunOutput} from '../../support/tare.js';

/** Tells of its box, and ends with 7. */
const SCRIPT = [
  'echo "words: $1,$2"',
  'ulimit -n',
  'touch /tmp/private /var/tmp/private here',
  'touch /usr/node 2>/dev/null || echo read-only',
  '[ -e /tmp/of-node ] || echo own',
  'nice',
  'exit 7',
].join('; ');
const JOB = ['--open-files', '100', '--wall-time', '30s', '--nice', '19', '--', '/bin/sh', '-c', SCRIPT, 'sh', 'a b', "it's\ntwo"];
const SAID = "words: a b,it's\ntwo\n100\nread-only\nown\n19\n";

const HELLO = join(import.meta.dirname, '../../../fixtures/import/libvirt/helloworld.xml');
const LXC_DRIVER = '/usr/lib/libvirt/libvirt_lxc';

/** Its first comment says what it prints. */
const LIBVIRT = join(import.meta.dirname, '../../support/libvirt.sh');

describeSite('plans as texts of other tools, %s', {timeout: patience(60_000)}, (site, role) => {
  const textOf = async (tool: string, ...argv: string[]): Promise<string> => {
    const {code, stdout, stderr} = await site.command(['plan', '--policy', site.policy(), '--as', tool, ...argv]);
    expect(code, stderr).to.equal(0);
    return stdout;
  };
  const bash = (script: string, credentials: {uid?: number; gid?: number}): Promise<Omit<RunOutput, 'record'>> =>
    ending(spawn('bash', ['-c', script], {cwd: site.directory, stdio: ['ignore', 'pipe', 'pipe'], ...credentials}));
  /** What a job in the node's /tmp would leave. */
  const expectPrivate = (): void => {
    expect(existsSync(join(site.work, 'here'))).to.equal(true);
    rmSync(join(site.work, 'here'));
    expect(existsSync('/tmp/private')).to.equal(false);
  };

  it('bubblewrap runs the command as it is', async function () {
    need(this, program('bwrap') !== null, 'bubblewrap is not installed');
    const ran = await bash(await textOf('bwrap', ...JOB), site.credentials);
    expect([ran.stdout, ran.stderr, ran.code]).to.deep.equal([SAID, '', 7]);
    expectPrivate();
  });

  it('a signal that ends the command, and the limit on wall time, are told by the status', async function () {
    need(this, program('bwrap') !== null, 'bubblewrap is not installed');
    const killed = await bash(await textOf('bwrap', '--', '/bin/sh', '-c', 'kill -9 $$'), site.credentials);
    expect(killed.code).to.equal(137);
    const late = await bash(await textOf('bwrap', '--wall-time', '1s', '--', 'sleep', '600.83'), site.credentials);
    expect(late.code).to.equal(124);
  });

  // its driver for LXC is root’s
  if (role === 'root')
    it('libvirt defines the domain of an imported one, starts it, and holds it to its memory', async function () {
      need(this, ['libvirtd', 'virsh'].every((name) => program(name) !== null) && existsSync(LXC_DRIVER), 'libvirt is not installed');
      need(this, program('ps') !== null, 'ps (procps) is not installed');
      const job = join(site.directory, 'job.yaml');
      writeFileSync(job, (await site.command(['import', HELLO])).stdout);
      const domain = join(site.directory, 'domain.xml');
      writeFileSync(domain, await textOf('libvirt', job));
      const ran = await bash(`unshare --mount --pid --fork --kill-child --mount-proc bash ${LIBVIRT} ${domain} ${site.directory}`, {});
      const [state = '', limit = '', ...seen] = ran.stdout.trimEnd().split('\n');
      expect([ran.code, state, limit], `${ran.stdout}${ran.stderr}`).to.deep.equal([0, 'running', '104857600']);
      expect(seen.map((line) => line.trim().split(/\s+/).slice(0, 2).join(' ')).slice(0, 1)).to.deep.equal(['1 /bin/sh']);
    });

  it('crun runs the bundle', async function () {
    need(this, program('crun') !== null, 'crun is not installed');
    need(this, isRoot, 'only root can hide control groups of both versions from crun');
    const bundle = join(site.directory, 'bundle');
    for (const folder of [bundle, join(bundle, 'rootfs'), join(bundle, 'state')]) {
      mkdirSync(folder, {recursive: true});
      if (role === 'user') site.give(folder);
    }
    writeFileSync(join(bundle, 'config.json'), await textOf('oci', ...JOB));
    chmodSync(join(bundle, 'config.json'), 0o644);
    const {uid, gid} = site.credentials;
    const become = uid === undefined ? '' : `setpriv --reuid=${String(uid)} --regid=${String(gid)} --clear-groups`;
    const run = `crun --root ${bundle}/state --cgroup-manager=disabled run --bundle ${bundle} ${role}`;
    const ran = await bash(`unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec ${become} ${run}'`, {});
    expect([ran.stdout, ran.code], ran.stderr).to.deep.equal([SAID, 7]);
    expectPrivate();
  });
});
