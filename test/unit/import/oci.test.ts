import {expect} from 'chai';
import {OCI_FORMAT} from '../../../src/import/oci.js';
import {neverCrashes} from './reading.js';
import {errorsOf, expectRecognised, expectRobust, expectValid, fixture, plain, written} from './drafts.js';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const OWN = 'mounts /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup';

/** What `crun spec` and `runc spec` write, without being asked for anything. */
const USUAL = [
  'process.terminal: true',
  'process.user.uid: 0',
  'process.user.gid: 0',
  'process.cwd: /',
  'process.capabilities CAP_AUDIT_WRITE CAP_KILL CAP_NET_BIND_…',
  'process.noNewPrivileges: true',
  'root.path: rootfs',
  'root.readonly: true',
  OWN,
  'linux.resources.devices',
  'namespaces pid ipc uts mount',
  'linux.maskedPaths',
  'linux.readonlyPaths',
];

/** What each bundle asks for, by the runtime specification. */
const EXPECTED: Record<string, Partial<ReturnType<typeof plain>>> = {
  '01-crun-spec.json': {
    fields: {command: ['sh'], network: 'none'},
    limits: {openFiles: 1024},
    environment: {PATH, TERM: 'xterm'},
    proposals: ['identity.hostname "crun"'],
    left: USUAL,
  },
  '02-runc-spec.json': {
    fields: {command: ['sh'], network: 'none'},
    limits: {openFiles: 1024},
    proposals: ['identity.hostname "runc"'],
    left: USUAL.map((one) => (one.startsWith('namespaces') ? 'namespaces pid ipc uts mount cgroup' : one)),
  },
  '03-runc-spec-rootless.json': {
    fields: {command: ['sh'], network: 'host'},
    left: [
      ...USUAL.slice(0, 8),
      'mounts none /sys /sys',
      'mounts /proc /dev /dev/pts /dev/shm /dev/mqueue /sys/fs/cgroup',
      'linux.uidMappings',
      'linux.gidMappings',
      'namespaces pid ipc uts mount cgroup user',
      'linux.maskedPaths',
      'linux.readonlyPaths',
    ],
  },
  '04-docker.json': {
    fields: {command: ['/bin/sh', '-c', 'sleep 1'], workDirectory: '/srv', image: '/var/lib/docker/overlay2/0a1b2c/merged'},
    limits: {memory: 104_857_600, swap: 104_857_600, cores: 1.5, processes: 64},
    environment: {PATH, HOSTNAME: '4f0b5d7bd1f6'},
    proposals: ['images ["/var/lib/docker/overlay2/0a1b2c/merged"]', 'identity.hostname "4f0b5d7bd1f6"', 'writable ["/data"]'],
    left: [
      'process.user.uid: 12345',
      'process.user.gid: 12345',
      'process.user.additionalGids',
      'process.capabilities CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID …',
      'process.apparmorProfile: docker-default',
      'process.oomScoreAdj: 0',
      'mounts /proc /dev /dev/pts /sys /sys/fs/cgroup /dev/mqueue /dev/shm',
      'mounts /etc/resolv.conf /etc/hostname /etc/hosts',
      'hooks.prestart: /proc/417/exe',
      'linux.sysctl',
      'linux.resources.devices',
      'cpu.shares: 0',
      'linux.resources.blockIO',
      `linux.cgroupsPath: /docker/4f0b5d7bd1f6a1e8a2e57b4f6e1d3f0c…`,
      'namespace network',
      'namespaces mount uts pid ipc cgroup',
      'linux.seccomp',
      'linux.maskedPaths',
      'linux.readonlyPaths',
    ],
  },
  '05-podman.json': {
    fields: {command: ['sleep', '100'], image: '/var/lib/containers/storage/overlay/77/merged'},
    limits: {openFiles: 1_048_576, memoryHigh: 800_000_000, swap: 0, memory: 1_073_741_824, cores: 0.5, processes: 2048},
    proposals: ['images ["/var/lib/containers/storage/overlay/77/merged"]', 'identity.hostname "9f3c1d"', 'devices ["/dev/fuse"]'],
  },
  '06-podman-rootless.json': {
    fields: {command: ['/usr/bin/python3', '-c', "print('hello')"], image: '/srv/images/el9'},
    limits: {coreSize: 0, scratch: 536_870_912},
    proposals: ['images ["/srv/images/el9"]', 'identity.hostname "9f3c1d"', 'scratch.inMemory true'],
  },
  '07-specification.json': {
    fields: {command: ['sh']},
    limits: {coreSize: 1024, openFiles: 1024, memory: 536_870_912, swap: 0, cores: 2, pinCores: true, processes: 32_771},
    proposals: ['identity.hostname "slartibartfast"', 'devices ["/dev/fuse"]', 'devices ["/dev/sda"]'],
  },
  '08-node.json': {
    fields: {image: 'host', command: ['/usr/bin/true'], workDirectory: '/home/u/work', cvmfs: ['atlas.cern.ch'], network: 'host'},
    limits: {nice: 5, memory: 2_147_483_648, swap: 1_073_741_824},
    environment: {},
    proposals: ['writable ["/scratch"]'],
    left: [
      'process.user.uid: 1000',
      'process.user.gid: 1000',
      'process.user.umask: 63',
      'process.ioPriority',
      'mounts bind input /in',
      'namespaces mount pid',
    ],
  },
  '09-no-process.json': {
    fields: {network: 'none'},
    limits: {cores: 3, pinCores: true},
    left: [
      'root.path: rootfs',
      'memory.swap.max: max',
      'hugetlb.2MB.max: 0',
      'linux.intelRdt',
      'linux.personality',
      'linux.timeOffsets',
      'namespaces time',
      'memory.limit: -1',
      'cpu.cpus: 0-1,4',
      'pids.max: max',
      'process, which is not given',
    ],
  },
  '10-newer.json': {
    fields: {command: ['/bin/sh', '-c', 'echo "$HOME"'], network: 'none', image: '/srv/images/el9'},
    proposals: ['seccomp "pilot"', 'images ["/srv/images/el9"]'],
    left: [
      'ociVersion: 1.3.0',
      'process.user.uid: 0',
      'process.user.gid: 0',
      'process.cwd: /',
      'process.capabilities CAP_AUDIT_WRITE CAP_KILL CAP_NET_BIND_…',
      'root.readonly: true',
      'hostname: not_a_host',
      OWN,
      'linux.resources.devices',
      'namespaces pid ipc uts mount cgroup',
      'linux.maskedPaths',
      'linux.readonlyPaths',
      'linux.netDevices',
      'linux.memoryPolicy',
      'x-vendor',
    ],
  },
};

