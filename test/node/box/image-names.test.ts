/** Images by their names, in the stores of a real daemon of Docker and of a real Podman: what is imported here, since nothing is fetched. */

import {expect} from 'chai';
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {namesIn} from '../../../src/record/durable.js';
import {describeSite} from '../../support/describe-site.js';
import {isDockerThere} from '../../support/dockerd.js';
import {withDaemon} from '../../support/with-daemon.js';
import {kernelSince} from '../../support/groups.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {need, needKernel} from '../../support/need.js';
import {program, type RunOutput} from '../../support/tare.js';

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
  // images of one second come in any order
  const images = (): string[] =>
    execFileSync('docker', ['image', 'ls', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}'], {encoding: 'utf8'})
      .split('\n')
      .sort();

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
    expect(images()).to.deep.equal(before);
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

describeSite('an image by its name in Podman’s store, %s', {roles: ['root']}, (site) => {
  const FOREIGN = 'tare-test.example/foreign:1';
  const MOVED = 'tare-test.example/moved:1';
  const podman = (...words: string[]): string =>
    execFileSync('podman', words, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}).trim();
  const idOf = (name: string): string => `sha256:${podman('image', 'inspect', '--format', FORMAT, name)}`;
  const cache = (): string => join(site.directory, 'state/images');
  const trees = (): string[] => namesIn(join(cache(), 'trees'));
  const stagings = (): string[] =>
    namesIn(join(cache(), 'work')).flatMap((name) => namesIn(join(cache(), 'work', name)).filter((one) => one !== 'lock'));
  let digest = '';
  let archive = '';
  before(function () {
    needKernel(this, kernelSince(5, 12), 'podman needs Linux 5.12 for a box');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    need(this, program('podman') !== null && program('crun') !== null, 'podman or crun is not installed');
    const tree = busyboxImage(join(site.directory, 'tree'));
    archive = join(site.directory, 'tree.tar');
    execFileSync('tar', ['-C', tree, '-cf', archive, '.']);
    podman('import', '--change', 'ENV LEAK=yes', '--change', 'USER root', archive, NAME);
    podman('import', '--change', 'VOLUME /data', archive, OF_VOLUMES);
    podman('import', '--arch', process.arch === 'x64' ? 'arm64' : 'amd64', archive, FOREIGN);
    digest = idOf(NAME);
  });
  after(() => {
    spawnSync('podman', ['image', 'rm', '--force', NAME, OF_VOLUMES, FOREIGN, MOVED], {stdio: 'ignore'});
  });
  const rules = {engines: ['podman'], images: ['docker://tare-test.example/*']};
  const run = (image: string, script: string, policy: object = rules, more: string[] = []): Promise<RunOutput> =>
    site.run([...more, '--image', image, '--', '/bin/sh', '-c', script], {policy});
  const refused = async (image: string, code: string, message: RegExp, policy: object = rules): Promise<void> => {
    const {code: exit, stderr, record} = await run(image, 'echo ran', policy);
    expect([exit, record.outcome.code], stderr).to.deep.equal([code === 'IMAGE_FORBIDDEN' ? 126 : 125, code]);
    expect(stderr).to.match(message);
  };

  it('is unpacked once, by its digest, and what a box has is a view that it can write to; the store stays as it is', async () => {
    const script =
      'cat /etc/hello; id -u; echo x > /tmp/y && cat /tmp/y; [ -e /usr ] || echo none of the node; echo here > made; ls /sys/kernel >/dev/null && echo sys; echo "<$LEAK>"; exit 5';
    const {code, stdout, stderr, record} = await run(`docker://${NAME}`, script);
    expect(stdout.split('\n').slice(0, -1), stderr).to.deep.equal(['hello', '65534', 'x', 'none of the node', 'sys', '<>']);
    expect([code, record.mode, record.engine?.name]).to.deep.equal([5, 'box', 'podman']);
    expect(record.image).to.deep.equal({path: `docker://${NAME}`, kind: 'reference', digest});
    expect(readFileSync(join(site.work, 'made'), 'utf8')).to.equal('here\n');
    expect(trees()).to.deep.equal([digest.slice('sha256:'.length)]);
    const tree = join(cache(), 'trees', trees()[0] ?? '');
    expect(readdirSync(tree).sort()).to.deep.equal(['image.json', 'root']);
    const {ino} = statSync(tree);
    const again = await run(`docker://${NAME}`, 'cat /etc/hello', rules, ['--filesystem', 'private']);
    expect([again.code, again.stdout, statSync(tree).ino], again.stderr).to.deep.equal([0, 'hello\n', ino]);
    expect([stagings(), site.leftovers(), idOf(NAME)]).to.deep.equal([[], [], digest]);
  });

  it('is shown by `images inspect`, which looks in the store; the cache’s entry has its name', async () => {
    const file = site.policy(rules);
    const shown = await site.command(['images', 'inspect', `docker://${NAME}`, '--json', '--policy', file]);
    expect(JSON.parse(shown.stdout)).to.deep.include({
      path: `docker://${NAME}`,
      digest,
      store: 'podman',
      allowed: true,
      allowedBy: 'its name',
    });
    const absent = await site.command(['images', 'inspect', 'docker://tare-test.example/absent:1', '--policy', file]);
    expect(absent.stderr).to.match(/is not in the store of podman on this node, and Tare fetches none/);
    const listed = await site.command(['images', 'list', '--policy', file]);
    expect(listed.stdout).to.include(`docker://${NAME}`);
  });

  it('is allowed by its digest; that which the policy does not allow is refused, and nobody is told whether the store has it', async () => {
    const {code, record} = await run(`docker://${NAME}`, 'exit 4', {...rules, images: [digest]});
    expect([code, record.image?.digest]).to.deep.equal([4, digest]);
    for (const name of [NAME, 'tare-test.example/absent:1'])
      await refused(`docker://${name}`, 'IMAGE_FORBIDDEN', /does not allow the image/, {
        ...rules,
        images: ['docker://docker.io/**', '/**'],
      });
    await refused(`docker://${OF_VOLUMES}`, 'IMAGE_FORBIDDEN', /does not allow the image/, {...rules, images: [digest]});
  });

  it('that is not there is not fetched, and one for another processor is refused', async () => {
    await refused('docker://tare-test.example/absent:1', 'IMAGE_UNUSABLE', /podman pull tare-test.example\/absent:1/);
    await refused(`docker://${FOREIGN}`, 'IMAGE_ARCHITECTURE', /another kind of processor/);
  });

  it('with volumes has no volume: what is written there is the view’s', async () => {
    const {code, stdout, stderr} = await run(`docker://${OF_VOLUMES}`, 'grep -c " /data " /proc/mounts; cat /etc/hello');
    expect([code, stdout], stderr).to.deep.equal([0, '0\nhello\n']);
    expect(podman('volume', 'ls', '--quiet')).to.equal('');
  });

  it('is what its name means at each start, also of a saved plan', async () => {
    podman('tag', NAME, MOVED);
    const file = site.policy(rules);
    const plan = join(site.directory, 'plan.json');
    const made = await site.command(['plan', '--policy', file, '--json', '--image', `docker://${MOVED}`, '--', '/bin/cat', '/etc/hello']);
    writeFileSync(plan, made.stdout);
    const kept = await site.command(['run', '--policy', file, '--plan', plan]);
    expect([kept.code, kept.stdout], kept.stderr).to.deep.equal([0, 'hello\n']);
    podman('tag', OF_VOLUMES, MOVED);
    const {code, stderr} = await site.command(['run', '--policy', file, '--plan', plan]);
    expect(code, stderr).to.equal(125);
    expect(stderr).to.match(/its image is another one by now/);
    const moved = await run(`docker://${MOVED}`, 'true');
    expect(moved.record.image?.digest, moved.stderr).to.equal(idOf(OF_VOLUMES));
  });

  it('that is larger than the cache may be is refused, and leaves nothing', async () => {
    podman('import', '--change', 'ENV ANOTHER=1', archive, MOVED);
    const before = trees();
    await refused(`docker://${MOVED}`, 'IMAGE_NOT_UNPACKED', /that the cache may hold/, {...rules, imageStore: {maxSize: '64KiB'}});
    expect([trees(), stagings(), site.leftovers()]).to.deep.equal([before, [], []]);
  });
});
