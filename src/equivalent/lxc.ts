/** Plan to a configuration of LXC (lxc.container.conf(5)), and the command that starts it. */

import {
  COMMON,
  INNER,
  ONE_COMMAND_EACH,
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
import {PERIOD_US, innerWords, pointsNeeded, programComment, quotaUs, stayWritable} from './common.js';
import type {Mount} from './mounts.js';
import type {Outline} from './outline.js';
import {wholeEnvironment, type Program} from './programs.js';
import {fstabField, lxcValue, oneLine, shellWords} from './quote.js';

/** LXC: a configuration that lxc-start takes. */
export const LXC: Tool = {
  title: 'LXC',
  aspects: {
    ...COMMON,
    payload: differs('the words after lxc-start', 'the command is process 1 of its PID namespace.'),
    status: missing('lxc-start ends with 0 whatever happened; lxc-execute tells, but its own init is process 1.'),
    environment: differs('lxc.environment', 'the command has what the text names, and nothing else of the caller’s.'),
    account: differs(
      'lxc.init.uid, lxc.init.gid, lxc.init.groups',
      'a user’s box has the user alone, as its uid 0.',
      ({isRoot}) => !isRoot,
    ),
    privileges: same('lxc.cap.keep, lxc.no_new_privs'),
    filter: missing('no filter is loaded: lxc.seccomp.profile takes one in LXC’s own format.'),
    namespaces: differs('pid, mount, ipc, uts always; lxc.idmap', 'root’s box has no user namespace of its own.', ({isRoot}) => isRoot),
    network: differs('lxc.net.0.type', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: differs('lxc.uts.name', '/etc/hosts and its like stay the node’s.'),
    root: same('lxc.rootfs.path, lxc.mount.entry'),
    temporary: differs('lxc.mount.entry, tmpfs', '/tmp and /var/tmp are in memory, and count as the job’s.'),
    kernelFiles: same('lxc.mount.auto'),
    devices: differs('lxc.autodev', '/dev has LXC’s own devices, and is not read-only.'),
    view: missing('the files of the node or the image stay read-only; lxc.rootfs.path = overlay:LOWER:UPPER makes a view by hand.'),
    image: differs(
      'lxc.rootfs.path',
      'an archive is unpacked by hand before.',
      ({root}) => root.kind === 'image' && root.tree === null && root.format !== 'squashfs',
    ),
    groups: differs('lxc.cgroup, lxc.cgroup2', 'the groups are not below the caller’s, unless lxc.cgroup.relative = 1 is added.'),
    cpuWeight: same('cpu.weight'),
    killsAll: byOomGroup('memory.oom.group'),
    oomScore: same('lxc.proc.oom_score_adj'),
    first: asFirst('lxc-start'),
    applications: ONE_COMMAND_EACH,
  },
  limits: {
    ...INNER,
    ...rlimitAnswers('lxc.prlimit.NAME'),
    cores: same('cpu.max, cpu.cfs_quota_us'),
    pinCores: same('cpuset.cpus'),
    memory: same('memory.max, memory.limit_in_bytes'),
    memoryHigh: differs('memory.high', 'only control groups of version 2 have it.', ({groups}) => groups === 1),
    swap: differs(
      'memory.swap.max, memory.memsw.limit_in_bytes',
      'where the kernel does not count swap for groups none is written, nor with version 1 without a limit on memory.',
      ({limits, groups, countsSwap}) => !countsSwap || (groups === 1 && limits.memory === null),
    ),
    processes: same('pids.max'),
    scratch: differs('size of a tmpfs', '/tmp and /var/tmp have the limit each, and an image has none.'),
  },
  express,
};

function express(outline: Outline): Expressed {
  const {name, startOrder} = outline;
  const start = (program: Program, container: string): string =>
    shellWords([
      'lxc-start',
      '-F',
      '-n',
      container,
      '-f',
      `${name}.conf`,
      ...directoryOf(outline, program),
      '--',
      ...innerWords(outline),
      ...program.argv,
    ]);
  const notes: Note[] = [...stayWritable(outline.mounts), ...pointsNeeded(outline.mounts), ...notesOf(outline)];
  const lines = [
    ...rootLines(outline),
    ...mountLines(outline, notes),
    ...groupLines(outline),
    ...processLines(outline),
    ...environmentLines(outline, notes),
  ];
  const uses = startOrder.flatMap((program) => {
    const container = program.name === null ? name : `${name}-${program.name}`;
    return [...programComment(program), start(program, container)];
  });
  return {use: [`put this text into ${name}.conf, then:`, ...uses], body: {kind: 'lines', text: lines.join('\n')}, notes};
}

/** The first program's directory and environment are in the text; another's are on its command line (lxc-start -s). */
function directoryOf({programs: [first]}: Outline, program: Program): string[] {
  if (program === first) return [];
  const {workDirectory} = program;
  return lxcValue(workDirectory) === null ? [] : ['-s', `lxc.init.cwd=${workDirectory}`];
}

function notesOf({programs, root, isRoot}: Outline): Note[] {
  const own = programs.slice(1).filter(({changes, cores, memory}) => changes.length > 0 || cores !== null || memory !== null);
  const hasLines = root.kind === 'image' && lxcValue(root.tree ?? root.path) === null;
  return [
    ...(hasLines ? [{about: 'image.take', text: `its path holds ${UNWRITTEN}: the container does not start.`}] : []),
    ...own.map(({name, changes}) => ({
      about: 'application.execute',
      text: `${name ?? '-'} has variables or limits of its own, which the text has not: ${changes.map((each) => each.name).join(', ') || 'limits'}.`,
    })),
    ...(root.kind === 'image' && root.tree === null && root.format !== 'squashfs'
      ? [{about: 'image.take', text: `${root.path}.root stands for the directory in which the image’s files are.`}]
      : []),
    ...(isRoot
      ? []
      : [{about: 'cgroup.create', text: 'a user’s LXC needs groups that the user may write to, or the lines lxc.cgroup2 taken away.'}]),
  ];
}

function rootLines({name, hostname, root, network, isRoot, account, mode}: Outline): string[] {
  const place = root.kind === 'node' ? '/' : root.format === 'squashfs' ? `loop:${root.path}` : (root.tree ?? `${root.path}.root`);
  return [
    `lxc.uts.name = ${hostname ?? name}`,
    `lxc.rootfs.path = ${lxcValue(place) ?? oneLine(place)}`,
    ...(root.kind === 'node' && root.writable ? [] : ['lxc.rootfs.options = ro']),
    `lxc.net.0.type = ${network === 'host' ? 'none' : 'empty'}`,
    'lxc.tty.max = 0',
    'lxc.console.path = none',
    'lxc.apparmor.profile = unchanged',
    ...(isRoot ? [] : [`lxc.idmap = u 0 ${String(account.uid)} 1`, `lxc.idmap = g 0 ${String(account.gid)} 1`]),
    ...(mode === 'box' ? ['lxc.mount.auto = proc:mixed sys:ro'] : ['lxc.mount.auto = proc:rw sys:rw']),
  ];
}

/** What a value of the format has no escape for. */
const UNWRITTEN = 'a line end, or another control or format character, which the text cannot';

/** null: a path of it cannot be written. */
function entry(source: string, destination: string, type: string, options: readonly string[]): string | null {
  const paths = [source, destination.slice(1)].map(fstabField);
  return paths.includes(null) ? null : `lxc.mount.entry = ${paths.join(' ')} ${type} ${options.join(',')} 0 0`;
}

/** @param notes gets what an entry cannot hold */
function mountLines({mounts, limits: {scratch}}: Outline, notes: Note[]): string[] {
  return mounts.list.flatMap((mount) => {
    const line = mountLine(mount, scratch);
    if (line !== null) return [line];
    notes.push({
      about: mount.kind === 'tmpfs' ? 'mount.tmpfs' : 'mount.bind',
      text: `${mount.destination} begins with #, or holds a control or format character, or its source does, which an entry cannot: it is not mounted.`,
    });
    return [];
  });
}

function mountLine(mount: Mount, scratch: number | null): string | null {
  const memory = (mode: string, bytes: number | null, access: string): string[] => [
    ...[access, 'nosuid', 'nodev', `mode=${mode}`],
    ...(bytes === null ? [] : [`size=${String(bytes)}`]),
    'create=dir',
  ];
  switch (mount.kind) {
    case 'bind': {
      const access = mount.writable || mount.device ? 'rw' : 'ro';
      const made = mount.isFile || mount.device ? 'create=file' : 'create=dir';
      return entry(mount.source, mount.destination, 'none', [mount.isFile || mount.device ? 'bind' : 'rbind', access, made]);
    }
    case 'private':
      return entry('tmpfs', mount.destination, 'tmpfs', memory('1777', scratch, 'rw'));
    case 'tmpfs':
      return entry('tmpfs', mount.destination, 'tmpfs', memory(mount.mode, mount.bytes, mount.readOnly && !mount.holds ? 'ro' : 'rw'));
  }
}

/** The kernel's own files: of version 1 the limit on memory and swap together is not less than that on memory. */
function groupLines(outline: Outline): string[] {
  const {limits, cpus, versionOf} = outline;
  const files: Record<'memory' | 'cpu' | 'cpuset' | 'pids', Files> = {
    memory: memoryFiles(outline),
    cpu: cpuFiles(outline),
    cpuset: [['cpuset.cpus', cpus]],
    pids: [['pids.max', limits.processes]],
  };
  return (Object.keys(files) as (keyof typeof files)[]).flatMap((controller) =>
    files[controller].flatMap(([file, value]) =>
      value === null ? [] : [`lxc.cgroup${versionOf(controller) === 1 ? '' : '2'}.${file} = ${String(value)}`],
    ),
  );
}

type Files = (readonly [file: string, value: number | string | null])[];

function memoryFiles({limits: {memory, memoryHigh, swap}, groups, countsSwap, killsAll}: Outline): Files {
  if (groups === 1)
    return [
      ['memory.limit_in_bytes', memory],
      ['memory.memsw.limit_in_bytes', memory === null || swap === null || !countsSwap ? null : memory + Math.max(swap, PAGE_BYTES)],
    ];
  return [
    ['memory.max', memory],
    ['memory.high', memoryHigh],
    ['memory.swap.max', countsSwap ? swap : null],
    ['memory.oom.group', killsAll ? 1 : null],
  ];
}

function cpuFiles({limits: {cores}, versionOf, cpuWeight}: Outline): Files {
  const quota = cores === null ? null : quotaUs(cores);
  if (versionOf('cpu') === 1)
    return [
      ['cpu.cfs_period_us', quota === null ? null : PERIOD_US],
      ['cpu.cfs_quota_us', quota],
    ];
  return [
    ['cpu.max', quota === null ? null : `${String(quota)} ${String(PERIOD_US)}`],
    ['cpu.weight', cpuWeight],
  ];
}

const PAGE_BYTES = 4096;

function processLines({programs, rlimits, mode, isRoot, account, oomScore}: Outline): string[] {
  const [program] = programs;
  const directory = lxcValue(program.workDirectory);
  return [
    ...(isRoot ? [`lxc.init.uid = ${String(account.uid)}`, `lxc.init.gid = ${String(account.gid)}`] : []),
    ...(isRoot && account.groups.length > 0 ? [`lxc.init.groups = ${account.groups.join(',')}`] : []),
    ...(directory === null ? [] : [`lxc.init.cwd = ${directory}`]),
    ...(mode === 'box' ? ['lxc.cap.keep = none', 'lxc.no_new_privs = 1'] : []),
    ...rlimits.map(({name, soft, hard}) => `lxc.prlimit.${name} = ${String(soft)}:${String(hard)}`),
    ...(oomScore === null ? [] : [`lxc.proc.oom_score_adj = ${String(oomScore)}`]),
  ];
}

/** @param notes gets what a line cannot hold */
function environmentLines({kept, changes, programs}: Outline, notes: Note[]): string[] {
  const [program] = programs;
  if (programs.some(({workDirectory}) => lxcValue(workDirectory) === null))
    notes.push({about: 'payload.execute', text: `the work directory holds ${UNWRITTEN}: the command starts in /.`});
  return wholeEnvironment(kept, changes, program.changes).flatMap(({name, value}) => {
    const written = lxcValue(`${name}=${value}`);
    if (written !== null) return [`lxc.environment = ${written}`];
    notes.push({about: 'environment.set', text: `${name} holds ${UNWRITTEN}: it is not set.`});
    return [];
  });
}
