// What a build or a test needs and a fresh machine lacks: system packages and node_modules. Does nothing when all is there.
import {spawnSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {Stop, root, step, which} from './steps.mjs';

/** `cc -print-file-name` answers with the bare name when the compiler does not have the file. */
function compilerHas(file) {
  const compiler = which('gcc') ?? which('cc');
  if (compiler === null) return false;
  const answer = spawnSync(compiler, [`-print-file-name=${file}`], {encoding: 'utf8'});
  return answer.status === 0 && path.isAbsolute(answer.stdout.trim());
}

/** A clang that links libFuzzer, the newest first: its runtime is a package of its own. null: there is none. */
export function clangWithFuzzer() {
  const processor = {x64: 'x86_64', arm64: 'aarch64'}[process.arch];
  for (const name of ['clang', ...[22, 21, 20, 19, 18, 17, 16, 15, 14].map((version) => `clang-${version}`)]) {
    const clang = which(name);
    if (clang === null) continue;
    // it answers with the bare name when it does not have the file; where that lies depends on the version
    const places = [`libclang_rt.fuzzer-${processor}.a`, 'libclang_rt.fuzzer.a'].map((file) =>
      (spawnSync(clang, [`-print-file-name=${file}`], {encoding: 'utf8'}).stdout ?? '').trim(),
    );
    if (places.some((place) => path.isAbsolute(place) && existsSync(place))) return clang;
  }
  return null;
}

const pythonHas = (module) => spawnSync('/usr/bin/python3', ['-c', `import ${module}`]).status === 0;

/** Everything that does not come from npm: how to see that it is there, and the packages that bring it. */
const SYSTEM = {
  compiler: {what: 'a C compiler', present: () => which('gcc') !== null, apt: ['gcc'], dnf: ['gcc']},
  libc: {what: 'a static C library', present: () => compilerHas('libc.a'), apt: ['gcc', 'libc6-dev'], dnf: ['gcc', 'glibc-static']},
  sanitizers: {
    what: 'the compiler’s sanitizers',
    present: () => compilerHas('libasan.so'),
    apt: ['gcc'],
    dnf: ['gcc', 'libasan', 'libubsan'],
  },
  fuzzer: {
    what: 'a clang with libFuzzer',
    present: () => clangWithFuzzer() !== null,
    apt: ['clang', 'libclang-rt-dev'],
    dnf: ['clang', 'compiler-rt'],
  },
  make: {what: 'make', present: () => which('make') !== null, apt: ['make'], dnf: ['make']},
  python: {what: 'Python 3', present: () => which('python3') !== null, apt: ['python3'], dnf: ['python3']},
  rpmbuild: {what: 'the builder of RPM packages', present: () => which('rpmbuild') !== null, apt: ['rpm'], dnf: ['rpm-build']},
  condor: {what: 'HTCondor', present: () => which('condor_master') !== null, apt: ['condor'], dnf: ['condor']},
  sshd: {
    what: 'an SSH server, for condor_ssh_to_job',
    present: () => which('sshd') !== null,
    apt: ['openssh-server'],
    dnf: ['openssh-server'],
  },
  qemu: {
    what: 'QEMU for x86-64',
    present: () => which('qemu-system-x86_64') !== null,
    apt: ['qemu-system-x86'],
    dnf: ['qemu-system-x86-core'],
  },
  mmdebstrap: {what: 'mmdebstrap', present: () => which('mmdebstrap') !== null, apt: ['mmdebstrap'], dnf: ['mmdebstrap']},
  strace: {
    what: 'strace, which makes a system call fail in a test',
    present: () => which('strace') !== null,
    apt: ['strace'],
    dnf: ['strace'],
  },
  gdb: {what: 'gdb, which debugs a payload in a test', present: () => which('gdb') !== null, apt: ['gdb'], dnf: ['gdb']},
  openmpi: {
    what: 'OpenMPI with its compiler',
    present: () => which('mpirun') !== null && which('mpicc') !== null,
    apt: ['openmpi-bin', 'libopenmpi-dev'],
    dnf: [],
  },
  java: {what: 'a Java compiler', present: () => which('javac') !== null, apt: ['default-jdk-headless'], dnf: ['java-devel']},
  perf: {what: 'perf', present: () => which('perf') !== null, apt: ['linux-perf'], dnf: ['perf']},
  numpy: {what: 'Python’s numpy', present: () => pythonHas('numpy'), apt: ['python3-numpy'], dnf: ['python3-numpy']},
  dpkg: {what: 'dpkg-deb', present: () => which('dpkg-deb') !== null, apt: ['dpkg'], dnf: ['dpkg']},
  zstd: {what: 'zstd', present: () => which('zstd') !== null, apt: ['zstd'], dnf: ['zstd']},
  xz: {what: 'xz', present: () => which('xz') !== null, apt: ['xz-utils'], dnf: ['xz']},
  mkfs: {what: 'mkfs.ext4', present: () => which('mkfs.ext4') !== null, apt: ['e2fsprogs'], dnf: ['e2fsprogs']},
  cpio: {what: 'cpio', present: () => which('cpio') !== null, apt: ['cpio'], dnf: ['cpio']},
  depmod: {what: 'depmod', present: () => which('depmod') !== null, apt: ['kmod'], dnf: ['kmod']},
  patchelf: {what: 'patchelf', present: () => which('patchelf') !== null, apt: ['patchelf'], dnf: ['patchelf']},
  squashfuse: {
    what: 'squashfuse and mksquashfs, which a payload uses in a test',
    present: () => which('squashfuse') !== null && which('mksquashfs') !== null,
    apt: ['squashfuse', 'squashfs-tools'],
    dnf: ['squashfuse', 'squashfs-tools'],
  },
  fuseOverlayfs: {
    what: 'fuse-overlayfs',
    present: () => which('fuse-overlayfs') !== null,
    apt: ['fuse-overlayfs'],
    dnf: ['fuse-overlayfs'],
  },
  autofs: {what: 'the automounter of the kernel', present: () => which('automount') !== null, apt: ['autofs'], dnf: ['autofs']},
  pythonFuse: {
    what: 'Python’s fuse, which serves a slow repository in a test',
    present: () => pythonHas('fuse'),
    apt: ['python3-fuse'],
    dnf: ['python3-fuse'],
  },
  dirq: {
    what: 'Python’s dirq, which reads our queue in a test',
    present: () => pythonHas('dirq.QueueSimple'),
    apt: ['python3-dirq'],
    dnf: ['python3-dirq'],
  },
  promtool: {
    what: 'promtool, which checks metrics and alert rules',
    present: () => which('promtool') !== null,
    apt: ['promtool'],
    dnf: ['golang-github-prometheus'],
  },
  arex: {
    what: 'ARC’s accounting, which our records are compared with',
    present: () => which('arcctl') !== null,
    apt: ['nordugrid-arc-arex'],
    dnf: ['nordugrid-arc-arex'],
  },
  iproute: {what: 'iproute2', present: () => which('ip') !== null, apt: ['iproute2'], dnf: ['iproute']},
  nftables: {what: 'nftables', present: () => which('nft') !== null, apt: ['nftables'], dnf: ['nftables']},
  passt: {what: 'pasta', present: () => which('pasta') !== null, apt: ['passt'], dnf: ['passt']},
  slirp4netns: {what: 'slirp4netns', present: () => which('slirp4netns') !== null, apt: ['slirp4netns'], dnf: ['slirp4netns']},
  crun: {what: 'crun, an OCI runtime', present: () => which('crun') !== null, apt: ['crun'], dnf: ['crun']},
  uidmap: {what: 'newuidmap', present: () => which('newuidmap') !== null, apt: ['uidmap'], dnf: ['shadow-utils']},
  busybox: {what: 'busybox', present: () => which('busybox') !== null, apt: ['busybox-static'], dnf: ['busybox']},
  ociSchema: {
    what: 'the schema of the OCI runtime specification',
    present: () => existsSync('/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema/config-schema.json'),
    apt: ['golang-github-opencontainers-specs-dev'],
    dnf: ['golang-github-opencontainers-runtime-spec-devel'],
  },
  extrausers: {
    what: 'a module of the name service that knows accounts of its own',
    present: () =>
      ['/lib/x86_64-linux-gnu', '/lib/aarch64-linux-gnu', '/lib64', '/usr/lib'].some((place) =>
        existsSync(`${place}/libnss_extrausers.so.2`),
      ),
    apt: ['libnss-extrausers'],
    dnf: [],
  },
  ce: {
    what: 'a computing element of ARC, its client, and what they use',
    present: () => ['arcctl', 'arcsub', 'sqlite3', 'openssl', 'ip'].every((name) => which(name) !== null) && existsSync('/usr/bin/time'),
    apt: ['nordugrid-arc-arex', 'nordugrid-arc-client', 'time', 'procps', 'iproute2', 'openssl', 'sqlite3'],
    dnf: ['nordugrid-arc-arex', 'nordugrid-arc-client', 'time', 'procps-ng', 'iproute', 'openssl', 'sqlite'],
  },
  slurm: {
    what: 'Slurm and munge',
    present: () => ['slurmctld', 'slurmd', 'srun', 'munged', 'ip'].every((name) => which(name) !== null),
    apt: ['slurmctld', 'slurmd', 'slurm-client', 'munge', 'iproute2'],
    dnf: ['slurm-slurmctld', 'slurm-slurmd', 'slurm', 'munge', 'iproute'],
  },
  ansible: {what: 'Ansible', present: () => which('ansible-playbook') !== null, apt: ['ansible-core'], dnf: ['ansible-core']},
  jq: {what: 'jq', present: () => which('jq') !== null, apt: ['jq'], dnf: ['jq']},
  bubblewrap: {what: 'bubblewrap', present: () => which('bwrap') !== null, apt: ['bubblewrap'], dnf: ['bubblewrap']},
};

/** What compiles native/ and the payload programs. */
export const TOOLCHAIN = ['compiler', 'libc', 'make'];
/** What runs a box. */
export const BOX = ['bubblewrap'];
/** What makes packages besides dpkg-deb, which a Debian system has. */
export const PACKAGERS = ['rpmbuild'];
/** What sets nodes up. */
export const FLEET = ['ansible'];
/** What runs a pool of HTCondor. */
export const POOL = ['condor', 'sshd'];
/** What runs a computing element of ARC. */
export const CE = ['ce'];
/** What runs a cluster of Slurm. */
export const CLUSTER = ['slurm'];
/** What makes and runs a machine with control groups of version 2, see test/lab. */
export const LAB = ['qemu', 'mmdebstrap', 'dpkg', 'zstd', 'xz', 'mkfs', 'cpio', 'depmod', 'patchelf'];
/** What views are made of where the kernel has no overlay for users, and what a limit on scratch is. */
export const VIEWS = ['fuseOverlayfs', 'mkfs', 'python'];
/** What payloads use, and what makes their wrapper's system calls fail. */
export const PAYLOADS = ['squashfuse', 'strace', 'gdb'];
/** The same in a long run: hundreds of MB. */
export const LARGE_PAYLOADS = ['openmpi', 'java', 'perf', 'numpy'];
/** What gives boxes addresses of their own. */
export const NETWORK = ['iproute', 'nftables', 'passt', 'slirp4netns', 'python'];
/** What makes small machines, and images for them. */
export const SYSTEMS = ['crun', 'uidmap', 'busybox', 'ociSchema', 'mmdebstrap'];
/** What stands for the client of CVMFS. */
export const REPOSITORIES = ['squashfuse', 'mkfs', 'python', 'autofs', 'pythonFuse'];
/** What gives accounts that are not in /etc/passwd. */
export const ACCOUNTS = ['extrausers', 'python', 'compiler'];
/** Programs that read what exporters write. */
export const CONSUMERS = ['dirq', 'arex', 'promtool'];
/** What readers of the documents use. */
export const READERS = ['jq', 'iproute'];
/** What the C tests need besides. */
export const C_TESTS = ['sanitizers', 'python'];
/** What feeds the harnesses of the native program. */
export const FUZZ = ['fuzzer'];

/** Enterprise Linux has the static libraries in a repository that is not switched on by default. */
function dnfOptions() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const major = Number(/^VERSION_ID="?(\d+)/m.exec(release)?.[1] ?? Number.NaN);
  const id = /^ID="?([^"\n]*)/m.exec(release)?.[1];
  if (id === 'fedora' || id === 'rhel' || Number.isNaN(major)) return [];
  return [`--enablerepo=${major >= 9 ? 'crb' : 'powertools'}`];
}

