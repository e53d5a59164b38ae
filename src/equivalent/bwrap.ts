/** Plan to a command of bubblewrap (bwrap(1)). */

import {
  COMMON,
  INNER,
  PRLIMIT,
  ONE_COMMAND_EACH,
  asFirst,
  differs,
  missing,
  same,
  type Expressed,
  type Note,
  type Tool,
} from './answers.js';
import {accountWords, changesOf, innerWords, pointsNeeded, prlimitWords, programComment} from './common.js';
import type {Mount} from './mounts.js';
import type {Outline, Surroundings} from './outline.js';
import type {Program} from './programs.js';
import {shellLines, shellWords} from './quote.js';

const NO_GROUPS = 'bubblewrap makes no control groups: the job stays in the caller’s, with the limits that these have.';
const noGroup = missing('bubblewrap has no such limit; the control groups of the caller may.');

/** bubblewrap: namespaces and mounts, and no limits. */
export const BWRAP: Tool = {
  title: 'bubblewrap',
  aspects: {
    ...COMMON,
    payload: same('the caller’s streams and open descriptors'),
    status: differs('bwrap’s own', 'a command that a signal ended is 128 and its number; bwrap’s own failures are 1.'),
    environment: same('--setenv, --unsetenv'),
    account: differs('setpriv(1) before bwrap', 'the node needs setpriv(1).', ({changesAccount}) => changesAccount),
    privileges: same('--cap-drop ALL; no_new_privs is always set'),
    filter: missing('no filter is loaded: --seccomp takes a compiled one.'),
    namespaces: same('--unshare-user, --unshare-pid, --unshare-ipc, --unshare-uts, --unshare-net'),
    network: differs('--unshare-net', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: differs('--hostname', '/etc/hosts and its like stay the node’s.'),
    root: differs('--ro-bind, --bind, --tmpfs', 'a directory that the account cannot list has no mounts below it.', ({mounts}) =>
      mounts.list.some((mount) => mount.kind === 'bind' && mount.closed),
    ),
    temporary: differs('--tmpfs', '/tmp and /var/tmp are in memory, and count as the job’s.'),
    kernelFiles: differs('--proc', 'nothing below /proc and /sys is covered.', ({system}) => system),
    devices: same('--dev, --dev-bind'),
    view: differs(
      '--overlay-src, --tmp-overlay',
      'what is written to the view is in memory, and applications have no views of their own; the node’s root has none, since no user namespace takes it for a layer, and with a bubblewrap before 0.11 all files stay read-only.',
    ),
    image: differs(
      '--ro-bind or an overlay of its files',
      'bubblewrap takes a directory: another image is unpacked or mounted by hand before.',
      ({root}) => root.kind === 'image' && root.format !== 'directory',
    ),
    groups: missing(NO_GROUPS),
    oomScore: differs('choom(1) before bwrap', 'the node needs choom(1).'),
    first: asFirst('--as-pid-1'),
    applications: ONE_COMMAND_EACH,
  },
  limits: {
    ...INNER,
    ...PRLIMIT,
    cores: noGroup,
    pinCores: differs('taskset(1) before bwrap', 'the job can widen its CPUs again.'),
    memory: noGroup,
    memoryHigh: noGroup,
    swap: noGroup,
    processes: noGroup,
    scratch: differs('--size of --tmpfs', '/tmp and /var/tmp have the limit each, and views have none.'),
  },
  express,
};

function express(outline: Outline): Expressed {
  const commands = outline.startOrder.map((program) => [...programComment(program), commandOf(outline, program)].join('\n'));
  return {use: [], body: {kind: 'lines', text: commands.join('\n\n')}, notes: notesOf(outline)};
}

function notesOf({root, mounts}: Outline): Note[] {
  if (root.kind !== 'image' || root.tree !== null) return pointsNeeded(mounts);
  return [
    ...pointsNeeded(mounts),
    {about: 'image.take', text: `${placeOf(root.path)} stands for the directory in which the image’s files are.`},
  ];
}

/** A place for an image that is no directory yet. */
const placeOf = (path: string): string => `${path}.root`;

function commandOf(outline: Outline, program: Program): string {
  const {cpus, oomScore} = outline;
  const before = [
    ...prlimitWords(outline),
    ...accountWords(outline),
    ...(cpus === null ? [] : ['taskset', '-c', cpus]),
    ...(oomScore === null ? [] : ['choom', '-n', String(oomScore), '--']),
  ];
  const groups = [
    [...before, 'bwrap', '--die-with-parent', '--new-session'],
    ...namespaceOptions(outline),
    ...rootOptions(outline),
    ...mountOptions(outline),
    ['--cap-drop', 'ALL'],
    ...changesOf(outline, program).map(({name, value}) => (value === null ? ['--unsetenv', name] : ['--setenv', name, value])),
    ['--chdir', program.workDirectory],
    ['--', ...innerWords(outline), ...program.argv],
  ];
  return `${shellLines(groups)}${program.readsInput ? '' : ` < ${shellWords(['/dev/null'])}`}`;
}

const OPTIONS: Readonly<Record<string, string>> = {
  user: '--unshare-user',
  pid: '--unshare-pid',
  ipc: '--unshare-ipc',
  uts: '--unshare-uts',
  network: '--unshare-net',
  cgroup: '--unshare-cgroup',
};

function namespaceOptions({namespaces, hostname, isFirst}: Outline): string[][] {
  const options = namespaces.flatMap((kind) => OPTIONS[kind] ?? []);
  const name = hostname === null ? [] : [...(namespaces.includes('uts') ? [] : ['--unshare-uts']), '--hostname', hostname];
  return [...options.map((option) => [option]), ...(isFirst ? [['--as-pid-1']] : []), ...(name.length === 0 ? [] : [name])];
}

function rootOptions({root, mounts, surroundings}: Outline): string[][] {
  const overlay = can(surroundings, 'overlay');
  if (root.kind === 'image') {
    const place = root.tree ?? placeOf(root.path);
    return [root.writable && overlay ? ['--overlay-src', place, '--tmp-overlay', '/'] : ['--ro-bind', place, '/']];
  }
  const node = [root.writable ? '--dev-bind' : '--ro-bind', '/', '/'];
  if (!overlay) return [node];
  return [node, ...mounts.layers.map(({lower, destination}) => ['--overlay-src', lower, '--tmp-overlay', destination])];
}

/** Whether the bubblewrap of this node has options that came later than others. */
const can = ({abilities}: Surroundings, ability: string): boolean => abilities['bubblewrap']?.includes(ability) === true;

/** Without a box nothing is mounted: /dev and /proc are the node's. */
function mountOptions(outline: Outline): string[][] {
  const {mounts, mode, root} = outline;
  if (mode !== 'box') return [];
  const readOnly = mounts.list.flatMap((mount) => (mount.kind === 'tmpfs' && mount.readOnly ? [['--remount-ro', mount.destination]] : []));
  return [
    ['--proc', '/proc'],
    ...(root.kind === 'image' ? [['--ro-bind', '/sys', '/sys']] : []),
    ['--dev', '/dev', ...(mounts.queues === null ? [] : ['--mqueue', mounts.queues])],
    ...mounts.list.map((mount) => mountOption(outline, mount)),
    ...(mounts.devIsReadOnly ? [['--remount-ro', '/dev']] : []),
    ...readOnly,
  ];
}

function mountOption({limits, surroundings}: Outline, mount: Mount): string[] {
  const memory = (destination: string, mode: string, bytes: number | null): string[] => [
    ...(can(surroundings, 'perms') ? ['--perms', mode] : []),
    ...(can(surroundings, 'tmpfsSize') && bytes !== null ? ['--size', String(bytes)] : []),
    '--tmpfs',
    destination,
  ];
  switch (mount.kind) {
    case 'bind':
      return [mount.device ? '--dev-bind' : mount.writable ? '--bind' : '--ro-bind', mount.source, mount.destination];
    case 'tmpfs':
      return memory(mount.destination, mount.mode, mount.bytes);
    case 'private':
      return memory(mount.destination, '1777', limits.scratch);
  }
}
