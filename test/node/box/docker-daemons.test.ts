/** Which daemon of Docker builds a box: root's, whatever environment and configuration say; also one that gives containers a user namespace. */

import {execFileSync} from 'node:child_process';
import {existsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {Apart} from '../../support/apart.js';
import {describeSite} from '../../support/describe-site.js';
import {kernelSince} from '../../support/groups.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {need, needKernel} from '../../support/need.js';
import {OwnDockerd} from '../../support/own-dockerd.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, program} from '../../support/tare.js';

/** The account of the site’s payloads. */
const NOBODY = '65534';
const IMAGE = 'tare-test.example/mapped:1';
/** A context that is nowhere: whoever heeds it fails (docker-context(1)). */
const ELSEWHERE = JSON.stringify({currentContext: 'elsewhere'});
/** What a job can say to a client of Docker (docker(1), Environment variables). */
const ENVIRONMENT = ['DOCKER_HOST=unix:///nowhere/docker.sock', 'DOCKER_CONTEXT=elsewhere', 'DOCKER_CONFIG=/nowhere', 'HOME=/nowhere'];

describeSite('a daemon of Docker’s, %s', {roles: isRoot ? ['root'] : [], timeout: patience(120_000)}, (site) => {
  let apart: Apart | null = null;
  let daemon: OwnDockerd | null = null;

  /** `userns-remap` takes ids of the files subuid and subgid (dockerd(8)); those of the test are bound there. */
  before(async function () {
    need(this, program('dockerd') !== null, 'dockerd is not installed');
    needKernel(this, kernelSince(5, 12), 'docker needs Linux 5.12 for a box');
    apart = await Apart.make([]);
    const ids = join(apart.folder, 'ids');
    writeFileSync(ids, 'nobody:300000:65536\n');
    writeFileSync(join(apart.folder, 'config.json'), ELSEWHERE);
    const made = apart.sh(`
      set -e
      for file in subuid subgid; do [ -e /etc/$file ]; mount --bind ${ids} /etc/$file; done
      mount -t tmpfs tmpfs /root
    `);
    need(this, made !== null, '/etc/subuid or /etc/subgid is not there');
    daemon = new OwnDockerd(apart, {'userns-remap': 'nobody:nogroup'});
    await daemon.start();
  });

  after(async () => {
    await daemon?.stop();
    await apart?.remove();
  });

  const there = (): Apart => {
    if (apart === null) throw new Error('no daemon');
    return apart;
  };
  const run = async (argv: readonly string[], policy: object = {}): ReturnType<typeof ending> => {
    const options = ['--policy', site.policy({engines: ['docker'], box: 'required', ...policy})];
    const child = there().spawn(
      ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', site.work, 'env', ...ENVIRONMENT, bin('tare'), 'run', ...options, ...argv],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    return ending(child);
  };

  const SCRIPT = 'id -u; cat /proc/self/uid_map; echo x >made; stat -c %u /usr made';
  const SAYS = [NOBODY, '0 0 4294967295', '0', NOBODY];
  const words = (text: string): string[] =>
    text
      .trim()
      .split('\n')
      .map((line) => line.trim().replaceAll(/\s+/g, ' '));

  for (const network of ['host', 'none'])
    it(`that maps ids (userns-remap) builds boxes with the node’s ids, network ${network}; nothing that the job says leads to another daemon`, async () => {
      const {code, stdout, stderr} = await run(['--network', network, '--', '/bin/sh', '-c', SCRIPT]);
      expect([code, words(stdout)], stderr).to.deep.equal([0, SAYS]);
      expect(stderr).to.equal('');
      expect(daemon?.containers()).to.deep.equal([]);
    });

  it('is the one that removes a box and knows its image, whatever context root has chosen', async function () {
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    const tree = busyboxImage(join(site.directory, 'tree'));
    const archive = join(site.directory, 'tree.tar');
    execFileSync('tar', ['-C', tree, '-cf', archive, '.']);
    expect(there().sh(`docker import ${archive} ${IMAGE}`)).to.match(/^sha256:/);
    expect(there().sh(`mkdir -p /root/.docker && cp ${join(there().folder, 'config.json')} /root/.docker/`)).to.equal('');
    try {
      const images = ['docker://tare-test.example/*'];
      const {code, stdout, stderr} = await run(['--image', `docker://${IMAGE}`, '--', '/bin/sh', '-c', 'id -u; cat /etc/hello; exit 4'], {
        images,
      });
      expect([code, words(stdout)], stderr).to.deep.equal([4, [NOBODY, 'hello']]);
      expect(stderr).to.equal('');
    } finally {
      there().sh('rm -r /root/.docker');
    }
    expect(daemon?.containers()).to.deep.equal([]);
  });

  it('of another account is none: the reason says whose its socket is', async () => {
    const socket = join(there().root, 'run/docker.sock');
    expect(existsSync(socket)).to.equal(true);
    there().sh('chown 12345 /run/docker.sock');
    try {
      const {code, stderr} = await run(['--', '/bin/true']);
      expect(code).to.equal(125);
      expect(stderr).to.match(/\/run\/docker\.sock is uid 12345’s; have root’s daemon listen there/);
    } finally {
      there().sh('chown 0 /run/docker.sock');
    }
  });

  it('that is dead, and has left its socket, is passed over: the next engine builds the box, and nothing is left', async function () {
    need(this, program('bwrap') !== null, 'bubblewrap is not installed');
    await daemon?.stop();
    const socket = `require('node:net').createServer().listen('/run/docker.sock', () => process.kill(process.pid, 'SIGKILL'))`;
    there().sh(`rm -f /run/docker.sock; ${process.execPath} -e "${socket}"`);
    expect(existsSync(join(there().root, 'run/docker.sock'))).to.equal(true);
    const {code, stdout, stderr} = await run(['--verbose', '--', '/bin/sh', '-c', 'cat /proc/1/comm'], {engines: ['docker', 'bubblewrap']});
    expect([code, stdout], stderr).to.deep.equal([0, 'tare-init\n']);
    expect(stderr).to.match(/once more without box/);
    const alone = await run(['--', '/bin/true']);
    expect(alone.code).to.equal(125);
    expect(alone.stderr).to.match(/docker cannot be used .*Cannot connect to the Docker daemon/);
    const file = join(there().folder, 'config.json');
    const unmade = await run(['--verbose', '--', '/bin/true'], {directories: {scratch: file}});
    expect(unmade.code).to.equal(125);
    expect(unmade.stderr).to.include(`${file} cannot be used safely`).and.not.to.include('left behind');
  });
});
