/** Copy-on-write views: what is written is seen in the box, gone at its end, and told by `tare diff` while it lives; the node's files stay. */
import {expect} from 'chai';
import {execFileSync, spawnSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describeSite} from '../../support/describe-site.js';
import {patience} from '../../support/pace.js';
import {below, bin, ending, isRoot, processes, program, ROLES, send, until, type RunOutput} from '../../support/tare.js';

const NOBODY = 65534;
const LAYERS = fileURLToPath(new URL('../../support/layers.py', import.meta.url));
const PYTHON = program('python3') ?? 'python3';
/** All that happens to files: changed, emptied, deleted, replaced by another kind, put where something was, renamed, made unreadable. */
const CHANGE = `cd "$1" && echo more >> changed && : > emptied && rm deleted && rm -r tree && mkdir tree && touch tree/new &&
  rm -r gone && rm becomes && mkdir becomes && rm -r turns && ln -s nowhere turns && chmod 700 mode && mv named renamed && mkdir -p a/b/c &&
  touch a/b/c/d 'odd name' && mkdir locked && touch locked/in && touch -- --flag && rm -r deep/x && mkdir -p deep/x/y && mkdir /tmp/mine && touch /tmp/mine/file /var/tmp/too`;

/** A directory of the node that the payload's account may write to, with something in it. */
function makePlace(): string {
  const place = mkdtempSync(join(isRoot ? '/srv' : homedir(), 'tare-view-'));
  for (const name of ['tree', 'gone', 'turns', 'mode', 'deep', 'deep/x', 'deep/x/old']) mkdirSync(join(place, name));
  for (const name of ['changed', 'emptied', 'deleted', 'tree/old', 'gone/with', 'becomes', 'turns/in', 'named', 'deep/stays'])
    writeFileSync(join(place, name), `${name}\n`);
  if (isRoot) execFileSync('chown', ['-R', `${String(NOBODY)}:${String(NOBODY)}`, place]);
  return place;
}

const listing = (place: string): string =>
  execFileSync('find', [place, '-printf', '%p %y %m %u %s %T@\n'], {encoding: 'utf8'}) +
  execFileSync('find', [place, '-type', 'f', '-exec', 'cat', '{}', '+'], {encoding: 'utf8'});