const bundle = (more: string): string => `{"ociVersion": "1.2.0", ${more}}`;
const process = (more: string): string => bundle(`"process": {"args": ["a"], "cwd": "/", ${more}}`);
const linux = (more: string): string => bundle(`"process": {"args": ["a"], "cwd": "/"}, "linux": {"namespaces": [], ${more}}`);

/** A bundle, what is wrong with it, and where. */
const BROKEN: [string, string, string][] = [
  ['{"ociVersion": "1.0.0"', 'Flow map', 'F:1:23'],
  ['["ociVersion"]', 'the document is not a map', 'F'],
  ['{}', 'not a version of the runtime specification', 'F'],
  ['{"ociVersion": "2.0.0"}', 'not a version of the runtime specification', 'F#/ociVersion'],
  ['{"ociVersion": 1}', 'not a version of the runtime specification', 'F#/ociVersion'],
  [bundle('"windows": {}'), 'a bundle for another platform than Linux: windows', 'F#/windows'],
  [bundle('"vm": {}'), 'a bundle for another platform than Linux: vm', 'F#/vm'],
  [bundle('"process": []'), 'process is not a map', 'F#/process'],
  [bundle('"process": {"args": "sh"}'), 'process.args is not a list', 'F#/process/args'],
  [bundle('"process": {"args": []}'), 'process.args names no program', 'F#/process/args'],
  [bundle('"process": {"args": ["a", null]}'), 'an entry of process.args is not text', 'F#/process/args/1'],
  [bundle('"process": {"args": ["a"], "cwd": "srv"}'), 'process.cwd is not absolute', 'F#/process/cwd'],
  [process('"env": ["A"]'), 'not a variable', 'F#/process/env/0'],
  [process('"env": {"A": "B"}'), 'process.env is not a list', 'F#/process/env'],
  [process('"user": {"uid": "root"}'), 'uid is not a whole number', 'F#/process/user/uid'],
  [process('"user": {"uid": 4294967296}'), 'not the id of a user', 'F#/process/user/uid'],
  [process('"rlimits": [{"type": "RLIMIT_FILES", "soft": 1, "hard": 1}]'), 'not a resource limit', 'F#/process/rlimits/0'],
  [process('"rlimits": [{"type": "RLIMIT_CORE", "soft": 1}]'), 'RLIMIT_CORE needs a soft and a hard value', 'F#/process/rlimits/0'],
  [process('"rlimits": [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]'), 'the soft limit is above the hard one', 'F#/process/rlimits/0'],
  [process('"terminal": "yes"'), 'process.terminal is neither true nor false', 'F#/process/terminal'],
  [bundle('"root": {"readonly": true}'), 'the path of the root is missing', 'F#/root'],
  [bundle('"root": {"path": ""}'), 'the path of the root is empty', 'F#/root/path'],
  [bundle('"mounts": [{"source": "/x"}]'), 'the destination of the mount is missing', 'F#/mounts/0'],
  [bundle('"mounts": [{"destination": "x"}]'), 'the destination of the mount is missing or not absolute', 'F#/mounts/0/destination'],
  [bundle('"mounts": [{"destination": "/x", "options": ["bind"]}]'), 'the source of a bind is missing', 'F#/mounts/0'],
  [linux('"resources": {"memory": {"limit": "1g"}}'), 'memory.limit is not a whole number', 'F#/linux/resources/memory/limit'],
  [
    linux('"resources": {"memory": {"limit": 20, "swap": 10}}'),
    'memory and swap together are less than memory',
    'F#/linux/resources/memory/swap',
  ],
  [linux('"resources": {"cpu": {"cpus": "a-b"}}'), 'not a set of CPUs', 'F#/linux/resources/cpu/cpus'],
  [linux('"resources": {"cpu": {"quota": 1, "period": 100000}}'), 'not a number of cores', 'F#/linux/resources/cpu/quota'],
  [linux('"resources": {"unified": {"memory.max": "1x"}}'), 'not a whole number', 'F#/linux/resources/unified/memory.max'],
  [linux('"devices": [{"type": "c"}]'), 'the path of the device is missing', 'F#/linux/devices/0'],
  [bundle('"linux": {"namespaces": [{"type": "net"}]}'), 'not a type of namespace', 'F#/linux/namespaces/0/type'],
  [bundle('"linux": {"namespaces": [{"type": "pid"}, {"type": "pid"}]}'), 'the same namespace twice', 'F#/linux/namespaces/1/type'],
  ['{"ociVersion": "1.0.0", "a": "\u0001"}', 'the document is not text', 'F:1:31'],
  ['{"ociVersion": "1.0.0", "process": {"args": ["a"]}, "process": {"args": ["b\\":"]}}', 'the same key twice in one map', 'F:1:53'],
  [bundle(`"a": ${'['.repeat(100)}${']'.repeat(100)}`), 'nested too deeply', `F#/a${'/0'.repeat(64)}`],
];

