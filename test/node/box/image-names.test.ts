/** Images by their names, in the store of a real daemon of Docker: what is imported here, since nothing is fetched. */

import {expect} from 'chai';
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describeSite} from '../../support/describe-site.js';
import {isDockerThere} from '../../support/dockerd.js';
import {withDaemon} from '../../support/with-daemon.js';
import {kernelSince} from '../../support/groups.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {need, needKernel} from '../../support/need.js';
import type {RunOutput} from '../../support/tare.js';

const NAME = 'tare-test.example/box:1';
const OF_VOLUMES = 'tare-test.example/volumes:1';
const FORMAT = '{{.Id}}';

describeSite('an image by its name, %s', {roles: ['root']}, (site) => {
  withDaemon('docker');
  let digest = '';
  before(function () {
    needKernel(this, kernelSince(5, 12), 'docker needs Linux 5.12 for a box');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    need(this, isDockerThere(), 'no daemon of Docker is here, and dockerd is not installed');
    const tree = busyboxImage(join(site.directory, 'tree'));
    const archive = join(site.directory, 'tree.tar');
    execFileSync('tar', ['-C', tree, '-cf', archive, '.']);
    execFileSync('docker', ['import', '--change', 'ENV LEAK=yes', '--change', 'USER root', archive, NAME], {stdio: 'ignore'});
    execFileSync('docker', ['import', '--change', 'VOLUME /data', archive, OF_VOLUMES], {stdio: 'ignore'});
    digest = execFileSync('docker', ['image', 'inspect', '--format', FORMAT, NAME], {encoding: 'utf8'}).trim();
  });
  after(() => {
    if (isDockerThere()) spawnSync('docker', ['image', 'rm', NAME, OF_VOLUMES], {stdio: 'ignore'});
  });
  const rules = {engines: ['docker'], images: ['docker://tare-test.example/*']};
  const run = (image: string, script: string, policy: object = rules): Promise<RunOutput> =>
    site.run(['--image', image, '--', '/bin/sh', '-c', script], {policy});
  const images = (): string =>
    execFileSync('docker', ['image', 'ls', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}'], {encoding: 'utf8'});

  it('is the root of the box, read-only; the record has its name and its digest', async () => {
    const {code, stdout, stderr, record} = await run(
      `docker://${NAME}`,
      'cat /etc/hello; id -u; echo x > /etc/hello || echo kept; echo x > /bin/x || echo kept; [ -e /usr ] || echo none of the node; echo here > made; echo y > /tmp/y && cat /tmp/y; ls /sys/kernel >/dev/null && echo sys; echo "<$LEAK>"; exit 5',
    );
    expect(stdout.split('\n').slice(0, -1), stderr).to.deep.equal(['hello', '65534', 'kept', 'kept', 'none of the node', 'y', 'sys', '<>']);
    expect([code, record.mode, record.engine?.name]).to.deep.equal([5, 'box', 'docker']);
    expect(record.image).to.deep.equal({path: `docker://${NAME}`, kind: 'reference', digest});
    expect(readFileSync(join(site.work, 'made'), 'utf8')).to.equal('here\n');
    expect(execFileSync('docker', ['ps', '-aq'], {encoding: 'utf8'})).to.equal('');
  });

  it('is allowed by its digest, whatever it is called', async () => {
    const {code, record} = await run(`docker://${NAME}`, 'exit 4', {...rules, images: [digest]});
    expect([code, record.image?.digest]).to.deep.equal([4, digest]);
  });

  it('that the policy does not allow is refused, though the store has it; nobody is told whether it has', async () => {
    for (const name of [NAME, 'tare-test.example/absent:1']) {
      const {code, record, stderr} = await run(`docker://${name}`, 'true', {...rules, images: ['docker://docker.io/**', '/**']});
      expect([code, record.outcome.code], stderr).to.deep.equal([126, 'IMAGE_FORBIDDEN']);
    }
  });

  it('that is not there is not fetched: the error says how to have it', async () => {
    const before = images();
    const {code, record, stderr} = await run('docker://tare-test.example/absent:1', 'true');
    expect([code, record.outcome.code]).to.deep.equal([125, 'IMAGE_UNUSABLE']);
    expect(stderr)
      .to.match(/Tare fetches none/)
      .and.match(/docker pull tare-test.example\/absent:1/);
    expect(images()).to.equal(before);
  });

  it('of a saved plan is the one that its name means: no other digest of the store under an allowed name', async () => {
    const file = site.policy(rules);
    const plan = join(site.directory, 'plan.json');
    const made = await site.command(['plan', '--policy', file, '--json', '--image', `docker://${NAME}`, '--', '/bin/cat', '/etc/hello']);
    writeFileSync(plan, made.stdout);
    const kept = await site.command(['run', '--policy', file, '--plan', plan]);
    expect([kept.code, kept.stdout], kept.stderr).to.deep.equal([0, 'hello\n']);
    const other = execFileSync('docker', ['image', 'inspect', '--format', FORMAT, OF_VOLUMES], {encoding: 'utf8'}).trim();
    writeFileSync(plan, made.stdout.replaceAll(digest, other));
    const {code, stderr} = await site.command(['run', '--policy', file, '--plan', plan]);
    expect(code, stderr).to.equal(125);
    expect(stderr).to.match(/its image is another one by now/);
  });

  it('with volumes is refused, since these could be written to', async () => {
    const {code, stderr} = await run(`docker://${OF_VOLUMES}`, 'true');
    expect(code).to.equal(125);
    expect(stderr)
      .to.match(/has volumes/)
      .and.match(/\/data/);
  });

  it('is not to be had of an engine without a store', async () => {
    const {code, record, stderr} = await run(`docker://${NAME}`, 'true', {...rules, engines: ['bubblewrap']});
    expect([code, record.outcome.code]).to.deep.equal([125, 'BOX_UNAVAILABLE']);
    expect(stderr).to.match(/bubblewrap has no store of images/);
  });
});