/** What is not there of the named entries of SYSTEM, in words. */
export const missing = (names) => names.filter((name) => !SYSTEM[name].present()).map((name) => SYSTEM[name].what);

/** Makes sure of the named entries of SYSTEM: installs what is missing as root, else says what to install. */
export function systemPackages(names) {
  const missing = names.filter((name) => !SYSTEM[name].present());
  if (missing.length === 0) return;
  const packages = (manager) => [...new Set(missing.flatMap((name) => SYSTEM[name][manager]))];
  const manager = which('apt-get') !== null ? 'apt' : which('dnf') !== null ? 'dnf' : null;
  if (manager === null)
    throw new Stop(`Missing: ${missing.map((name) => SYSTEM[name].what).join(', ')}. Install it with this system's package manager.`);
  const command = {
    apt: ['apt-get', 'install', '--yes', '--no-install-recommends', ...packages('apt')],
    dnf: ['dnf', 'install', '--assumeyes', ...dnfOptions(), ...packages('dnf')],
  }[manager];
  if (process.getuid() !== 0) {
    throw new Stop(`Missing: ${missing.map((name) => SYSTEM[name].what).join(', ')}. Install with: sudo ${command.join(' ')}`);
  }
  const env = {DEBIAN_FRONTEND: 'noninteractive'};
  if (manager === 'apt') step('package lists', 'apt-get', ['update'], {env});
  step(`system packages: ${packages(manager).join(' ')}`, command[0], command.slice(1), {env});
  const still = missing.filter((name) => !SYSTEM[name].present());
  if (still.length > 0) throw new Stop(`Still missing after ${command.join(' ')}: ${still.map((name) => SYSTEM[name].what).join(', ')}`);
}

