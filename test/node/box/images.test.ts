/** Images of every kind, made here: what a box sees of them, what of an evil or a broken one is left (nothing), and which account unpacks. */
import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {describeSite} from '../../support/describe-site.js';
import {
  archiveOf,
  busyboxMembers,
  dockerArchive,
  gzip,
  layoutFiles,
  sha256,
  tar,
  writeLayout,
  writeSlowLayout,
  zstd,
  type Member,
} from '../../support/images.js';
import {createGroups} from '../../../src/cgroup/manager.js';
import {namesIn} from '../../../src/record/durable.js';
import {LONG, need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {removeGroupsOf} from '../../support/undo.js';
import {hierarchies, Slot, steps} from '../cgroup/machine.js';
import {below, ending, isRoot, processes, program, send, until, type RunOutput, type Site} from '../../support/tare.js';

const BUSYBOX = program('busybox');
const NOBODY = 65534;

/** Over the first layer: something gone, a directory emptied, links of both kinds, what has no place in a box. */
const SECOND: Member[] = [
  {path: 'etc/.wh.release'},
  {path: 'data/', type: '5'},
  {path: 'data/.wh..wh..opq'},
  {path: 'data/new', content: 'new\n'},
  {path: 'usr/lib/.wh.gone'},
  {path: 'lib', type: '2', target: 'usr/lib'},
  {path: 'setuid', mode: 0o6755, content: '#!/bin/sh\n'},
  {path: 'null', type: '3'},
  {path: 'pipe', type: '6'},
];
/** Through a link of the layer below. */
const THIRD: Member[] = [
  {path: 'lib/through', content: 'through\n'},
  {path: 'hard', type: '1', target: 'data/new'},
  {path: 'secret', mode: 0o600, content: 'secret\n'},
];
const firstMembers = (): Member[] => [
  ...busyboxMembers(BUSYBOX ?? ''),
  {path: 'data/', type: '5', mode: 0o777},
  {path: 'data/old', content: 'old\n'},
  {path: 'usr/lib/gone/file', content: 'x'},
];
const LOOK =
  'ls /etc | grep -c release; ls /data /usr/lib; cat /usr/lib/through /hard; readlink /lib; test -e /null || echo none; test -u /setuid || echo plain';
const SEEN = ['0', '/data:', 'new', '', '/usr/lib:', 'through', 'through', 'new', 'usr/lib', 'none', 'plain', ''].join('\n');

describeSite('images, %s', {each: true, timeout: patience(60_000)}, (site, role) => {
  let place: string;
  let policy: object;
  before(function () {
    need(this, BUSYBOX !== null && program('zstd') !== null && program('mksquashfs') !== null, 'busybox, zstd and mksquashfs are needed');
  });
  beforeEach(() => {
    place = join(site.directory, 'images');
    mkdirSync(place);
    policy = {images: [`${place}/**`], imageStore: {places: [place]}};
  });
  afterEach(async () => {
    // a sync(1) that was killed ends when the disk has answered
    await until('sync to end', () => !site.leftovers().some((each) => each.includes('/sync -f ')), 30);
  });
  const cache = (): string => join(site.directory, 'state/images');
  const trees = (): string[] => (existsSync(join(cache(), 'trees')) ? readdirSync(join(cache(), 'trees')) : []);
  const stagings = (): string[] =>
    namesIn(join(cache(), 'work')).flatMap((name) => namesIn(join(cache(), 'work', name)).filter((one) => one.split('-').length === 4));
  const layout = (layers: readonly Member[][], options: Parameters<typeof layoutFiles>[1] = {}, name = 'layout'): string => {
    const {files, digest} = layoutFiles(
      layers.map((members) => tar(members)),
      options,
    );
    writeLayout(join(place, name), files);
    return digest;
  };
  const run = (image: string, script: string, more: object = policy): Promise<RunOutput> =>
    site.run(['--image', join(place, image), '--', '/bin/sh', '-c', script], {policy: more});
  const refused = async (image: string, code: string, message: RegExp, more: object = policy): Promise<void> => {
    const {code: exit, stderr, record} = await run(image, 'echo ran', more);
    expect(stderr, stderr).to.match(message);
    expect([record.outcome.code, exit]).to.deep.equal([code, code === 'IMAGE_FORBIDDEN' ? 126 : 125]);
  };

  it('layers that are plain, gzip and zstd are laid over each other; the payload writes to its view only', async () => {
    const digest = layout([firstMembers(), SECOND, THIRD], {
      compress: (layer, index) => [(one: Buffer) => one, gzip, zstd][index]?.(layer) ?? layer,
      name: 'busy:1',
    });
    const first = await run('layout', `${LOOK}; echo mine > /data/new; echo mine > /tmp/x; cat /data/new; touch /data/more`);
    expect(first.stdout, first.stderr).to.equal(role === 'root' ? `${SEEN}new\n` : `${SEEN}mine\n`);
    expect(first.record.image).to.deep.equal({path: join(place, 'layout'), kind: 'oci-layout', digest});
    const image = join(cache(), 'trees', digest.slice(7));
    const made = statSync(image).ino;
    expect(readdirSync(join(image, 'root/data'))).to.deep.equal(['new']);
    expect(readFileSync(join(image, 'root/data/new'), 'utf8')).to.equal('new\n');
    expect(statSync(join(image, 'root/setuid')).mode & 0o7000).to.equal(0);
    const owner = role === 'root' || !isRoot ? process.getuid?.() : NOBODY;
    expect([statSync(join(image, 'root/setuid')).uid, statSync(cache()).mode & 0o777]).to.deep.equal([owner, 0o700]);
    // root's files stay root's
    if (role === 'root') expect((await run('layout', 'cat /secret')).code).to.not.equal(0);
    const second = await run('layout', LOOK);
    expect([second.stdout, statSync(image).ino]).to.deep.equal([SEEN, made]);
    expect(stagings()).to.deep.equal([]);
  });

  it('an OCI archive is the same image as its layout, and unpacked once for both', async () => {
    const {files, digest} = layoutFiles([tar(firstMembers()), tar(SECOND), tar(THIRD)]);
    writeLayout(join(place, 'layout'), files);
    writeFileSync(join(place, 'archive.tar'), archiveOf(files));
    for (const [name, kind] of [
      ['archive.tar', 'oci-archive'],
      ['layout', 'oci-layout'],
    ] as const) {
      const {stdout, stderr, record} = await run(name, LOOK);
      expect(stdout, stderr).to.equal(SEEN);
      expect(record.image).to.deep.include({kind, digest});
    }
    expect(trees()).to.deep.equal([digest.slice(7)]);
  });

  it('an archive of docker save', async () => {
    const {bytes, digest} = dockerArchive([tar(firstMembers()), tar(SECOND), tar(THIRD)]);
    writeFileSync(join(place, 'docker.tar'), bytes);
    const {stdout, stderr, record} = await run('docker.tar', LOOK);
    expect(stdout, stderr).to.equal(SEEN);
    expect(record.image).to.deep.equal({path: join(place, 'docker.tar'), kind: 'docker-archive', digest});
  });

  /** The same files as a tree, owned by the account that runs the wrapper. */
  const tree = (name = 'tree'): string => {
    const path = join(place, name);
    mkdirSync(path);
    execFileSync('tar', ['-C', path, '-xf', '-'], {input: tar(firstMembers())});
    return path;
  };

  it('a directory tree, also by a link to it', async () => {
    tree();
    symlinkSync('tree', join(place, 'tag'));
    const {stdout, stderr, record} = await run('tag', 'cat /etc/release');
    expect(stdout, stderr).to.equal('first\n');
    expect(record.image).to.deep.equal({path: join(place, 'tag'), kind: 'directory', digest: null});
    expect(trees()).to.deep.equal([]);
  });

  const squashfs = (): string => {
    execFileSync('mksquashfs', [tree(), join(place, 'image.squashfs'), '-quiet', '-no-progress', '-all-root']);
    return join(place, 'image.squashfs');
  };

  it('a squashfs file is mounted for the box, and gone with it', async function () {
    need(
      this,
      role === 'root' || (existsSync('/dev/fuse') && ['squashfuse_ll', 'squashfuse'].some((name) => program(name) !== null)),
      'squashfuse and /dev/fuse are needed',
    );
    const file = squashfs();
    const before = readFileSync(file);
    const {stdout, stderr, record} = await run(
      'image.squashfs',
      'cat /etc/release; echo x > /data/x; cat /data/x; echo y > /data/old; ls /data',
    );
    expect(stdout, stderr).to.equal('first\nx\nold\nx\n');
    expect(record.image).to.deep.equal({path: file, kind: 'squashfs', digest: null});
    expect(readFileSync(file).equals(before)).to.equal(true);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).to.not.include(site.directory);
    if (isRoot) expect(execFileSync('losetup', ['-a'], {encoding: 'utf8'})).to.not.include(site.directory);
    expect(processes().filter(({argv}) => argv.some((one) => one.includes(file)))).to.deep.equal([]);
  });

  it('by its digest an image is allowed wherever it lies, and only that one', async function () {
    need(
      this,
      role === 'root' || (existsSync('/dev/fuse') && ['squashfuse_ll', 'squashfuse'].some((name) => program(name) !== null)),
      'squashfuse and /dev/fuse are needed',
    );
    const digest = layout([firstMembers()]);
    layout([firstMembers(), SECOND], {}, 'other');
    const file = squashfs();
    const sum = `sha256:${sha256(readFileSync(file))}`;
    const only = {images: [digest, sum]};
    expect((await run('layout', 'cat /etc/release', only)).stdout).to.equal('first\n');
    await refused('other', 'IMAGE_FORBIDDEN', new RegExp(`found: ".*other" \\(sha256:[0-9a-f]{64}\\); allowed: ${digest}, ${sum} `), only);
    // a tree has none
    await refused('tree', 'IMAGE_FORBIDDEN', /does not allow the image/, only);
    const mounted = await run('image.squashfs', 'cat /etc/release', only);
    expect(mounted.stdout, mounted.stderr).to.equal('first\n');
    expect(mounted.record.image).to.deep.include({digest: sum});
    // a copy was mounted: a change of the file does not change it
    expect(existsSync(join(cache(), 'trees', sum.slice(7), 'image.squashfs'))).to.equal(true);
  });

  it('an archive of either kind is inspected and planned, and neither unpacks it', async () => {
    const layers = [tar(firstMembers()), tar(SECOND)];
    const oci = layoutFiles(layers);
    const docker = dockerArchive(layers);
    writeFileSync(join(place, 'oci.tar'), archiveOf(oci.files));
    writeFileSync(join(place, 'docker.tar'), docker.bytes);
    const file = site.policy(policy);
    for (const [name, kind, digest] of [
      ['oci.tar', 'oci-archive', oci.digest],
      ['docker.tar', 'docker-archive', docker.digest],
    ] as const) {
      const inspected = await site.command(['images', 'inspect', join(place, name), '--json', '--policy', file]);
      expect([inspected.code, inspected.stderr]).to.deep.equal([0, '']);
      expect(JSON.parse(inspected.stdout)).to.include({kind, digest, layers: 2, allowed: true});
      const planned = await site.command(['plan', '--policy', file, '--image', join(place, name), '--', '/bin/true']);
      expect([planned.code, planned.stderr]).to.deep.equal([0, '']);
      expect(planned.stdout).to.contain(digest);
    }
    expect(trees()).to.deep.equal([]);
  });

  it('a signal that asks for the end ends unpacking, and waiting for another that unpacks; nothing is left', async () => {
    const digest = writeSlowLayout(join(place, 'slow'));
    const start = (): ReturnType<Site['start']> =>
      site.start(['run', '--policy', site.policy(policy), '--image', join(place, 'slow'), '--', '/bin/true']);
    const first = start();
    const [unpacking] = [ending(first), await until('the first to unpack', () => stagings().length > 0, 60)];
    const second = start();
    const waiting = ending(second);
    await until('the second to wait', () => namesIn(join(cache(), 'uses', digest.slice(7))).length === 2, 60);
    second.kill('SIGTERM');
    const found = `found: ${join(place, 'slow')}\n`;
    expect(await waiting).to.deep.equal({
      code: null,
      signal: 'SIGTERM',
      stdout: '',
      stderr: `tare: SIGTERM came while the image was unpacked; ${found}`,
    });
    first.kill('SIGINT');
    expect(await unpacking).to.include({
      code: null,
      signal: 'SIGINT',
      stderr: `tare: SIGINT came while the image was unpacked; ${found}`,
    });
    expect([trees(), stagings()]).to.deep.equal([[], []]);
    for (const {outcome, time} of site.records())
      expect([outcome.status, outcome.code, time.startEpochUs]).to.deep.equal(['stopped', 'INTERRUPTED', null]);
    expect(site.records().map(({outcome}) => outcome.signal)).to.have.members(['SIGINT', 'SIGTERM']);
  });

  // 20 s each; some minutes where the machine is emulated
  if (LONG && patience(1) === 1)
    it('a signal is answered however little CPU time the wrapper gets', async function () {
      this.timeout(patience(180_000));
      need(this, isRoot && hierarchies().some(({controllers}) => controllers.includes('cpu')), 'only root makes groups everywhere');
      writeSlowLayout(join(place, 'slow'));
      const child = site.start(['run', '--policy', site.policy(policy), '--image', join(place, 'slow'), '--', '/bin/true']);
      const end = ending(child);
      await until('it to unpack', () => stagings().length > 0, 60);
      // more than this takes longer than a shim waits for a wrapper that does nothing
      const slot = new Slot(`test-slot-${role}-${String(process.pid)}`, hierarchies());
      const share: [string, string, string] =
        slot.holder('cpu').version === 2 ? ['cpu', 'cpu.max', '20000 100000'] : ['cpu', 'cpu.cfs_quota_us', '20000'];
      const plan = steps(slot, [share], ['cpu']);
      const id = `${process.pid.toString(16)}-c0`;
      const groups = createGroups(plan, id);
      try {
        for (const {pid} of below(child.pid ?? 0)) for (const file of groups.joins('payload')) writeFileSync(file, String(pid));
        child.kill('SIGTERM');
        expect(await end).to.include({code: null, signal: 'SIGTERM'});
      } finally {
        groups.kill();
        await groups.waitEmpty(10_000);
        expect(await removeGroupsOf(plan, id)).to.deep.equal([]);
        slot.remove();
      }
      expect([trees(), stagings(), site.leftovers()]).to.deep.equal([[], [], []]);
    });

  it('what the policy does not allow is not looked at', async () => {
    await refused('nothing', 'IMAGE_FORBIDDEN', /allowed: \/elsewhere\/\* /, {images: ['/elsewhere/*']});
  });

  it('host is the node', async () => {
    const {stdout, record} = await site.run(['--image', 'host', '--', '/bin/sh', '-c', 'cat /proc/sys/kernel/ostype'], {policy});
    expect([stdout, record.image]).to.deep.equal(['Linux\n', null]);
  });

  it('a saved plan is run as it was made', async () => {
    layout([firstMembers(), SECOND, THIRD]);
    const file = site.policy(policy);
    const {stdout} = await site.command([
      'plan',
      '--json',
      '--policy',
      file,
      '--image',
      join(place, 'layout'),
      '--',
      '/bin/sh',
      '-c',
      LOOK,
    ]);
    // a plan touches nothing
    expect(trees()).to.deep.equal([]);
    writeFileSync(join(site.directory, 'plan.json'), stdout);
    const ended = await site.command(['run', '--policy', file, '--plan', join(site.directory, 'plan.json')]);
    expect(ended, ended.stderr).to.include({code: 0, stdout: SEEN});
  });

  it('each of two applications has a view of its own, though the image has not even /proc', async () => {
    layout([firstMembers()]);
    const script = 'echo $0 > /tmp/of-$0; echo $0 > /data/$0 && ls /data';
    const applications = ['one', 'two'].map((name) => ({name, command: ['/bin/sh', '-c', script, name]}));
    const job = site.job({filesystem: 'private', image: join(place, 'layout'), applications});
    const {stdout, stderr, code} = await site.run([job], {policy});
    expect(code, stderr).to.equal(0);
    expect(stdout.split('\n').sort()).to.deep.equal(['', 'one: old', 'one: one', 'two: old', 'two: two']);
  });

  describe('that are broken', () => {
    const blob = (digest: string): string => join(place, 'layout/blobs/sha256', digest.slice(7));
    /** The files of its layers, smallest last. */
    const layersOf = (digest: string): string[] =>
      (JSON.parse(readFileSync(blob(digest), 'utf8')) as {layers: {digest: string}[]}).layers.map((layer) => blob(layer.digest));
    const rows: [string, (layers: string[], manifest: string) => void, RegExp][] = [
      ['a layer is missing', ([, last = '']) => unlinkSync(last), /blobs\/sha256\/[0-9a-f]+ is missing/],
      ['a layer is cut off', ([, last = '']) => truncateSync(last, 20), /has 20 bytes, and should have \d+/],
      [
        'a layer is another one of the same length',
        ([, last = '']) => {
          const bytes = readFileSync(last);
          bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1; // of gzip's own checksum
          writeFileSync(last, bytes);
        },
        /layer 2 .*(damaged|digest)/,
      ],
      ['the manifest was changed', (_, manifest) => writeFileSync(manifest, `${readFileSync(manifest, 'utf8')} `), /another digest/],
      ['the index is no JSON', () => writeFileSync(join(place, 'layout/index.json'), 'x'), /index.json is no JSON/],
    ];
    for (const [what, act, message] of rows)
      it(what, async () => {
        const digest = layout([firstMembers(), SECOND]);
        act(layersOf(digest), blob(digest));
        await refused('layout', 'IMAGE_BROKEN', message);
        expect([trees(), stagings()]).to.deep.equal([[], []]);
      });
    it('zstd that is cut off', async () => {
      const {files} = layoutFiles([tar(firstMembers())], {compress: (layer) => zstd(layer).subarray(0, 1000)});
      writeLayout(join(place, 'layout'), files);
      await refused('layout', 'IMAGE_BROKEN', /layer 1 .*cut off or damaged/);
      expect([trees(), stagings()]).to.deep.equal([[], []]);
    });
    it('an archive and a squashfs file that are cut off', async () => {
      const {files} = layoutFiles([tar(firstMembers())]);
      const archive = archiveOf(files);
      writeFileSync(join(place, 'a.tar'), archive.subarray(0, archive.length / 2));
      await refused('a.tar', 'IMAGE_BROKEN', /the archive: it ends in the middle/);
      truncateSync(squashfs(), 40_000);
      await refused('image.squashfs', 'IMAGE_BROKEN', /it is cut off: 40000 of \d+ bytes/);
    });
    it('images of unknown kinds, and images that do not exist', async () => {
      writeFileSync(join(place, 'a.tar.gz'), gzip(tar([])));
      writeFileSync(join(place, 'a.sif'), Buffer.concat([Buffer.alloc(32), Buffer.from('SIF_MAGIC'), Buffer.alloc(500)]));
      await refused('a.tar.gz', 'IMAGE_UNUSABLE', /compressed with gzip/);
      await refused('a.sif', 'IMAGE_UNUSABLE', /apptainer/);
      await refused('nothing', 'IMAGE_UNUSABLE', /No such file or directory/);
    });
    it('a compression that is not known', async () => {
      const {files} = layoutFiles([tar(firstMembers())], {compress: () => Buffer.from('BZh91AY&SY-and-more')});
      writeLayout(join(place, 'layout'), files);
      await refused('layout', 'IMAGE_NOT_UNPACKED', /compressed with bzip2; gzip, zstd and plain tar are known/);
    });
  });

  describe('that are evil', () => {
    const outside = (): string => join(site.directory, 'outside');
    beforeEach(() => {
      mkdirSync(outside());
      writeFileSync(join(outside(), 'canary'), 'alive\n');
      if (isRoot) {
        chownSync(outside(), NOBODY, NOBODY);
        chownSync(join(outside(), 'canary'), NOBODY, NOBODY);
      }
    });
    afterEach(() => {
      expect(readdirSync(outside())).to.deep.equal(['canary']);
      expect(readFileSync(join(outside(), 'canary'), 'utf8')).to.equal('alive\n');
    });
    const refusedLayers: [string, () => Member[][], RegExp][] = [
      ['a name with ..', () => [[{path: '../../../../../../outside/x', content: 'x'}]], /leads out of the image/],
      ['a hard link to a file of the node', () => [[{path: 'x', type: '1', target: join(outside(), 'canary')}]], /to no file of the image/],
      [
        'a hard link through a link',
        () => [[{path: 'd', type: '2', target: outside()}], [{path: 'x', type: '1', target: 'd/canary'}]],
        /to no file of the image/,
      ],
      ['a whiteout that leads out', () => [[{path: '../../../../../outside/.wh.canary'}]], /leads out of the image/],
    ];
    for (const [what, layers, message] of refusedLayers)
      it(`refused: ${what}`, async () => {
        layout([firstMembers(), ...layers()]);
        await refused('layout', 'IMAGE_BROKEN', message);
        expect([trees(), stagings()]).to.deep.equal([[], []]);
      });
    it('links to the node, and files, whiteouts and hard links through them, stay in the image', async () => {
      const digest = layout([
        firstMembers(),
        [
          {path: 'out', type: '2', target: outside()},
          {path: 'up', type: '2', target: '../../../../../../../..'},
          {path: 'file', type: '2', target: join(outside(), 'canary')},
        ],
        [
          {path: 'out/canary', content: 'dead\n'},
          {path: `up${outside()}/canary`, content: 'dead\n'},
          {path: 'out/.wh.nothing'},
          {path: 'out/.wh..wh..opq'},
          {path: 'file', content: 'a file now\n'},
          {path: `${outside()}/new`, content: 'absolute\n'},
        ],
      ]);
      const {stdout, stderr} = await run('layout', 'cat /file');
      expect(stdout, stderr).to.equal('a file now\n');
      const root = join(cache(), 'trees', digest.slice(7), 'root');
      expect([readlinkSync(join(root, 'out')), readdirSync(root + outside())]).to.deep.equal([outside(), ['canary', 'new']]);
    });
  });

  it('for another architecture', async function () {
    const other = process.arch === 'x64' ? 'arm64' : 'amd64';
    layout([firstMembers()], {architecture: other});
    await refused('layout', 'IMAGE_ARCHITECTURE', new RegExp(`found: .*layout: ${other}; allowed: `));
    const foreign = tree();
    // e_machine of s390x
    const shell = readFileSync(join(foreign, 'bin/busybox'));
    shell.writeUInt16LE(22, 18);
    writeFileSync(join(foreign, 'bin/busybox'), shell);
    await refused('tree', 'IMAGE_ARCHITECTURE', /s390x/);
    need(this, program('unsquashfs') !== null, 'unsquashfs is not installed');
    need(this, role === 'root' || existsSync('/dev/fuse'), '/dev/fuse is needed');
    execFileSync('mksquashfs', [foreign, join(place, 'foreign.squashfs'), '-quiet', '-no-progress']);
    await refused('foreign.squashfs', 'IMAGE_ARCHITECTURE', /s390x/);
  });

  it('ten jobs at once unpack once', async () => {
    const digest = layout([firstMembers(), [{path: 'big', content: randomBytes(30 << 20)}]]);
    const work = join(cache(), 'work', digest.slice(7));
    for (const path of [cache(), join(cache(), 'work'), work]) mkdirSync(path, {mode: 0o700});
    site.give(cache(), join(cache(), 'work'), work);
    // the kernel keeps what happens there until we come to look
    const seen = new Set<string>();
    const watcher = watch(work, (_, name) => {
      if (name?.split('-').length === 4) seen.add(name);
    });
    const ended = await Promise.all(Array.from({length: 10}, () => run('layout', 'stat -c %s /big; cat /etc/release')));
    for (const {stdout, stderr} of ended) expect(stdout, stderr).to.equal(`${String(30 << 20)}\nfirst\n`);
    await until('the kernel to tell', () => seen.size > 0);
    watcher.close();
    expect([trees(), stagings(), seen.size]).to.deep.equal([[digest.slice(7)], [], 1]);
  });

  for (const victim of ['supervisor', 'all'] as const)
    it(`SIGKILL to ${victim === 'supervisor' ? 'the supervisor' : 'all of the wrapper'} while it unpacks leaves nothing that is used`, async () => {
      const digest = layout([firstMembers(), [{path: 'big', content: randomBytes(60 << 20)}], [{path: 'last', content: 'last\n'}]]);
      const child = site.start(['run', '--policy', site.policy(policy), '--image', join(place, 'layout'), '--', '/bin/cat', '/last']);
      const end = ending(child);
      const [staging = ''] = await until('it to unpack', () => (stagings().length > 0 ? stagings() : null), 20);
      const family = below(child.pid ?? 0);
      const victims = victim === 'all' ? family : family.filter(({argv}) => argv.some((one) => one.startsWith('@shim=')));
      for (const {pid} of victims) send(pid, 'SIGKILL');
      expect([victims.length > 0, trees()]).to.deep.equal([true, []]);
      const {stdout, stderr} = await end;
      if (victim === 'supervisor') expect(stdout, stderr).to.equal('last\n');
      else {
        expect(stagings()).to.deep.equal([staging]);
        await site.command(['records', 'sweep', '--policy', site.policy(policy)]);
      }
      const again = await run('layout', 'cat /last; stat -c %s /big');
      expect(again.stdout, again.stderr).to.equal(`last\n${String(60 << 20)}\n`);
      expect([trees(), stagings()]).to.deep.equal([[digest.slice(7)], []]);
    });

  it('more than the cache may hold is refused, and others make room', async () => {
    layout([firstMembers()], {}, 'one');
    layout([firstMembers(), [{path: 'two', content: 'two'}]], {}, 'two');
    layout([firstMembers(), [{path: 'big', content: Buffer.alloc(8 << 20)}]], {}, 'big');
    const small = {...policy, imageStore: {places: [place], maxSize: '3MiB'}};
    expect((await run('one', 'cat /etc/release', small)).stdout).to.equal('first\n');
    const [first] = trees();
    expect((await run('two', 'cat /etc/release', small)).stdout).to.equal('first\n');
    expect(trees()).to.have.length(1);
    expect(trees()).to.not.include(first);
    await refused('big', 'IMAGE_NOT_UNPACKED', /more than the 3145728 bytes that the cache may hold/, small);
    expect([trees().length, stagings()]).to.deep.equal([1, []]);
  });

  it('tare images: list, search, inspect, prune; what a live box has stays', async () => {
    const digest = layout([firstMembers()], {name: 'busy:1'}, 'first');
    tree('unpacked');
    const file = site.policy(policy);
    const images = async (...argv: string[]): Promise<{code: number | null; stdout: string; stderr: string}> =>
      site.command(['images', ...argv, '--policy', file]);
    const rows = JSON.parse((await images('list', '--json')).stdout) as {
      path: string;
      kind: string;
      digest: string | null;
      cached: boolean;
    }[];
    expect(rows.map(({path, kind, digest: its, cached}) => [path, kind, its, cached])).to.deep.equal([
      [join(place, 'first'), 'oci-layout', digest, false],
      [join(place, 'unpacked'), 'directory', null, false],
    ]);
    expect((await images('list')).stdout).to.match(/^IMAGE .*\n.*first +oci-layout .* busy:1 +yes/);
    expect(await images('search', 'BUSY')).to.deep.include({code: 0});
    expect(await images('search', 'nothing')).to.deep.include({code: 1, stdout: ''});
    const about = JSON.parse((await images('inspect', 'busy', '--json')).stdout) as object;
    expect(about).to.include({digest, kind: 'oci-layout', allowed: true, allowedBy: 'its path', cached: null});
    const child = site.start(['run', '--policy', file, '--image', join(place, 'first'), '--', '/bin/sh', '-c', 'echo up; exec sleep 60']);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    expect((await images('inspect', 'busy')).stdout).to.match(/unpacked +.*1 live boxes/);
    expect((await images('prune', '--older-than', '0s')).stdout).to.match(/^0 images removed, 0 B? ?.*freed; kept: 1 in use\n$/);
    expect(trees()).to.deep.equal([digest.slice(7)]);
    child.kill('SIGTERM');
    await end;
    expect((await images('prune', '--older-than', '1h')).stdout).to.match(/kept: 1 used since/);
    expect((await images('prune', '--older-than', '0s', '--dry-run')).stdout).to.match(/1 images would be removed, \d\.\d+ MiB freed/);
    expect(trees()).to.deep.equal([digest.slice(7)]);
    expect((await images('prune', '--older-than', '0s')).stdout).to.match(
      new RegExp(`^${digest} .*\n1 images removed, \\d\\.\\d+ MiB freed\n$`),
    );
    expect([trees(), readdirSync(join(cache(), 'uses'))]).to.deep.equal([[], []]);
  });
});
