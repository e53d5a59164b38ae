/** Plan to a command of apptainer(1). */

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
import {accountWords, changesOf, innerWords, limitOf, prlimitWords, programComment} from './common.js';
import {bindField} from './docker.js';
import {nodeDirectories} from './mounts.js';
import type {Outline} from './outline.js';
import type {Program} from './programs.js';
import {shellLines, shellWords} from './quote.js';

const USERS_GROUPS = 'a user’s apptainer limits it only where systemd hands groups of version 2 to the user.';
const byGroup = (option: string): ReturnType<typeof differs> =>
  differs(option, USERS_GROUPS, ({isRoot, changesAccount}) => !isRoot || changesAccount);

/** Apptainer. */
export const APPTAINER: Tool = {
  title: 'Apptainer',
  aspects: {
    ...COMMON,
    payload: same('the caller’s streams'),
    status: differs('apptainer’s own', 'a command that a signal ended is 128 and its number; apptainer’s own failures are 255 or 1.'),
    environment: differs('APPTAINERENV_NAME', 'an image sets PATH and more of its own; HOME is not changed by a variable.'),
    account: differs('setpriv(1) before apptainer', 'the node needs setpriv(1).', ({changesAccount}) => changesAccount),
    privileges: same('--no-privs; no_new_privs is always set'),
    filter: missing('only root’s apptainer takes a filter (--security seccomp:FILE).'),
    namespaces: differs('--pid, --ipc, --uts', 'there is a user namespace only where apptainer is not installed setuid, or by --userns.'),
    network: differs('--net --network none', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: differs('--hostname', '/etc/hosts is the node’s.'),
    root: differs(
      '--mount',
      'of the node the box has these directories, and not what else is at /; apptainer.conf may bind more. Places that are to be hidden are not covered.',
      ({root}) => root.kind === 'node',
    ),
    temporary: same('--contain, --workdir'),
    kernelFiles: differs('its own /proc', 'nothing below /proc and /sys is covered.', ({system}) => system),
    devices: differs('--contain', '/dev has few devices, and is not read-only.'),
    view: missing('the node’s directories stay read-only.', ({root}) => root.kind === 'node'),
    image: differs(
      'the image as it is, --writable-tmpfs',
      'what is written to the image is in memory, 64 MiB by default (sessiondir max size).',
    ),
    groups: differs('its own', 'the group is not below the caller’s, so the batch system’s limits do not hold.'),
    oomScore: differs('choom(1) before apptainer', 'the node needs choom(1).'),
    first: asFirst('--no-init'),
    applications: ONE_COMMAND_EACH,
  },
  limits: {
    ...INNER,
    ...PRLIMIT,
    cores: byGroup('--cpus'),
    pinCores: byGroup('--cpuset-cpus'),
    memory: byGroup('--memory'),
    memoryHigh: missing('apptainer has no such limit: --memory-reservation is another one.'),
    swap: byGroup('--memory-swap'),
    processes: byGroup('--pids-limit'),
    scratch: missing('the directory of --workdir has no limit.'),
  },
  express,
};

/** The image of a box that has the node's files: an empty directory. */
const OWN_ROOT = 'tare-root';
const WORK = 'tare-work';

function express(outline: Outline): Expressed {
  const commands = outline.startOrder.map((program) => [...programComment(program), commandOf(outline, program)].join('\n'));
  return {
    use: [`mkdir -p ${outline.root.kind === 'node' ? `${OWN_ROOT} ${WORK}` : WORK}`],
    body: {kind: 'lines', text: commands.join('\n\n')},
    notes: notesOf(outline),
  };
}

function notesOf({mounts}: Outline): Note[] {
  return mounts.list.flatMap((mount) =>
    mount.kind === 'tmpfs' && !['/run', '/dev/shm'].includes(mount.destination)
      ? [{about: 'mount.tmpfs', text: `${mount.destination} is not covered.`}]
      : [],
  );
}

const FORMATS = {
  'oci-layout': 'oci:',
  'oci-archive': 'oci-archive:',
  'docker-archive': 'docker-archive:',
  directory: '',
  squashfs: '',
  // which is its own word for one in a registry
  reference: '',
} as const;
const imageOf = ({root}: Outline): string => (root.kind === 'node' ? OWN_ROOT : (root.tree ?? FORMATS[root.format] + root.path));

function commandOf(outline: Outline, program: Program): string {
  const {cpus, oomScore, namespaces, network, hostname, root, mode} = outline;
  const variables = changesOf(outline, program);
  const environment = [
    ...variables.flatMap(({name, value}) => (value === null ? ['-u', name] : [])),
    ...variables.flatMap(({name, value}) => (value === null ? [] : [`APPTAINERENV_${name}=${value}`])),
  ];
  const before = [
    ...prlimitWords(outline),
    ...accountWords(outline),
    ...(oomScore === null ? [] : ['choom', '-n', String(oomScore), '--']),
    ...(environment.length === 0 ? [] : ['env', ...environment]),
  ];
  const groups = [
    [...before, 'apptainer', 'exec', '--no-home', ...(mode === 'box' ? ['--contain', '--no-privs'] : [])],
    ...(namespaces.includes('pid') ? [['--pid', '--ipc', '--uts']] : []),
    ...(outline.isFirst ? [['--no-init']] : []),
    ...(network === 'host' ? [] : [['--net', '--network', 'none']]),
    ...(hostname === null ? [] : [['--hostname', hostname]]),
    ...limitOptions(outline, program),
    ...(cpus === null ? [] : [['--cpuset-cpus', cpus]]),
    ...(mode === 'box' ? [['--workdir', WORK]] : []),
    ...(root.kind === 'image' && root.writable ? [['--writable-tmpfs']] : []),
    ...[...nodeDirectories(root, outline.surroundings.looks), ...outline.mounts.list].flatMap((mount) =>
      mount.kind === 'bind' ? [['--mount', bindField(mount, 'ro')]] : [],
    ),
    ['--pwd', program.workDirectory],
    [imageOf(outline), ...innerWords(outline), ...program.argv],
  ];
  return `${shellLines(groups)}${program.readsInput ? '' : ` < ${shellWords(['/dev/null'])}`}`;
}

function limitOptions(outline: Outline, program: Program): string[][] {
  const {limits} = outline;
  const memory = limitOf(outline, program, 'memory');
  const cores = limitOf(outline, program, 'cores');
  return [
    ...(memory === null ? [] : [['--memory', String(memory)]]),
    ...(memory === null ? [] : [['--memory-swap', String(limits.swap === null ? -1 : memory + limits.swap)]]),
    ...(cores === null ? [] : [['--cpus', String(cores)]]),
    ...(limits.processes === null ? [] : [['--pids-limit', String(limits.processes)]]),
  ];
}