/** The same for what tests can do without: they say themselves that they were skipped. */
export function systemPackagesIfPossible(names) {
  try {
    systemPackages(names);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    console.log(error.message);
  }
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
  } catch {
    return null;
  }
}

/**
 * Whether node_modules is what package-lock.json says, from the list that npm leaves there.
 * Compared by content: after a checkout or a copy the files' times say nothing.
 */
function modulesAreCurrent() {
  const wanted = packagesOf('package-lock.json');
  const installed = packagesOf('node_modules/.package-lock.json');
  if (wanted === null || installed === null) return false;
  return Object.entries(wanted).every(([place, {version, optional, resolved, link}]) => {
    if (!place.startsWith('node_modules/')) return true;
    const found = installed[place];
    if (found === undefined) return optional === true;
    return link === true ? found.resolved === resolved : found.version === version;
  });
}

export function nodeModules() {
  if (modulesAreCurrent()) return;
  if (which('npm') === null) throw new Stop('Missing: npm. Install Node.js with npm.');
  step('npm ci', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

const COMPILER = '@oven/bun-linux-x64-baseline';

/** What compiles the brain, for processors without AVX2 too; an optional package, since nothing but `build:dist` needs it. */
export function compiler() {
  const file = path.join(root, 'node_modules', COMPILER, 'bin/bun');
  if (!existsSync(file))
    throw new Stop(`Missing: the npm package ${COMPILER} (Linux on x86-64 with glibc only). Install it with: npm ci --include=optional`);
  return file;
}

/** package.json says which Node.js is needed; npm itself only warns. */
export function nodeVersion() {
  const floor = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).engines.node;
  const [, major, minor] = /(\d+)\.(\d+)/.exec(floor).map(Number);
  const [nowMajor, nowMinor] = process.versions.node.split('.').map(Number);
  if (nowMajor > major || (nowMajor === major && nowMinor >= minor)) return;
  throw new Stop(`Node.js ${floor} is needed, this is ${process.versions.node}.`);
}
