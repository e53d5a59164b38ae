/** Plan to a command of systemd-nspawn(1). */

import {COMMON, INNER, ONE_COMMAND_EACH, asFirst, differs, missing, rlimitAnswers, same, type Expressed, type Tool} from './answers.js';
import {changesOf, innerWords, keptNames, limitOf, programComment, stayWritable} from './common.js';
import {nodeDirectories, type Mount} from './mounts.js';
import type {Outline} from './outline.js';
import type {Program} from './programs.js';
import {colonPath, shellLines, shellWords} from './quote.js';

/** systemd-nspawn: limits are properties of the scope that systemd makes for it. */
export const NSPAWN: Tool = {
  title: 'systemd-nspawn',
  aspects: {
    ...COMMON,
    payload: differs('--pipe, --as-pid2', 'no open descriptor over 2 is passed on.'),
    status: differs(
      'systemd-nspawn’s own',
      'a command that a signal ended is 255 or 128 and its number, as the version has it; its own failures are 1.',
    ),
    environment: differs('--setenv', 'of the caller’s environment only what is named is passed on, by systemd 250 and newer.'),
    account: differs(
      '--user',
      'it has to be an account in the box’s /etc/passwd, whose groups it has; only root can start nspawn for another.',
    ),
    privileges: same('--drop-capability=all, --no-new-privileges=yes'),
    filter: differs('its own filter', 'the filter is nspawn’s own; --system-call-filter= changes it.'),
    namespaces: differs('pid, mount, ipc, uts always; --private-users', 'there is no user namespace of the box’s own.'),
    network: differs('--private-network', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: differs('--hostname', '/etc/hosts and its like stay as they are.'),
    root: differs(
      '--bind, --bind-ro, --tmpfs',
      'of the node the box has these directories, and not what else is at /; /run is nspawn’s, and writable.',
    ),
    temporary: differs('--tmpfs', '/tmp and /var/tmp are in memory, and count as the job’s.'),
    kernelFiles: same('nspawn’s own /proc and /sys'),
    devices: differs('--bind', 'a device needs --property=DeviceAllow= as well, which is printed; /dev is nspawn’s, and not read-only.'),
    view: missing('the node’s directories stay read-only.', ({root}) => root.kind === 'node'),
    image: differs(
      '--directory, --image',
      'an archive is unpacked by hand before; with --volatile=overlay what is written to it is in memory.',
    ),
    groups: differs(
      'a scope of systemd',
      'the scope is not below the caller’s group, so the batch system’s limits do not hold; --slice names another place.',
    ),
    cpuWeight: same('--property=CPUWeight'),
    oomScore: same('--oom-score-adjust'),
    first: asFirst('the command is process 1'),
    applications: ONE_COMMAND_EACH,
  },
  limits: {
    ...INNER,
    ...rlimitAnswers('--rlimit=NAME'),
    cores: same('--property=CPUQuota'),
    pinCores: same('--property=AllowedCPUs, --cpu-affinity'),
    memory: same('--property=MemoryMax'),
    memoryHigh: same('--property=MemoryHigh'),
    swap: same('--property=MemorySwapMax'),
    processes: same('--property=TasksMax'),
    scratch: differs('size of --tmpfs', '/tmp and /var/tmp have the limit each, and what is written to an image has none.'),
  },
  express,
};

/** The directory of a box that has the node's files: nspawn wants a /usr in it. */
const OWN_ROOT = '/run/tare-root';

function express(outline: Outline): Expressed {
  const {root} = outline;
  const commands = outline.startOrder.map((program) => [...programComment(program), commandOf(outline, program)].join('\n'));
  const isPacked = root.kind === 'image' && root.tree === null && root.format !== 'squashfs';
  return {
    use: root.kind === 'node' ? [`mkdir -p ${OWN_ROOT}/usr`] : [],
    body: {kind: 'lines', text: commands.join('\n\n')},
    notes: [
      ...stayWritable(outline.mounts),
      ...(isPacked ? [{about: 'image.take', text: `${root.path}.root stands for the directory in which the image’s files are.`}] : []),
    ],
  };
}

function rootOptions({root}: Outline): string[][] {
  if (root.kind === 'node') return [[`--directory=${OWN_ROOT}`]];
  const whole = root.format === 'squashfs' ? `--image=${root.path}` : `--directory=${root.tree ?? `${root.path}.root`}`;
  return [[whole], [root.writable ? '--volatile=overlay' : '--read-only']];
}

function commandOf(outline: Outline, program: Program): string {
  const {name, hostname, network, account, isRoot, mode, oomScore} = outline;
  const groups = [
    ['systemd-nspawn', '--quiet', '--pipe', '--as-pid2', '--settings=no', '--link-journal=no'],
    [`--machine=${program.name === null ? name : `${name}-${program.name}`}`],
    ...rootOptions(outline),
    ['--resolv-conf=off', '--timezone=off'],
    ...(hostname === null ? [] : [[`--hostname=${hostname}`]]),
    ...(network === 'host' ? [] : [['--private-network']]),
    ...(isRoot && account.uid === 0 ? [] : [[`--user=${String(account.uid)}`]]),
    ...(mode === 'box' ? [['--drop-capability=all'], ['--no-new-privileges=yes']] : []),
    ...limitOptions(outline, program),
    ...(oomScore === null ? [] : [[`--oom-score-adjust=${String(oomScore)}`]]),
    ...[...nodeDirectories(outline.root, outline.surroundings.looks), ...outline.mounts.list].flatMap((mount) =>
      mountOptions(outline, mount),
    ),
    ...keptNames(outline, program).map((each) => [`--setenv=${each}`]),
    ...changesOf(outline, program).flatMap(({name: each, value}) => (value === null ? [] : [[`--setenv=${each}=${value}`]])),
    [`--chdir=${program.workDirectory}`],
    ['--', ...innerWords(outline), ...program.argv],
  ];
  return `${shellLines(groups)}${program.readsInput ? '' : ` < ${shellWords(['/dev/null'])}`}`;
}

/** systemd.resource-control(5). */
function limitOptions(outline: Outline, program: Program): string[][] {
  const {limits, cpus, cpuWeight, rlimits} = outline;
  const cores = limitOf(outline, program, 'cores');
  const property = (name: string, value: number | string | null): string[][] =>
    value === null ? [] : [[`--property=${name}=${String(value)}`]];
  return [
    ...property('MemoryMax', limitOf(outline, program, 'memory')),
    ...property('MemoryHigh', limits.memoryHigh),
    ...property('MemorySwapMax', limits.swap),
    ...property('CPUQuota', cores === null ? null : `${String(Math.max(1, Math.round(cores * 100)))}%`),
    ...property('CPUWeight', cpuWeight),
    ...property('AllowedCPUs', cpus),
    ...property('TasksMax', limits.processes),
    ...(cpus === null ? [] : [[`--cpu-affinity=${cpus}`]]),
    ...rlimits.map(({name, soft, hard}) => [`--rlimit=RLIMIT_${name.toUpperCase()}=${String(soft)}:${String(hard)}`]),
  ];
}

function mountOptions({limits}: Outline, mount: Mount): string[][] {
  const tmpfs = (destination: string, options: string[]): string[][] => [[`--tmpfs=${colonPath(destination)}:${options.join(',')}`]];
  const size = (bytes: number | null): string[] => (bytes === null ? [] : [`size=${String(bytes)}`]);
  switch (mount.kind) {
    case 'bind': {
      const pair = `${colonPath(mount.source)}:${colonPath(mount.destination)}`;
      const allowed = mount.device ? [[`--property=DeviceAllow=${mount.source} rw`]] : [];
      return [...allowed, [mount.writable || mount.device ? `--bind=${pair}` : `--bind-ro=${pair}`]];
    }
    case 'private':
      return tmpfs(mount.destination, ['mode=1777', ...size(limits.scratch)]);
    case 'tmpfs':
      // nspawn keeps files of its own there
      if (mount.destination === '/run') return [];
      return tmpfs(mount.destination, [`mode=${mount.mode}`, ...size(mount.bytes), ...(mount.readOnly && !mount.holds ? ['ro'] : [])]);
  }
}
