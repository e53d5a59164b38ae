/** Plan to a bundle's config.json of the OCI runtime specification, for crun(1) and runc(8). Here the payload is the process: there is no init of Tare's. */

import {builtinProfile} from '../engine/seccomp.js';
import {
  COMMON,
  INNER,
  ONE_COMMAND,
  asFirst,
  byOomGroup,
  differs,
  missing,
  rlimitAnswers,
  same,
  type Expressed,
  type Note,
  type Tool,
} from './answers.js';
import {PERIOD_US, innerWords, limitOf, otherPrograms, pointsNeeded, quotaUs} from './common.js';
import {nodeDirectories, type Mount} from './mounts.js';
import type {Outline} from './outline.js';
import {wholeEnvironment} from './programs.js';

/** The bundle of an OCI runtime. */
export const OCI: Tool = {
  title: 'OCI runtimes (crun, runc)',
  aspects: {
    ...COMMON,
    payload: differs('process.args', 'open descriptors over 2 are passed on by --preserve-fds only.'),
    status: differs(
      'the runtime’s own',
      'a command that a signal ended is 128 and its number; the runtime’s own failures are 1, or 125 to 127.',
    ),
    environment: differs('process.env', 'the process has what the text names, and nothing else of the caller’s.'),
    account: differs('process.user', 'a user’s box has the user alone, as its uid 0.', ({isRoot}) => !isRoot),
    privileges: same('process.capabilities, process.noNewPrivileges'),
    filter: differs(
      'linux.seccomp',
      'the filter is not that of the file: put its object here by hand.',
      ({filter}) => filter?.startsWith('/') ?? false,
    ),
    namespaces: differs('linux.namespaces', 'root’s box has no user namespace of its own.', ({isRoot}) => isRoot),
    network: differs(
      'a network namespace',
      'the box gets no address of its own, and its loopback device may be down.',
      ({network}) => network !== 'host',
    ),
    hostname: differs('hostname', '/etc/hosts and its like stay the node’s.'),
    root: differs(
      'root, mounts',
      'of the node the box has these directories, and not what else is at /; read-only is each directory’s own file system, and not what is mounted below it.',
      ({root}) => root.kind === 'node',
    ),
    temporary: differs('mounts, tmpfs', '/tmp and /var/tmp are in memory, and count as the job’s.'),
    kernelFiles: same('mounts, proc; linux.maskedPaths, linux.readonlyPaths'),
    devices: same('mounts; the runtime makes null, zero, full, random, urandom and tty'),
    view: missing('a runtime makes no copy-on-write view: the files of the node or the image stay read-only.'),
    image: differs(
      'root.path',
      'a runtime takes a directory: another image is unpacked or mounted by hand before.',
      ({root}) => root.kind === 'image' && root.format !== 'directory',
    ),
    groups: differs(
      'linux.resources',
      'the runtime makes a group where it likes, and not below the caller’s, unless linux.cgroupsPath says so.',
    ),
    cpuWeight: differs('linux.resources.unified, cpu.weight', 'only control groups of version 2 have it.', ({groups}) => groups === 1),
    killsAll: byOomGroup('linux.resources.unified, memory.oom.group'),
    oomScore: same('process.oomScoreAdj'),
    first: asFirst('process.args'),
    applications: ONE_COMMAND,
  },
  limits: {
    ...INNER,
    ...rlimitAnswers('process.rlimits'),
    cores: same('linux.resources.cpu.quota'),
    pinCores: same('linux.resources.cpu.cpus'),
    memory: same('linux.resources.memory.limit'),
    memoryHigh: differs('linux.resources.unified, memory.high', 'only control groups of version 2 have it.', ({groups}) => groups === 1),
    swap: differs(
      'linux.resources.memory.swap',
      'without a limit on memory, or where the kernel does not count swap for groups, none is written.',
      ({limits, countsSwap}) => limits.memory === null || !countsSwap,
    ),
    processes: same('linux.resources.pids.limit'),
    scratch: differs('size of a tmpfs', '/tmp and /var/tmp have the limit each, and the work directory and views have none.'),
  },
  express,
};

/** A bundle’s own directory, in which the runtime makes the places to mount on. */
const OWN_ROOT = 'rootfs';

function express(outline: Outline): Expressed {
  const {root} = outline;
  const make = root.kind === 'image' ? 'mkdir bundle' : `mkdir -p bundle/${OWN_ROOT}`;
  return {
    use: [`${make}; put this text into bundle/config.json; crun run --bundle bundle ${outline.name}`],
    body: {kind: 'json', value: configOf(outline)},
    notes: [...otherPrograms(outline), ...pointsNeeded(outline.mounts), ...notesOf(outline)],
  };
}

function notesOf({root, isRoot}: Outline): Note[] {
  const notes: Note[] = [];
  if (root.kind === 'image' && root.tree === null)
    notes.push({about: 'image.take', text: `${OWN_ROOT} stands for the directory in which the files of ${root.path} are.`});
  if (!isRoot)
    notes.push({
      about: 'cgroup.create',
      text: 'a user’s runtime limits nothing unless systemd, or somebody else, hands groups to the user.',
    });
  return notes;
}