describeSite('views, %s', {each: true, timeout: patience(30_000)}, (site, role) => {
  let place: string;
  let before: string;
  beforeEach(() => {
    place = makePlace();
    before = listing(place);
  });
  afterEach(() => {
    expect(listing(place)).to.equal(before);
    rmSync(place, {recursive: true, force: true});
  });
  const view = (kind: string, script: string, ...more: string[]): string[] => [
    ...['--filesystem', kind, ...more],
    ...['--', '/bin/sh', '-c', script, 'sh', place],
  ];

  it('shared: files that are written are seen in the box only', async () => {
    const {code, stdout, stderr, record} = await site.run(
      view('shared', `${CHANGE} && cat changed tree/new && ls tree deep/x && test ! -e gone && echo real > ${site.work}/out`),
    );
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal('changed\nmore\ndeep/x:\ny\n\ntree:\nnew\n');
    expect(record.outcome.status).to.equal('completed');
    // the way out
    expect(existsSync(join(site.work, 'out'))).to.equal(true);
  });

  it('two boxes at once write the same path, and each sees its own', async () => {
    const script = 'echo $0 > "$1/changed"; touch "$1/ready-$0"; sleep 0.5; ls "$1" | grep ready; cat "$1/changed"';
    const one = (name: string): Promise<RunOutput> => site.run(['--filesystem', 'private', '--', '/bin/sh', '-c', script, name, place]);
    const [first, second] = await Promise.all([one('first'), one('second')]);
    expect([first.stdout, second.stdout], first.stderr + second.stderr + JSON.stringify(second.record.outcome)).to.deep.equal([
      'ready-first\nfirst\n',
      'ready-second\nsecond\n',
    ]);
  });

  const pair = (filesystem: 'private' | 'shared', script: string): string =>
    site.job({
      filesystem,
      applications: ['one', 'two'].map((name) => ({name, command: ['/bin/sh', '-c', script, name, place]})),
    });

  it('private: two applications of one box write the same path, and each sees its own; what is real they share', async () => {
    // each waits for the other by the work directory, which is real
    const script =
      'echo $0 > "$1/changed"; touch "$1/of-$0" at-$0; until [ -e at-one ] && [ -e at-two ]; do sleep 0.05; done; ls "$1" | grep of-; cat "$1/changed"; echo $0 > /tmp/$0; sleep 0.3; ls /tmp | grep -v tare-test; ls /proc | grep -c "^[0-9]"';
    const {stdout, stderr, code, record} = await site.run([pair('private', script)]);
    expect(code, stderr).to.equal(0);
    const said = (name: string): string[] =>
      stdout.split('\n').flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []));
    for (const name of ['one', 'two']) {
      const [own, text, ...rest] = said(name);
      expect([own, text, rest.slice(0, 2)], stdout).to.deep.equal([`of-${name}`, name, ['one', 'two']]);
      // they see each other's processes
      expect(Number(rest[2])).to.be.at.least(4);
    }
    expect(record.flags).to.not.include('left-behind');
  });

  it('shared: two applications of one box see one', async () => {
    const script =
      'touch "$1/of-$0"; until [ -e "$1/of-one" ] && [ -e "$1/of-two" ]; do sleep 0.05; done; ls "$1" | grep of- | tr "\\n" " "; echo';
    const {stdout, stderr, code} = await site.run([pair('shared', script)]);
    expect(code, stderr).to.equal(0);
    expect(stdout.split('\n').sort()).to.deep.equal(['', 'one: of-one of-two ', 'two: of-one of-two ']);
  });

  it('node: nothing there can be written to', async () => {
    const {code, stderr} = await site.run(view('node', ': > "$1/changed"'));
    expect(code).to.not.equal(0);
    expect(stderr).to.match(/Read-only file system/);
  });

  it('a saved plan is run as it was made', async () => {
    const policy = site.policy();
    const {stdout} = await site.command([
      'plan',
      '--json',
      '--policy',
      policy,
      ...view('shared', 'echo x > "$1/changed" && cat "$1/changed"'),
    ]);
    const {steps} = JSON.parse(stdout) as {steps: {op: string; by?: string; because: string; destination?: string}[]};
    const overlays = steps.filter(({op}) => op === 'mount.overlay');
    expect(overlays.map(({destination}) => destination)).to.include(role === 'root' ? '/' : isRoot ? place : dirname(place));
    for (const {by, because} of overlays) {
      expect(by).to.equal('overlayfs');
      expect(because).to.match(/^shared \(--filesystem\): mounted one below /);
    }
    const file = join(site.directory, 'plan.json');
    writeFileSync(file, stdout);
    expect(await site.command(['run', '--policy', policy, '--plan', file])).to.include({code: 0, stdout: 'x\n'});
  });

  it('diff of a live box is that of an independent walk of its layers; other accounts are refused', async () => {
    const policy = site.policy();
    const child = site.start([
      'run',
      '--policy',
      policy,
      ...view('shared', `${CHANGE} && echo done && chmod 000 locked/in && exec sleep 60`),
    ]);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const [id = ''] = readdirSync(join(site.directory, 'state/boxes'));
    const box = join(site.directory, 'scratch', `tare-${id}`);
    const said = await site.command(['diff', '--policy', policy, id]);
    const json = await site.command(['diff', '--policy', policy, '--json', id.slice(0, 8)]);
    const {steps} = JSON.parse((await site.command(['plan', '--json', '--policy', policy, ...view('shared', 'true')])).stdout) as {
      steps: {op: string; upper: string; lower: string; destination: string}[];
    };
    const inBox = (path: string): string => path.replace('{box}', box);
    const layers = steps.flatMap(({op, upper, lower, destination}) => (op === 'mount.overlay' ? [inBox(upper), lower, destination] : []));
    const args = [LAYERS, role, ...layers, join(box, 'tmp'), '-', '/tmp', join(box, 'var-tmp'), '-', '/var/tmp'];
    const walked = spawnSync(PYTHON, args, {encoding: 'utf8'});
    const strangers = isRoot ? spawnSync(bin('tare'), ['diff', '--policy', policy, id], {uid: 1, gid: 1, encoding: 'utf8'}) : null;
    child.kill('SIGTERM');
    await end;
    expect(said.stderr + walked.stderr).to.equal('');
    expect(said.stdout.split('\n')).to.deep.equal(walked.stdout.split('\n'));
    for (const line of [
      'C changed',
      'D deleted',
      'C tree',
      'D tree/old',
      'A tree/new',
      'D gone',
      'C becomes',
      'C turns',
      'C mode',
      'A renamed',
      'D named',
      'D deep/x/old',
      'A odd name',
    ])
      expect(said.stdout).to.include(`${line.slice(0, 2)}${place}/${line.slice(2)}\n`);
    expect(said.stdout).to.include('A /tmp/mine\nA /tmp/mine/file\n');
    expect(said.stdout).to.not.include('deep/stays');
    const objects = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as {kind: string; path: string});
    expect(objects.map(({kind, path}) => `${kind} ${path}`)).to.deep.equal(said.stdout.trim().split('\n'));
    if (strangers !== null) {
      expect(strangers.status).to.equal(125);
      expect(strangers.stderr).to.match(/belongs to another user/);
    }
  });

  it('diff of an unknown box, and of a box that has ended', async () => {
    for (const id of ['', '../..', '0123456789abcdef'])
      expect(await site.command(['diff', '--policy', site.policy(), id])).to.include({code: 125, stdout: ''});
  });

  it('all killed at once: a sweep leaves nothing of the layers', async () => {
    const policy = site.policy();
    const child = site.start([
      'run',
      '--policy',
      policy,
      ...view('shared', `${CHANGE}; cd /tmp; mkdir -p l/m; chmod 000 l; exec sleep 1.6487`),
    ]);
    const end = ending(child);
    await until('the payload', () => processes().some(({argv}) => argv.join(' ') === 'sleep 1.6487'));
    const family = below(child.pid ?? 0);
    for (const {pid} of family) send(pid, 'SIGSTOP');
    for (const {pid} of family) send(pid, 'SIGKILL');
    await end;
    const swept = await site.command(['records', 'sweep', '--json', '--policy', policy]);
    expect(swept.code, swept.stdout + swept.stderr).to.equal(0);
    expect(site.records().map(({state}) => state)).to.deep.equal(['lost']);
  });

  if (role === 'user' && isRoot)
    it('root sweeps a user’s box, hostile layers and all', async () => {
      const policy = site.policy({
        directories: {state: `${site.directory}/%u`, spool: `${site.directory}/%u/spool`, scratch: `${site.directory}/%u/scratch`},
      });
      site.give(mkdir(join(site.directory, String(NOBODY))));
      const script = `${CHANGE}; cd "$1"; ln -s /etc/passwd link; ln -s / root; mkdir -p x/y/z; chmod 000 x/y; chmod 555 x; exec sleep 1.6487`;
      const child = site.start(['run', '--policy', policy, ...view('shared', script)]);
      const end = ending(child);
      await until('the payload', () => processes().some(({argv}) => argv.join(' ') === 'sleep 1.6487'));
      const family = below(child.pid ?? 0);
      for (const {pid} of family) send(pid, 'SIGSTOP');
      for (const {pid} of family) send(pid, 'SIGKILL');
      await end;
      const swept = spawnSync(bin('tare'), ['records', 'sweep', '--json', '--policy', policy], {encoding: 'utf8'});
      expect(swept.stdout).to.match(/"result":"closed"/);
      expect(readdirSync(join(site.directory, String(NOBODY), 'scratch'))).to.deep.equal([]);
      expect(readdirSync(join(site.directory, String(NOBODY), 'boxes'))).to.deep.equal([]);
      expect(existsSync('/etc/passwd')).to.equal(true);
    });
});

