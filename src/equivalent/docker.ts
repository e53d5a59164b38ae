/** Plan to a command of docker(1); podman(1) takes the same options, and some more. */

import {plainName} from '../job/image-name.js';
import {
  COMMON,
  INNER,
  ONE_COMMAND_EACH,
  asFirst,
  differs,
  missing,
  rlimitAnswers,
  same,
  type Expressed,
  type Note,
  type Tool,
} from './answers.js';
import {changesOf, innerWords, keptNames, limitOf, programComment} from './common.js';
import {nodeDirectories, type Bind, type Mount} from './mounts.js';
import type {Outline} from './outline.js';
import type {Program} from './programs.js';
import {csvField, shellLines, shellWords} from './quote.js';

/** In what docker and podman differ. */
export interface Engine {
  program: 'docker' | 'podman';
  /** Options that this engine alone has. */
  options: (outline: Outline) => string[][];
  /** Options of each file system in memory, beside the usual ones. */
  tmpfs: readonly string[];
  /** The words that name the root: an image, or podman's `--rootfs` and a directory. */
  rootWords: (outline: Outline) => string[];
}

/** What docker and podman answer alike. @param program the name of the command */
export const containerAnswers = (program: Engine['program']): Pick<Tool, 'aspects' | 'limits'> => ({
  aspects: {
    ...COMMON,
    payload: differs('-i', 'the streams go through a daemon or monitor; no open descriptor over 2 is passed on.'),
    status: differs(`${program}’s own`, `a command that a signal ended is 128 and its number; ${program}’s own failures are 125 to 127.`),
    environment: differs('--env', 'of the caller’s environment only what is named is passed on.'),
    account: same('--user, --group-add'),
    privileges: same('--cap-drop ALL, --security-opt no-new-privileges'),
    filter: differs(
      '--security-opt seccomp=FILE',
      `the filter is ${program}’s own; \`tare plan … --as oci\` prints Tare’s as linux.seccomp, which this option takes in a file.`,
      ({filter}) => !(filter?.startsWith('/') ?? false),
    ),
    namespaces: differs('pid, mount, uts always; --ipc private', 'there is no user namespace of the box’s own.', ({isRoot}) => isRoot),
    network: differs('--network none, --network host', 'the box gets no address of its own.', ({network}) => network === 'own'),
    hostname: differs('--hostname', `/etc/hosts, /etc/hostname and /etc/resolv.conf are ${program}’s.`),
    root: differs(
      '--mount',
      'of the node the box has these directories, and not what else is at /; what is mounted below one is read-only with recent kernels only.',
      ({root}) => root.kind === 'node',
    ),
    temporary: differs('--tmpfs', '/tmp and /var/tmp are in memory, and count as the job’s.'),
    kernelFiles: same(`${program} masks the usual files`),
    devices: differs('--device', `/dev is ${program}’s, and not read-only.`),
    view: missing('the node’s directories stay read-only.', ({root}) => root.kind === 'node'),
    image: differs('an image of its own', 'the image has to be given to it before, by the commands above.'),
    groups: differs(
      'its own',
      'the groups are not below the caller’s, so the batch system’s limits do not hold; --cgroup-parent names another place.',
    ),
    oomScore: same('--oom-score-adj'),
    first: asFirst('the command is process 1'),
    applications: ONE_COMMAND_EACH,
  },
  limits: {
    ...INNER,
    ...rlimitAnswers('--ulimit NAME'),
    cores: same('--cpus'),
    pinCores: same('--cpuset-cpus'),
    memory: same('--memory'),
    memoryHigh: missing('docker has no such limit: --memory-reservation is another one.'),
    swap: differs('--memory-swap', 'without a limit on memory it limits no swap.', ({limits}) => limits.memory === null),
    processes: same('--pids-limit'),
    scratch: differs('size of --tmpfs', '/tmp and /var/tmp have the limit each, and what is written to an image has none.'),
  },
});

/** The name of an image that is given to an engine. */
export const LOADED = 'tare-image:1';
/** The name of an empty image, over which the node's directories lie. */
export const EMPTY = 'tare-empty:1';

const DOCKER_ENGINE: Engine = {
  program: 'docker',
  options: () => [],
  tmpfs: [],
  rootWords: ({root}) => [root.kind === 'node' ? EMPTY : root.format === 'reference' ? plainName(root.path) : LOADED],
};

/** Docker. */
export const DOCKER: Tool = {
  title: 'Docker',
  ...containerAnswers('docker'),
  express: (outline) => expressContainer(outline, DOCKER_ENGINE),
};

/** Commands that give an engine its image. */
function imageCommands({root}: Outline, program: Engine['program']): string[] {
  if (root.kind === 'node') return [`tar --create --files-from /dev/null | ${program} import - ${EMPTY}`];
  if (root.tree !== null) return [`tar --create --directory ${shellWords([root.tree])} . | ${program} import - ${LOADED}`];
  if (root.format === 'squashfs') return [`sqfs2tar ${shellWords([root.path])} | ${program} import - ${LOADED}`];
  const from = root.format === 'oci-layout' ? 'oci' : root.format;
  return [`skopeo copy ${shellWords([`${from}:${root.path}`])} docker-daemon:${LOADED}`];
}

/** Whether the image is one that the commands of `use` make. */
const isMadeBefore = (outline: Outline, {rootWords}: Engine): boolean =>
  [EMPTY, LOADED].some((image) => rootWords(outline).includes(image));

