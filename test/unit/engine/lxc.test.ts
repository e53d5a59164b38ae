/** A box by LXC: what its configuration has of each step, and what no configuration can have. */

import {expect} from 'chai';
import {launchStrings} from '../../../src/engine/launch.js';
import type {Facts} from '../../../src/host/facts.js';
import type {Step} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {ENGINES} from '../../../src/plugins.js';
import {launchOf} from '../../support/engines.js';
import {asUser, CONTAINERS, facts, LXC, plan, ROOT, thrown, USER, WORK, type Parts} from '../plan/build.js';

const because = 'a test';
const ROOTS: Partial<Facts> = {caller: ROOT, scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const boxed = (parts: Parts = {}): Plan => plan({policy: {engines: ['lxc']}, ...parts, facts: {engines: [LXC], ...parts.facts}});
const rooted = (parts: Parts = {}): Plan => boxed({call: asUser(USER), ...parts, facts: {...ROOTS, ...parts.facts}});

const LAUNCH = {boxDirectory: '/b', id: '1', engineArgv: [], joins: {engine: [], payload: [], applications: []}, callerArgvIndex: null};
const BASE: Step = {op: 'mount.bind', source: '{box}/node', destination: '/', options: ['ro'], optional: false, because};
const NODE: Step = {op: 'mount.move', source: '/', at: '{box}/node', because};
const of = (steps: Step[]): Plan => ({...boxed(), steps: [BASE, ...steps]});
const linesOf = (made: Plan, context: Parameters<typeof launchOf>[1] = {}): string[] =>
  launchOf(made, context).files[0]?.text.trimEnd().split('\n') ?? [];
const FIXED = linesOf(of([]));
/** Of one step, without those that every box has; a mount without its key. */
const ofStep = (steps: Step[], context: Parameters<typeof launchOf>[1] = {}): string[] =>
  linesOf(of(steps), context)
    .filter((line) => !FIXED.includes(line))
    .map((line) => line.replace('lxc.mount.entry = ', ''));
const bind = (source: string, options: ('ro' | 'rw' | 'dev')[], optional = false): Step => ({
  ...{op: 'mount.bind', source, destination: '/d', options, optional, because},
});

describe('a step becomes lines of LXC’s configuration', () => {
  const DEV: Step = {op: 'mount.dev', destination: '/dev', terminals: '{box}/terminals', because};
  const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map(
    (name) => `/dev/${name} dev/${name} none rbind,nosuid,create=file 0 0`,
  );
  const dev = [
    '/b/devices dev none rbind,nosuid,nodev,create=dir 0 0',
    ...devices,
    ...Array<string>(2).fill('/b/terminals dev/pts none rbind,nosuid,noexec,create=dir 0 0'),
  ];
  const rows: [step: Step, lines: string[]][] = [
    [
      {op: 'namespace.unshare', namespaces: ['user', 'pid', 'mount', 'ipc', 'uts', 'network', 'cgroup'], because},
      ['lxc.namespace.clone = user pid mnt ipc uts net cgroup', 'lxc.net.0.type = empty', 'lxc.net.0.flags = up'],
    ],
    [
      {op: 'namespace.unshare', namespaces: ['user', 'pid', 'mount', 'ipc', 'uts'], because},
      ['lxc.namespace.clone = user pid mnt ipc uts', 'lxc.net.0.type = none'],
    ],
    [{op: 'hostname.set', hostname: 'tare-0.wn', because}, ['lxc.uts.name = tare-0.wn']],
    [{op: 'privileges.drop', noNewPrivs: true, capabilities: 'none', because}, ['lxc.no_new_privs = 1']],
    [{op: 'privileges.drop', noNewPrivs: false, capabilities: 'kept', because}, ['lxc.no_new_privs = 0']],
    [{op: 'mount.move', source: '/cvmfs', at: '{box}/node/cvmfs', because}, []],
    [bind('/s', ['ro']), ['/s d none rbind,ro,nosuid,nodev,create=dir 0 0']],
    [bind('/s', []), ['/s d none rbind,ro,nosuid,nodev,create=dir 0 0']],
    [bind('/s', ['rw']), ['/s d none rbind,nosuid,nodev,create=dir 0 0']],
    [bind('/s', ['dev']), ['/s d none rbind,nosuid,create=file 0 0']],
    [bind('{box}/tmp', ['rw']), ['/b/tmp d none rbind,nosuid,nodev,create=dir 0 0']],
    [
      {op: 'mount.closed', source: '/x', at: '{box}/closed-0', destination: '/x', readOnly: true, because},
      ['/b/closed-0 x none rbind,nosuid,nodev,create=dir 0 0'],
    ],
    [
      {op: 'cvmfs.bind', repository: 'a.b', source: '/cvmfs/a.b', destination: '/cvmfs/a.b', because},
      ['/cvmfs/a.b cvmfs/a.b none rbind,ro,nosuid,nodev,rslave,create=dir 0 0'],
    ],
    [{op: 'mount.proc', destination: '/proc', because}, ['proc proc proc nosuid,nodev,noexec 0 0']],
    [DEV, dev],
    [{...DEV, queues: '/dev/mqueue'}, [...dev, 'mqueue dev/mqueue mqueue nosuid,nodev,noexec,create=dir 0 0']],
    [
      {op: 'mount.tmpfs', destination: '/t', mode: '1777', sizeBytes: null, because},
      ['tmpfs t tmpfs nosuid,nodev,mode=1777,create=dir 0 0'],
    ],
    [
      {op: 'mount.tmpfs', destination: '/t', mode: '0700', sizeBytes: 4096, because},
      ['tmpfs t tmpfs nosuid,nodev,mode=0700,size=4096,create=dir 0 0'],
    ],
    [{op: 'mount.readonly', destination: '/run', because}, ['./run run none rbind,relative,ro,nosuid,nodev,create=dir 0 0']],
  ];
  for (const [step, lines] of rows)
    it(`${step.op} ${lines.join('; ').slice(0, 80)}`, () => {
      expect(ofStep([step])).to.deep.equal(lines);
    });

  const refused: Step[] = [
    {op: 'mount.sys', destination: '/sys', because},
    {op: 'image.root', image: 'docker://docker.io/library/a:1', digest: null, because},
    {op: 'paths.protect', masked: [], readOnly: [], because},
    {op: 'accounts.provide', image: '/i', account: {name: 'a', uid: 1, gid: 1, home: '/h'}, because},
  ];
  for (const step of refused)
    it(`${step.op} is refused: other engines do it`, () => {
      expect(thrown(() => ofStep([step])).code).to.equal('ENGINE_FAILED');
    });

  it('and all that is an engine’s was tried', () => {
    const engine = ENGINES.find(({name}) => name === 'lxc');
    const tried = [...rows.map(([{op}]) => op), ...refused.map(({op}) => op)];
    expect([...new Set(tried)].sort()).to.deep.equal(Object.keys(engine?.steps ?? {}).sort());
  });

  it('what is bound if it is there is left out where it is not, and a file has a file for its mount point', () => {
    expect(ofStep([bind('/s', ['ro'], true)], {exists: () => false})).to.deep.equal([]);
    expect(ofStep([bind('/s', ['ro'])], {isFile: (path) => path === '/s'})).to.deep.equal([
      '/s d none rbind,ro,nosuid,nodev,create=file 0 0',
    ]);
  });

  it('what of the node is read-only is taken from where all of it is so already, with what is mounted below it; the box’s own is not there', () => {
    const source = (step: Step): string | undefined => ofStep([NODE, step])[0]?.split(' ')[0];
    expect(source(bind('/run/munge', ['ro']))).to.equal('/b/node/run/munge');
    expect(source(bind('/run/munge', ['rw']))).to.equal('/run/munge');
    expect(source(bind('/dev/fuse', ['dev']))).to.equal('/dev/fuse');
    expect(source(bind('{box}/features', ['ro']))).to.equal('/b/features');
  });
});

describe('values of LXC’s configuration', () => {
  const written = (path: string): string | undefined => ofStep([bind(path, ['rw'])])[0]?.split(' ')[0];

  it('a path is written by the rules of fstab(5), and nothing of it is read as anything else', () => {
    expect(written('/a b\tc\nd\\e')).to.equal('/a\\040b\\011c\\012d\\134e');
    for (const path of ['/#x', '/a#b', '/%s%n', '/"a"', "/'", '/a=b', '/ä', '/a,ro', '/\\040'.replace('\\', ':')])
      expect(written(path), path).to.equal(path);
    expect(ofStep([{op: 'mount.readonly', destination: '/# x', because}])[0]).to.match(/^\.\/#\\040x #\\040x none /);
    expect(linesOf(of([bind('/a\nlxc.hook.start = /bin/x', ['rw'])])).filter((line) => line.includes('hook'))).to.deep.equal([
      'lxc.mount.entry = /a\\012lxc.hook.start\\040=\\040/bin/x d none rbind,nosuid,nodev,create=dir 0 0',
    ]);
  });

  const refused: [what: string, step: Step, says: RegExp][] = [
    ['a carriage return', bind('/a\rlxc.hook.start = /bin/x', ['rw']), /no such path.*lxc\.mount\.entry/s],
    ['a NUL', bind('/a\0b', ['rw']), /no such path/],
    ['a mount that is longer than what LXC reads', bind(`/${'a'.repeat(4100)}`, ['rw']), /4095 bytes at most; found: \/d/],
    ['a host name of two lines', {op: 'hostname.set', hostname: 'a\nlxc.hook.start = /x', because}, /lxc\.uts\.name/],
    ['a host name in quotes', {op: 'hostname.set', hostname: '"a"', because}, /lxc\.uts\.name/],
    ['a host name that ends with a blank', {op: 'hostname.set', hostname: 'a ', because}, /lxc\.uts\.name/],
  ];
  for (const [what, step, says] of refused)
    it(`is refused: ${what}`, () => {
      const error = thrown(() => ofStep([step]));
      expect(error.code).to.equal('ENGINE_FAILED');
      expect(error.message).to.match(says);
    });

  it('the box’s folder, in the root of the box: as it is, or refused', () => {
    const root = (boxDirectory: string): string | undefined => linesOf(of([]), {boxDirectory})[0];
    expect(root('/s/a b:#"c"')).to.equal('lxc.rootfs.path = dir:/s/a b:#"c"/node');
    expect(thrown(() => root('/s/a\nb')).message).to.include('lxc.rootfs.path');
  });

  it('an account with uid or gid 0, whose lock would be left on the node', () => {
    for (const account of [
      {uid: 0, gid: 0},
      {uid: 7, gid: 0},
    ])
      expect(thrown(() => linesOf(of([]), {caller: account})).message).to.include(`found: ${String(account.uid)}:0`);
  });
});

describe('a box by LXC', () => {
  const preparedOf = (made: Plan): string[] =>
    made.steps.flatMap((step) => {
      if (step.op === 'mount.move') return [`${step.source} ${step.at}`];
      return step.op === 'mount.cover' || step.op === 'mount.terminals' ? [step.at] : [];
    });

  it('is built on the node’s files and terminals that enter has mounted; all control groups are covered at last', () => {
    for (const made of [boxed(), rooted(), boxed({facts: {unifiedAt: '/sys/fs/cgroup/unified'}})])
      expect(preparedOf(made)).to.deep.equal(['/ {box}/node', '{box}/terminals', '/sys/fs/cgroup']);
  });

  it('its configuration', () => {
    const text = launchOf(boxed({job: {network: 'none'}, facts: {devices: ['/dev/fuse']}}), {exists: () => false}).files[0]?.text;
    expect(text).to.equal(
      [
        'lxc.rootfs.path = dir:/b/node',
        'lxc.idmap = u 1001 1 1',
        'lxc.idmap = g 100 1 1',
        'lxc.init.uid = 1001',
        'lxc.init.gid = 100',
        'lxc.cap.keep = none',
        'lxc.keyring.session = 1',
        'lxc.monitor.signal.pdeath = 0',
        'lxc.apparmor.profile = unchanged',
        'lxc.autodev = 0',
        'lxc.tty.max = 0',
        'lxc.pty.max = 0',
        'lxc.console.path = none',
        'lxc.namespace.clone = user pid mnt ipc uts net',
        'lxc.net.0.type = empty',
        'lxc.net.0.flags = up',
        'lxc.no_new_privs = 1',
        'lxc.mount.entry = proc proc proc nosuid,nodev,noexec 0 0',
        'lxc.mount.entry = /b/devices dev none rbind,nosuid,nodev,create=dir 0 0',
        ...['null', 'zero', 'full', 'random', 'urandom', 'tty'].map(
          (name) => `lxc.mount.entry = /dev/${name} dev/${name} none rbind,nosuid,create=file 0 0`,
        ),
        ...Array<string>(2).fill('lxc.mount.entry = /b/terminals dev/pts none rbind,nosuid,noexec,create=dir 0 0'),
        'lxc.mount.entry = mqueue dev/mqueue mqueue nosuid,nodev,noexec,create=dir 0 0',
        'lxc.mount.entry = /dev/fuse dev/fuse none rbind,nosuid,create=file 0 0',
        'lxc.mount.entry = /b/features dev/tare none rbind,ro,nosuid,nodev,create=dir 0 0',
        'lxc.mount.entry = ./dev dev none rbind,relative,ro,nosuid,nodev,create=dir 0 0',
        'lxc.mount.entry = tmpfs dev/shm tmpfs nosuid,nodev,mode=1777,create=dir 0 0',
        'lxc.mount.entry = tmpfs run tmpfs nosuid,nodev,mode=0755,create=dir 0 0',
        'lxc.mount.entry = /b/tmp tmp none rbind,nosuid,nodev,create=dir 0 0',
        'lxc.mount.entry = /b/var-tmp var/tmp none rbind,nosuid,nodev,create=dir 0 0',
        `lxc.mount.entry = ${WORK} ${WORK.slice(1)} none rbind,nosuid,nodev,create=dir 0 0`,
        'lxc.mount.entry = ./run run none rbind,relative,ro,nosuid,nodev,create=dir 0 0',
        '',
      ].join('\n'),
    );
  });

  it('links of /dev are the core’s to make, since LXC would find it read-only', () => {
    const {links} = launchOf(boxed());
    expect(links?.every(({folder}) => folder === 'devices')).to.equal(true);
    expect(links?.map(({name, to}) => `${name} ${to}`)).to.include.members(['fd /proc/self/fd', 'ptmx pts/ptmx', 'stdin /proc/self/fd/0']);
  });

  it('Landlock keeps a payload with the node’s network from the monitor’s socket; without it LXC is not taken', () => {
    expect(boxed().landlock?.scoped).to.equal(true);
    expect(launchStrings(boxed(), LAUNCH)).to.include('A1');
    const own = boxed({job: {network: 'none'}});
    expect([own.engine.name, own.landlock?.scoped]).to.deep.equal(['lxc', undefined]);
    expect(launchStrings(own, LAUNCH)).not.to.include('A1');
    for (const parts of [{facts: {landlock: {...facts().landlock, abi: 5}}}, {policy: {engines: ['lxc'], seccomp: 'pilot'}}] as Parts[]) {
      const {mode, engine} = boxed(parts);
      expect([mode.value, engine.name]).to.deep.equal(['limits-only', 'none']);
      expect(mode.because).to.match(/^lxc listens on a socket that a payload with the node’s network could reach/);
    }
  });

  const COMMAND = [
    ...[
      '/usr/bin/env',
      '-i',
      'XDG_RUNTIME_DIR=/b/runtime',
      'DBUS_SESSION_BUS_ADDRESS=disabled:',
      '/usr/bin/lxc-start',
      '-F',
      '-n',
      'tare-ab',
    ],
    ...['-P', '/b/container', '-f', '/b/container/config', '--', '/proc/self/fd/4', 'tare-init', '3'],
  ];

  it('root’s is started as the payload’s account, and a user’s in one more namespace, in which it is not root', () => {
    const [uid, gid] = [String(USER.uid), String(USER.gid)];
    expect(launchOf(rooted()).argv).to.deep.equal(COMMAND);
    expect(launchOf(boxed()).argv).to.deep.equal(['/usr/bin/unshare', '--user', '--map-user=1', '--map-group=1', '--', ...COMMAND]);
    const ids = (made: Plan): string[] => linesOf(made).filter((line) => line.startsWith('lxc.idmap'));
    expect(ids(rooted())).to.deep.equal([`lxc.idmap = u ${uid} ${uid} 1`, `lxc.idmap = g ${gid} ${gid} 1`]);
    expect(ids(boxed())).to.deep.equal(['lxc.idmap = u 1001 1 1', 'lxc.idmap = g 100 1 1']);
  });

  it('its folders: what LXC reads is the wrapper’s, and where it writes the payload’s account can', () => {
    const folders = (made: Plan): string[] =>
      made.steps.flatMap((step) =>
        step.op === 'directory.create' && /container|runtime|devices/.test(step.path) ? [`${step.path} ${step.mode} ${step.owner}`] : [],
      );
    expect(folders(rooted())).to.deep.equal([
      '{box}/container 0755 caller',
      '{box}/runtime 0700 job',
      '{box}/devices 0700 job',
      '{box}/devices/shm 0700 job',
    ]);
    expect(folders(boxed()).every((folder) => folder.endsWith('0700 caller'))).to.equal(true);
  });
});