describeSite('images, %s', {mayLeave: true, timeout: patience(30_000)}, (site) => {
  let image: string;
  before(() => {
    image = makeImage(join(site.directory, 'images', 'one:latest,x'));
  });
  const policy = (): object => ({images: [join(site.directory, 'images', '*')]});

  it('is what the payload finds at /, with the work directory, /proc and the node’s accounts on it', async () => {
    const script = `cat /of-the-image; ls /of-the-node 2>/dev/null; echo out > ${site.work}/out; test -r /proc/self/status && test -c /dev/null && echo ok > /tmp/x && cat /tmp/x; grep -c root: /etc/passwd; cat /etc/resolv.conf >/dev/null && echo resolv`;
    const {code, stdout, stderr} = await site.run(['--image', image, '--', '/bin/sh', '-c', script], {policy: policy()});
    expect(code, stderr).to.equal(0);
    expect(stdout).to.equal('this is the image\nok\n1\nresolv\n');
    expect(existsSync(join(site.work, 'out'))).to.equal(true);
    expect(readdirSync(image).sort()).to.deep.equal(['bin', 'etc', 'of-the-image', 'usr', ...libraries()].sort());
    expect(site.leftovers()).to.deep.equal([]);
  });

  for (const [title, make, found] of [
    [
      'a single file',
      (path: string) => {
        writeFileSync(path, 'sqsh');
      },
      /of no kind that can be used.*an unknown file/,
    ],
    ['nothing', () => undefined, /the image cannot be read.*No such file/],
    [
      'a link that leads nowhere',
      (path: string) => {
        symlinkSync('/no/such/place', path);
      },
      /No such file/,
    ],
  ] as const)
    it(`${title} is refused`, async () => {
      const path = join(site.directory, 'images', `bad-${title.replaceAll(' ', '-')}`);
      make(path);
      const {code, stderr, record} = await site.run(['--image', path, '--', '/bin/true'], {policy: policy()});
      expect(code).to.equal(125);
      expect(stderr).to.match(found);
      expect(record.outcome).to.include({code: 'IMAGE_UNUSABLE'});
    });

  if (isRoot)
    it('a directory that is closed to the payload’s account is refused', async () => {
      const closed = mkdir(join(site.directory, 'images', 'closed'));
      mkdirSync(join(closed, 'image'));
      chmodSync(closed, 0o700);
      const {code, stderr} = await site.run(['--image', join(closed, 'image'), '--', '/bin/true'], {
        policy: {images: [join(closed, '*')]},
      });
      expect(code).to.equal(125);
      expect(stderr).to.match(/Permission denied/);
    });
});