/** Commands of a container engine, one for each program. @param engine docker or podman */
export function expressContainer(outline: Outline, engine: Engine): Expressed {
  const commands = outline.startOrder.map((program) => [...programComment(program), commandOf(outline, program, engine)].join('\n'));
  return {
    use: isMadeBefore(outline, engine) ? imageCommands(outline, engine.program) : [],
    body: {kind: 'lines', text: commands.join('\n\n')},
    notes: notesOf(outline),
  };
}

function notesOf({changes, mounts}: Outline): Note[] {
  const taken = changes.filter(({value}) => value === null).map(({name}) => name);
  return [
    ...(taken.length === 0 ? [] : [{about: 'environment.unset', text: `${taken.join(', ')}: not passed on, unless the image sets it.`}]),
    ...mounts.list.flatMap((mount) =>
      mount.kind === 'tmpfs' && mount.destination.includes(':')
        ? [{about: 'mount.tmpfs', text: `${mount.destination} holds a colon, which --tmpfs cannot: it is not covered.`}]
        : [],
    ),
  ];
}

function commandOf(outline: Outline, program: Program, engine: Engine): string {
  const {name, account, root, mode, hostname, network} = outline;
  const groups = [
    [engine.program, 'run', '--rm', ...(program.readsInput ? ['-i'] : [])],
    // else a registry is asked for an image of this name, which is a stranger's
    ...(isMadeBefore(outline, engine) ? [['--pull=never']] : []),
    ['--name', program.name === null ? name : `${name}-${program.name}`],
    ...(hostname === null ? [] : [['--hostname', hostname]]),
    ['--network', network === 'host' ? 'host' : 'none'],
    ['--ipc', mode === 'box' ? 'private' : 'host'],
    ['--user', `${String(account.uid)}:${String(account.gid)}`],
    ...account.groups.filter((group) => group !== account.gid).map((group) => ['--group-add', String(group)]),
    ...(mode === 'box'
      ? [
          ['--cap-drop', 'ALL'],
          ['--security-opt', 'no-new-privileges'],
        ]
      : []),
    ...(outline.filter?.startsWith('/') === true ? [['--security-opt', `seccomp=${outline.filter}`]] : []),
    ...limitOptions(outline, program),
    ...engine.options(outline),
    ...(root.writable ? [] : [['--read-only']]),
    ...[...nodeDirectories(root, outline.surroundings.looks), ...outline.mounts.list].flatMap((mount) =>
      mountOptions(outline, mount, engine),
    ),
    ...environmentOptions(outline, program),
    ['--workdir', program.workDirectory],
    [...engine.rootWords(outline), ...innerWords(outline), ...program.argv],
  ];
  return shellLines(groups);
}

function limitOptions(outline: Outline, program: Program): string[][] {
  const {limits, rlimits, cpus, oomScore} = outline;
  const memory = limitOf(outline, program, 'memory');
  const cores = limitOf(outline, program, 'cores');
  return [
    ...(memory === null ? [] : [['--memory', String(memory)]]),
    ...(memory === null ? [] : [['--memory-swap', String(limits.swap === null ? -1 : memory + limits.swap)]]),
    ...(cores === null ? [] : [['--cpus', String(cores)]]),
    ...(cpus === null ? [] : [['--cpuset-cpus', cpus]]),
    ...(limits.processes === null ? [] : [['--pids-limit', String(limits.processes)]]),
    ...rlimits.map(({name, soft, hard}) => ['--ulimit', `${name}=${String(soft)}:${String(hard)}`]),
    ...(oomScore === null ? [] : [['--oom-score-adj', String(oomScore)]]),
  ];
}

/** A bind mount as `--mount` has it, with or without `readonly`. */
export const bindField = (mount: Bind, readOnly: string): string =>
  ['type=bind', `source=${mount.source}`, `destination=${mount.destination}`, ...(mount.writable || mount.device ? [] : [readOnly])]
    .map(csvField)
    .join(',');

function mountOptions({limits}: Outline, mount: Mount, {tmpfs}: Engine): string[][] {
  switch (mount.kind) {
    case 'bind':
      return [mount.device ? ['--device', mount.source] : ['--mount', bindField(mount, 'readonly')]];
    case 'private':
      return [['--tmpfs', tmpfsText(mount.destination, '1777', limits.scratch, ['rw', ...tmpfs])]];
    case 'tmpfs':
      if (mount.destination === '/dev/shm') return mount.bytes === null ? [] : [['--shm-size', String(mount.bytes)]];
      return mount.destination.includes(':')
        ? []
        : [['--tmpfs', tmpfsText(mount.destination, mount.mode, mount.bytes, [mount.readOnly ? 'ro' : 'rw', ...tmpfs])]];
  }
}

function tmpfsText(destination: string, mode: string, bytes: number | null, options: readonly string[]): string {
  const size = bytes === null ? [] : [`size=${String(bytes)}`];
  return `${destination}:${[...options, 'exec', 'nosuid', 'nodev', `mode=${mode}`, ...size].join(',')}`;
}

function environmentOptions(outline: Outline, program: Program): string[][] {
  const names = outline.root.kind === 'image' ? keptNames(outline, program).filter((name) => name !== 'PATH') : keptNames(outline, program);
  const changes = changesOf(outline, program);
  return [
    ...names.map((name) => ['--env', name]),
    ...changes.flatMap(({name, value}) => (value === null ? [] : [['--env', `${name}=${value}`]])),
  ];
}
