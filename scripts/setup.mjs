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

/**
 * Everything that does not come from npm. `programs`: it is there when all of them are (the entry's name when absent), or when `present` says so;
 * `apt`: the packages that bring it (the entry's name when absent), `dnf`: the same where they are others.
 */
const SYSTEM = {
  compiler: {what: 'a C compiler', programs: ['gcc'], apt: ['gcc']},
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
  make: {what: 'make'},
  ccache: {what: 'ccache, which keeps what compilers made'},
  python: {what: 'Python 3', programs: ['python3'], apt: ['python3']},
  rpmbuild: {what: 'the builder of RPM packages', apt: ['rpm'], dnf: ['rpm-build']},
  condor: {what: 'HTCondor', programs: ['condor_master']},
  sshd: {what: 'an SSH server, for condor_ssh_to_job', apt: ['openssh-server']},
  qemu: {what: 'QEMU for x86-64', programs: ['qemu-system-x86_64'], apt: ['qemu-system-x86'], dnf: ['qemu-system-x86-core']},
  mmdebstrap: {what: 'mmdebstrap'},
  strace: {what: 'strace, which makes a system call fail in a test'},
  gdb: {what: 'gdb, which debugs a payload in a test'},
  openmpi: {what: 'OpenMPI with its compiler', programs: ['mpirun', 'mpicc'], apt: ['openmpi-bin', 'libopenmpi-dev'], dnf: []},
  java: {what: 'a Java compiler', programs: ['javac'], apt: ['default-jdk-headless'], dnf: ['java-devel']},
  perf: {what: 'perf', apt: ['linux-perf'], dnf: ['perf']},
  numpy: {what: 'Python’s numpy', present: () => pythonHas('numpy'), apt: ['python3-numpy']},
  dpkg: {what: 'dpkg-deb', programs: ['dpkg-deb']},
  zstd: {what: 'zstd'},
  xz: {what: 'xz', apt: ['xz-utils'], dnf: ['xz']},
  mkfs: {what: 'mkfs.ext4', programs: ['mkfs.ext4'], apt: ['e2fsprogs']},
  cpio: {what: 'cpio'},
  depmod: {what: 'depmod', apt: ['kmod']},
  patchelf: {what: 'patchelf'},
  squashfuse: {
    what: 'squashfuse and mksquashfs, which a payload uses in a test',
    programs: ['squashfuse', 'mksquashfs'],
    apt: ['squashfuse', 'squashfs-tools'],
  },
  fuseOverlayfs: {what: 'fuse-overlayfs', programs: ['fuse-overlayfs'], apt: ['fuse-overlayfs']},
  autofs: {what: 'the automounter of the kernel', programs: ['automount']},
  pythonFuse: {what: 'Python’s fuse, which serves a slow repository in a test', present: () => pythonHas('fuse'), apt: ['python3-fuse']},
  dirq: {what: 'Python’s dirq, which reads our queue in a test', present: () => pythonHas('dirq.QueueSimple'), apt: ['python3-dirq']},
  promtool: {what: 'promtool, which checks metrics and alert rules', dnf: ['golang-github-prometheus']},
  arex: {what: 'ARC’s accounting, which our records are compared with', programs: ['arcctl'], apt: ['nordugrid-arc-arex']},
  iproute: {what: 'iproute2', programs: ['ip'], apt: ['iproute2'], dnf: ['iproute']},
  nftables: {what: 'nftables', programs: ['nft']},
  passt: {what: 'pasta', programs: ['pasta']},
  slirp4netns: {what: 'slirp4netns'},
  crun: {what: 'crun, an OCI runtime'},
  lxc: {what: 'LXC', programs: ['lxc-start']},
  podman: {what: 'Podman', programs: ['podman', 'conmon']},
  docker: {what: 'Docker', programs: ['dockerd', 'docker'], apt: ['docker.io', 'docker-cli'], dnf: []},
  uidmap: {what: 'newuidmap', programs: ['newuidmap'], apt: ['uidmap'], dnf: ['shadow-utils']},
  busybox: {what: 'busybox', apt: ['busybox-static'], dnf: ['busybox']},
  libvirt: {
    what: 'libvirt with its driver for LXC',
    present: () => ['libvirtd', 'virsh'].every((name) => which(name) !== null) && existsSync('/usr/lib/libvirt/libvirt_lxc'),
    apt: ['libvirt-daemon', 'libvirt-daemon-driver-lxc', 'libvirt-clients'],
    // Enterprise Linux has the driver no more
    dnf: [],
  },
  ps: {what: 'ps', apt: ['procps'], dnf: ['procps-ng']},
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
    programs: ['slurmctld', 'slurmd', 'srun', 'munged', 'ip'],
    apt: ['slurmctld', 'slurmd', 'slurm-client', 'munge', 'iproute2'],
    dnf: ['slurm-slurmctld', 'slurm-slurmd', 'slurm', 'munge', 'iproute'],
  },
  ansible: {what: 'Ansible', programs: ['ansible-playbook'], apt: ['ansible-core']},
  jq: {what: 'jq'},
  bubblewrap: {what: 'bubblewrap', programs: ['bwrap']},
};