describe('import of OCI bundles', () => {
  for (const [name, expected] of Object.entries(EXPECTED))
    it(`reads ${name}`, async () => {
      const foreign = fixture('oci', name);
      expectRecognised(OCI_FORMAT, foreign);
      const draft = await OCI_FORMAT.read(foreign);
      expect(plain(draft)).to.deep.include(expected);
      await expectValid(draft);
    });

  it('takes the root as image, where the directory of the bundle is known', async () => {
    const draft = await OCI_FORMAT.read({...fixture('oci', '01-crun-spec.json'), file: '/srv/bundles/a/config.json'});
    expect(draft.fields.get('image')).to.deep.equal({
      value: '/srv/bundles/a/rootfs',
      origin: {at: '/srv/bundles/a/config.json#/root/path', as: 'root.path: rootfs'},
    });
    const bound = await OCI_FORMAT.read({...fixture('oci', '08-node.json'), file: '/srv/bundles/a/config.json'});
    expect(bound.left.at(-2)?.because).to.include('/srv/bundles/a/input');
  });

  for (const [text, message, where] of BROKEN)
    it(`refuses ${JSON.stringify(text).slice(0, 120)}`, async () => {
      const [error, ...others] = await errorsOf(OCI_FORMAT, written(text, 'F'));
      expect(others.map((one) => one.message)).to.deep.equal([]);
      expect(error?.details.message).to.include(message);
      expect(error?.details.where).to.equal(where);
    });

  it('prints a job, or an error with its place, of whatever it is changed to', async function () {
    this.timeout(120_000);
    await neverCrashes(
      'oci',
      Object.keys(EXPECTED).map((name) => fixture('oci', name).text),
      500,
    );
  });

  it('makes a draft or an error of whatever a bundle is changed to', async function () {
    this.timeout(120_000);
    await expectRobust(
      OCI_FORMAT,
      Object.keys(EXPECTED).map((name) => fixture('oci', name)),
      1000,
    );
  });
});