function configOf(outline: Outline): Record<string, unknown> {
  const {root, hostname, filter, protect} = outline;
  const kinds = namespacesOf(outline);
  const uts = kinds.includes('uts');
  return {
    ociVersion: '1.0.2',
    ...(hostname === null || !uts ? {} : {hostname}),
    root: {path: root.kind === 'image' && root.tree !== null ? root.tree : OWN_ROOT, readonly: true},
    process: processOf(outline),
    mounts: mountsOf(outline),
    linux: {
      namespaces: kinds.map((type) => ({type})),
      ...mappingsOf(outline),
      resources: resourcesOf(outline),
      rootfsPropagation: 'private',
      ...(filter === null || filter.startsWith('/') ? {} : {seccomp: seccompOf(outline, filter === 'pilot' ? 'pilot' : 'default')}),
      ...(protect === null ? {} : {maskedPaths: protect.masked, readonlyPaths: protect.readOnly}),
    },
  };
}

const seccompOf = ({system, surroundings}: Outline, profile: 'default' | 'pilot'): Record<string, unknown> => ({
  ...builtinProfile(profile, system),
  architectures: surroundings.architectures,
});

/** A runtime needs a mount namespace, and a user the user's own. */
function namespacesOf({namespaces, isRoot}: Outline): string[] {
  const kinds = ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup'].filter((kind) => kind === 'mount' || namespaces.includes(kind));
  return isRoot ? kinds : ['user', ...kinds];
}

function mappingsOf({isRoot, account: {uid, gid}}: Outline): Record<string, unknown> {
  if (isRoot) return {};
  return {
    uidMappings: [{containerID: 0, hostID: uid, size: 1}],
    gidMappings: [{containerID: 0, hostID: gid, size: 1}],
  };
}

function processOf(outline: Outline): Record<string, unknown> {
  const {programs, changes, kept, isRoot, account, oomScore, rlimits} = outline;
  const [program] = programs;
  const none: string[] = [];
  return {
    terminal: false,
    user: isRoot ? {uid: account.uid, gid: account.gid, additionalGids: account.groups} : {uid: 0, gid: 0},
    args: [...innerWords(outline), ...program.argv],
    env: wholeEnvironment(kept, changes, program.changes).map(({name, value}) => `${name}=${value}`),
    cwd: program.workDirectory,
    capabilities: {bounding: none, effective: none, permitted: none, inheritable: none, ambient: none},
    noNewPrivileges: true,
    ...(oomScore === null ? {} : {oomScoreAdj: oomScore}),
    rlimits: rlimits.map(({name, soft, hard}) => ({type: `RLIMIT_${name.toUpperCase()}`, soft, hard})),
  };
}

/** config-linux.md, Control groups. `swap` is memory and swap together. */
function resourcesOf(outline: Outline): Record<string, unknown> {
  const {programs, limits, cpus, cpuWeight, groups, killsAll, countsSwap, versionOf} = outline;
  const memory = limitOf(outline, programs[0], 'memory');
  const cores = limitOf(outline, programs[0], 'cores');
  const unified = {
    ...(limits.memoryHigh === null ? {} : {'memory.high': String(limits.memoryHigh)}),
    ...(killsAll ? {'memory.oom.group': '1'} : {}),
    ...(cpuWeight === null || versionOf('cpu') === 1 ? {} : {'cpu.weight': String(cpuWeight)}),
  };
  const cpu = {
    ...(cores === null ? {} : {quota: quotaUs(cores), period: PERIOD_US}),
    ...(cpus === null ? {} : {cpus}),
  };
  return {
    ...(memory === null ? {} : {memory: {limit: memory, ...(limits.swap === null || !countsSwap ? {} : {swap: memory + limits.swap})}}),
    ...(Object.keys(cpu).length === 0 ? {} : {cpu}),
    ...(limits.processes === null ? {} : {pids: {limit: limits.processes}}),
    ...(groups === 1 || Object.keys(unified).length === 0 ? {} : {unified}),
  };
}

interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

const memory = (destination: string, mode: string, bytes: number | null, ...more: string[]): OciMount => ({
  destination,
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'nodev', `mode=${mode}`, ...(bytes === null ? [] : [`size=${String(bytes)}`]), ...more],
});

function mountsOf(outline: Outline): OciMount[] {
  const {root, mounts, limits, namespaces, surroundings, mode} = outline;
  const ready = mode === 'box';
  const proc: OciMount = namespaces.includes('pid')
    ? {destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev']}
    : {destination: '/proc', type: 'bind', source: '/proc', options: ['rbind']};
  return [
    ...nodeDirectories(root, surroundings.looks).map((mount) => ociMount(mount, null)),
    proc,
    {destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', 'ro']},
    ...(ready
      ? devices(mounts.queues !== null, mounts.devIsReadOnly)
      : [{destination: '/dev', type: 'bind', source: '/dev', options: ['rbind']}]),
    ...(ready ? [] : [{destination: '/tmp', type: 'bind', source: '/tmp', options: ['rbind']}]),
    ...mounts.list.map((mount) => ociMount(mount, limits.scratch)),
  ];
}

const devices = (queues: boolean, readOnly: boolean): OciMount[] => [
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k', ...(readOnly ? ['ro'] : [])],
  },
  {destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620']},
  ...(queues ? [{destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev']}] : []),
];

function ociMount(mount: Mount, scratch: number | null): OciMount {
  switch (mount.kind) {
    case 'bind':
      return {
        destination: mount.destination,
        type: 'bind',
        source: mount.source,
        options: ['rbind', mount.writable || mount.device ? 'rw' : 'ro', ...(mount.device ? [] : ['nodev'])],
      };
    case 'tmpfs':
      return memory(mount.destination, mount.mode, mount.bytes, ...(mount.readOnly ? ['ro'] : []));
    case 'private':
      return memory(mount.destination, '1777', scratch);
  }
}