function mkdir(path: string): string {
  mkdirSync(path);
  return path;
}

/** Top directories that a program's libraries lie in here. */
const libraries = (): string[] =>
  [...new Set(neededBy('/bin/sh').map((path) => path.split('/')[1] ?? ''))].filter((name) => name !== 'usr' && name !== 'bin');

const neededBy = (path: string): string[] =>
  [...execFileSync('ldd', [path], {encoding: 'utf8'}).matchAll(/(\/\S+) \(0x/g)].map(([, library]) => library ?? '');

/** A few programs, what they need, and traps: links where the box mounts something. */
function makeImage(path: string): string {
  for (const name of ['bin', 'etc', 'usr']) mkdirSync(join(path, name), {recursive: true});
  for (const name of ['sh', 'cat', 'ls', 'grep', 'true', 'test']) {
    const from = program(name) ?? '';
    cpSync(from, join(path, 'bin', name), {dereference: true});
    for (const library of neededBy(from)) cpSync(library, mkdirFor(join(path, library)), {dereference: true});
  }
  writeFileSync(join(path, 'of-the-image'), 'this is the image\n');
  symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(path, 'etc/resolv.conf'));
  if (isRoot) chownSync(path, 0, 0);
  return path;
}

function mkdirFor(path: string): string {
  mkdirSync(dirname(path), {recursive: true});
  return path;
}

const BY_ROOT = {roles: isRoot ? ROLES : [], each: true, parent: '/var/lib'};

describeSite('views below a directory that the user cannot list, %s', BY_ROOT, (site) => {
  for (const filesystem of ['shared', 'private'] as const) {
    it(`${filesystem}: the work directory stays real, and the wrapper’s own is hidden`, async () => {
      chmodSync(site.directory, 0o711);
      const script = 'pwd && echo written >out && cat /proc/1/comm && ls -A ../spool';
      const options = {policy: {box: 'required'}};
      const {code, stdout, stderr, record} = await site.run(['--filesystem', filesystem, '--', '/bin/sh', '-c', script], options);
      expect([code, stdout], stderr).to.deep.equal([0, `${site.work}\ntare-init\n`]);
      expect(record.mode).to.equal('box');
      expect(readFileSync(join(site.work, 'out'), 'utf8')).to.equal('written\n');
    });
  }
});