function isThere(name) {
  const {programs = [name], present = () => programs.every((program) => which(program) !== null)} = SYSTEM[name];
  return present();
}

function packagesOf(name, manager) {
  const {apt = [name], dnf = apt} = SYSTEM[name];
  return {apt, dnf}[manager];
}

/** Debian's packages that bring the named entries of SYSTEM. */
export const debianPackages = (names) => [...new Set(names.flatMap((name) => packagesOf(name, 'apt')))];

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
/** Engines that build boxes beside bubblewrap. */
export const ENGINES = ['lxc', 'podman', 'docker', 'libvirt', 'qemu'];
/** What makes small machines, and images for them. */
export const SYSTEMS = ['crun', 'uidmap', 'busybox', 'ociSchema', 'mmdebstrap'];
/** What stands for the client of CVMFS. */
export const REPOSITORIES = ['squashfuse', 'mkfs', 'python', 'autofs', 'pythonFuse'];
/** What gives accounts that are not in /etc/passwd. */
export const ACCOUNTS = ['extrausers', 'python', 'compiler'];
/** Programs that read what exporters write. */
export const CONSUMERS = ['dirq', 'arex', 'promtool'];
/** Programs that run what plans are as texts of other tools. */
export const TOOLS = ['crun', 'libvirt', 'ps'];
/** What readers of the documents use. */
export const READERS = ['jq', 'iproute', 'ps'];
/** What the C tests need besides. */
export const C_TESTS = ['sanitizers', 'python'];
/** What feeds the harnesses of the native program. */
export const FUZZ = ['fuzzer'];
/** What spares compiling for tests once more what has not changed, for a checkout in another folder too. */
export const CACHE = ['ccache'];

/** Enterprise Linux has the static libraries in a repository that is not switched on by default. */
function dnfOptions() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const major = Number(/^VERSION_ID="?(\d+)/m.exec(release)?.[1] ?? Number.NaN);
  const id = /^ID="?([^"\n]*)/m.exec(release)?.[1];
  if (id === 'fedora' || id === 'rhel' || Number.isNaN(major)) return [];
  return [`--enablerepo=${major >= 9 ? 'crb' : 'powertools'}`];
}

/** What is not there of the named entries of SYSTEM, in words. */
export const missing = (names) => names.filter((name) => !isThere(name)).map((name) => SYSTEM[name].what);

/** Makes sure of the named entries of SYSTEM: installs what is missing as root, else says what to install. */
export function systemPackages(names) {
  const absent = names.filter((name) => !isThere(name));
  if (absent.length === 0) return;
  const what = missing(absent).join(', ');
  const manager = which('apt-get') !== null ? 'apt' : which('dnf') !== null ? 'dnf' : null;
  if (manager === null) throw new Stop(`Missing: ${what}. Install it with this system's package manager.`);
  const packages = [...new Set(absent.flatMap((name) => packagesOf(name, manager)))];
  const command = {
    apt: ['apt-get', 'install', '--yes', '--no-install-recommends', ...packages],
    dnf: ['dnf', 'install', '--assumeyes', ...dnfOptions(), ...packages],
  }[manager];
  if (process.getuid() !== 0) throw new Stop(`Missing: ${what}. Install with: sudo ${command.join(' ')}`);
  const env = {DEBIAN_FRONTEND: 'noninteractive'};
  if (manager === 'apt') step('package lists', 'apt-get', ['update'], {env});
  step(`system packages: ${packages.join(' ')}`, command[0], command.slice(1), {env});
  const still = missing(absent);
  if (still.length > 0) throw new Stop(`Still missing after ${command.join(' ')}: ${still.join(', ')}`);
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

function packagesIn(file) {
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
  const wanted = packagesIn('package-lock.json');
  const installed = packagesIn('node_modules/.package-lock.json');
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

/** What compiles the supervisor, for processors without AVX2 too; an optional package, since nothing but `build:dist` needs it. */
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
