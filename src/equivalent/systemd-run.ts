/** Plan to a command of systemd-run(1): a transient service, with the properties of systemd.exec(5) and systemd.resource-control(5). */

import {COMMON, ONE_COMMAND_EACH, differs, missing, same, type Expressed, type Note, type Tool} from './answers.js';
import {changesOf, keptNames, limitOf, pointsNeeded, programComment, throughShell} from './common.js';
import type {Mount} from './mounts.js';
import {seconds, type Outline} from './outline.js';
import type {Program} from './programs.js';
import {propertyWord, shellLines, shellWords} from './quote.js';

/** systemd-run: a service that systemd starts, limits and waits for. */
export const SYSTEMD_RUN: Tool = {
  title: 'systemd-run',
  aspects: {
    ...COMMON,
    payload: differs('--pipe', 'no open descriptor over 2 is passed on.'),
    status: differs('--wait', 'a command that a signal or a limit ended is 1; systemd’s own failures are 200 to 243.'),
    environment: differs('--setenv', 'of the caller’s environment only what is named is passed on; the rest is that of systemd.'),
    account: same('User, Group, SupplementaryGroups'),
    privileges: same('CapabilityBoundingSet, NoNewPrivileges'),
    filter: missing('no filter is loaded: SystemCallFilter takes lists of calls, and none of their arguments.'),
    namespaces: differs(
      'PrivateIPC, ProtectProc, ProtectHostname',
      'there is no PID namespace before systemd 257: processes of the account are seen.',
    ),
    network: differs('PrivateNetwork', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: missing('the host name, /etc/hosts and its like are the node’s.'),
    root: same('ProtectSystem=strict, BindPaths, BindReadOnlyPaths, TemporaryFileSystem'),
    temporary: differs(
      'PrivateTmp, TemporaryFileSystem',
      'with a limit on scratch /tmp and /var/tmp are in memory, and count as the job’s.',
      ({limits}) => limits.scratch !== null,
    ),
    kernelFiles: differs('ProtectKernelTunables, ProtectProc', '/proc is the node’s, without what other accounts run.'),
    devices: differs('PrivateDevices, DeviceAllow', '/dev has the usual devices, and no terminals of the box’s own.'),
    view: missing('the files of the node or the image stay read-only.'),
    image: differs(
      'RootDirectory, RootImage',
      'an archive is unpacked by hand before.',
      ({root}) => root.kind === 'image' && root.tree === null && root.format !== 'squashfs',
    ),
    groups: differs(
      'a service of systemd',
      'the group is not below the caller’s, so the batch system’s limits do not hold; --slice names another place.',
    ),
    cpuWeight: same('CPUWeight'),
    killsAll: same('OOMPolicy=kill'),
    oomScore: same('OOMScoreAdjust'),
    first: missing('the command is one process among those of the node; PrivatePIDs is of systemd 257.', ({isFirst}) => isFirst),
    applications: ONE_COMMAND_EACH,
  },
  limits: {
    openFiles: same('LimitNOFILE'),
    coreSize: same('LimitCORE'),
    cpuTime: differs('LimitCPU', 'it holds for each process by itself, not for all together.'),
    cores: same('CPUQuota'),
    pinCores: same('AllowedCPUs'),
    nice: same('Nice'),
    memory: same('MemoryMax'),
    memoryHigh: same('MemoryHigh'),
    swap: same('MemorySwapMax'),
    processes: same('TasksMax'),
    wallTime: differs('RuntimeMaxSec, TimeoutStopSec', 'suspended time counts.'),
    scratch: differs('size of TemporaryFileSystem', '/tmp and /var/tmp have the limit each, and an image has none.'),
  },
  express,
};

function express(outline: Outline): Expressed {
  const commands = outline.startOrder.map((program) => [...programComment(program), commandOf(outline, program)].join('\n'));
  return {use: [], body: {kind: 'lines', text: commands.join('\n\n')}, notes: notesOf(outline)};
}

function notesOf({isRoot, mounts}: Outline): Note[] {
  return [
    ...pointsNeeded(mounts),
    {about: 'namespace.unshare', text: 'the text is for systemd 250 and newer: an older one does not know all of these properties.'},
    ...(isRoot ? [] : [{about: 'namespace.unshare', text: 'a user’s systemd makes namespaces only where users may make user namespaces.'}]),
    ...mounts.list.flatMap((mount) =>
      mount.kind === 'tmpfs' && mount.destination.includes(':')
        ? [{about: 'mount.tmpfs', text: `${mount.destination} holds a colon, which TemporaryFileSystem cannot: it is not covered.`}]
        : [],
    ),
  ];
}

function commandOf(outline: Outline, program: Program): string {
  const {name, isRoot} = outline;
  const properties = [...isolation(outline), ...limits(outline, program), ...rootProperties(outline), ...mountProperties(outline)];
  const changes = changesOf(outline, program);
  const taken = changes.filter(({value}) => value === null).map((each) => each.name);
  const groups = [
    ['systemd-run', ...(isRoot ? [] : ['--user']), '--wait', '--pipe', '--collect', '--quiet', '--service-type=exec'],
    [`--unit=${program.name === null ? name : `${name}-${program.name}`}`],
    ...properties.map(([property, value]) => ['-p', `${property}=${value}`]),
    ...(taken.length === 0 ? [] : [['-p', `UnsetEnvironment=${taken.join(' ')}`]]),
    ...keptNames(outline, program).map((each) => [`--setenv=${each}`]),
    ...changes.flatMap((each) => (each.value === null ? [] : [[`--setenv=${each.name}=${each.value}`]])),
    [`--working-directory=${program.workDirectory}`],
    ['--', ...argvOf(program.argv)],
  ];
  return `${shellLines(groups)}${program.readsInput ? '' : ` < ${shellWords(['/dev/null'])}`}`;
}

/** systemd replaces variables in the words of a command, and reads `$$` as `$` (systemd.service(5), Command lines); not in its program, which it looks for itself. */
function argvOf(argv: readonly string[]): string[] {
  const [program = ''] = argv;
  const isFound = !program.includes('$') && (program.startsWith('/') || !program.includes('/'));
  return (isFound ? [...argv] : throughShell(argv)).map((word) => word.replaceAll('$', '$$$$'));
}

type Properties = (readonly [name: string, value: string])[];

function isolation({mode, isRoot, network, root, account, changesAccount, oomScore, namespaces}: Outline): Properties {
  const list: Properties = [];
  if (changesAccount) {
    list.push(['User', String(account.uid)], ['Group', String(account.gid)]);
    if (account.groups.length > 0) list.push(['SupplementaryGroups', account.groups.join(' ')]);
  }
  if (oomScore !== null) list.push(['OOMScoreAdjust', String(oomScore)]);
  if (mode !== 'box') return list;
  list.push(['NoNewPrivileges', 'yes'], ['CapabilityBoundingSet', '']);
  if (!isRoot) list.push(['PrivateUsers', 'yes']);
  if (namespaces.includes('ipc')) list.push(['PrivateIPC', 'yes']);
  if (network !== 'host') list.push(['PrivateNetwork', 'yes']);
  if (root.kind === 'image' || !root.writable) list.push(['ProtectSystem', 'strict']);
  list.push(['ProtectProc', 'invisible'], ['ProtectHostname', 'yes'], ['ProtectKernelTunables', 'yes'], ['ProtectControlGroups', 'yes']);
  list.push(['PrivateDevices', 'yes']);
  return list;
}

function limits(outline: Outline, program: Program): Properties {
  const {limits: all, cpus, cpuWeight, rlimits, graceUs} = outline;
  const cores = limitOf(outline, program, 'cores');
  const list: Properties = [];
  const add = (name: string, value: number | string | null): void => {
    if (value !== null) list.push([name, String(value)]);
  };
  add('MemoryMax', limitOf(outline, program, 'memory'));
  add('MemoryHigh', all.memoryHigh);
  add('MemorySwapMax', all.swap);
  add('OOMPolicy', all.memory === null ? null : 'kill');
  add('CPUQuota', cores === null ? null : `${String(Math.max(1, Math.round(cores * 100)))}%`);
  add('CPUWeight', cpuWeight);
  add('AllowedCPUs', cpus);
  add('TasksMax', all.processes);
  add('Nice', all.nice);
  for (const {name, soft, hard} of rlimits) add(`Limit${name.toUpperCase()}`, `${String(soft)}:${String(hard)}`);
  add('RuntimeMaxSec', all.wallTime === null ? null : seconds(all.wallTime));
  add('TimeoutStopSec', seconds(graceUs));
  return list;
}

function rootProperties({root}: Outline): Properties {
  if (root.kind === 'node') return [];
  const place = root.format === 'squashfs' ? 'RootImage' : 'RootDirectory';
  return [
    [place, root.format === 'squashfs' ? root.path : (root.tree ?? `${root.path}.root`)],
    ['MountAPIVFS', 'yes'],
  ];
}

function mountProperties({mounts, limits: {scratch}}: Outline): Properties {
  const isPrivate = mounts.list.some(({kind}) => kind === 'private');
  const own: Properties = isPrivate && scratch === null ? [['PrivateTmp', 'yes']] : [];
  return [...own, ...mounts.list.flatMap((mount) => mountProperty(mount, scratch))];
}

function mountProperty(mount: Mount, scratch: number | null): Properties {
  const memory = (destination: string, options: string[]): Properties =>
    destination.includes(':') ? [] : [['TemporaryFileSystem', `${propertyWord(destination)}:${options.join(',')}`]];
  switch (mount.kind) {
    case 'private':
      return scratch === null ? [] : memory(mount.destination, ['mode=1777', `size=${String(scratch)}`]);
    case 'tmpfs':
      return memory(mount.destination, [
        `mode=${mount.mode}`,
        ...(mount.bytes === null ? [] : [`size=${String(mount.bytes)}`]),
        ...(mount.readOnly ? ['ro'] : []),
      ]);
    case 'bind': {
      const pair =
        mount.source === mount.destination
          ? propertyWord(mount.source)
          : `${propertyWord(mount.source)}:${propertyWord(mount.destination)}`;
      const bound: Properties = [[mount.writable || mount.device ? 'BindPaths' : 'BindReadOnlyPaths', pair]];
      return mount.device ? [['DeviceAllow', `${mount.source} rw`], ...bound] : bound;
    }
  }
}
