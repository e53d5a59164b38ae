/**
 * A task to `docker run` (docker-run(1)). The daemon makes the box of an empty image and of what it binds; control groups and limits stay Tare's, since
 * init is moved into the job's groups.
 */

import type {Engine, EngineTask, PatternNeeds} from '@tare/contract';
import {mountOption} from './quote.js';
import {optionOf, STEPS, visible, waysTo, type Part} from './steps.js';

/** In the box: its /dev is a file system of its own. */
const PLACE = '/dev/.tare';
const CONFIGURATION = 'docker';
/** Read-only mounts are so with all that is mounted below them since this version (its release notes). */
const LEAST = '25.0';
/** mount_setattr(2), for those mounts. */
const KERNEL = [5, 12] as const;
/** An image without files, without a command and without variables. */
const IMAGE = 'tare-empty:1';
/** Docker replaces these by its own, unless something else is mounted there. */
const NAMES = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'];

/**
 * Makes directories as the box's account, and the image where it is not there: an archive without files is 1024 bytes of zero (tar(5)). Then it is
 * `docker run` itself. Its arguments: uid, gid, the number of directories, these, and what is run.
 */
const SCRIPT = `uid=$1 gid=$2 count=$3
shift 3
while [ "$count" -gt 0 ]; do
setpriv --reuid "$uid" --regid "$gid" --clear-groups mkdir -p -- "$1" || exit 125
shift
count=$((count - 1))
done
"$1" image inspect ${IMAGE} >/dev/null 2>&1 ||
head -c 1024 /dev/zero | "$1" import - ${IMAGE} >/dev/null || exit 125
exec "$@"`;

const BOX: PatternNeeds = {version: LEAST, kernel: KERNEL, network: 'closed'};

/** Names of the node as they are there, unless the plan has others. */
function namesOf({node}: EngineTask, mounts: ReturnType<typeof visible>): string[][] {
  const wanted = NAMES.filter((path) => node.hasNames(path) && !mounts.some(({at}) => at === path));
  return wanted.map((path) => optionOf({at: path, source: path, readOnly: true, follows: false}));
}

/** @throws Error for what cannot be said in an option */
function argvOf(task: EngineTask, parts: readonly Part[]): string[] {
  const {id, engine, init, account, node, steps} = task;
  if (account.uid === 0) throw new Error('runs no payload as root, who could open devices in what Docker binds');
  const [program = '', ...rest] = init.argv;
  const mounts = visible(parts);
  const bridge = {type: 'bind', source: init.folder ?? '', target: PLACE, readonly: true} as const;
  const image = parts.find((part) => 'image' in part);
  const isNamed = steps.some(({op}) => op === 'hostname.set');
  return [
    ...[engine.path, 'run', '--rm', '--pull', 'never', '--name', `tare-${id}`, '--log-driver', 'none', '--read-only'],
    // also of a daemon that maps ids otherwise (userns-remap): the payload's account is the node's
    ...['--userns', 'host'],
    ...['--cgroupns', 'host', '--ipc', 'private', '--workdir', '/', '--entrypoint', program],
    // init loads the payload's filter, and nothing of /proc is hidden, as in any box
    ...['seccomp', 'apparmor', 'systempaths'].flatMap((name) => ['--security-opt', `${name}=unconfined`]),
    ...['--security-opt', 'label=disable', '--user', `${String(account.uid)}:${String(account.gid)}`],
    ...account.groups.flatMap((gid) => ['--group-add', String(gid)]),
    ...(isNamed ? [] : [`--hostname=${node.hostname}`]),
    ...parts.flatMap((part) => ('options' in part ? part.options : [])),
    ...mounts.flatMap(optionOf),
    ...namesOf(task, mounts).flat(),
    ...['--mount', mountOption(bridge)],
    // an image may have a check of its health, which would run in the box
    ...(image === undefined ? [IMAGE] : ['--no-healthcheck', image.image]),
    ...rest,
  ];
}

/** Docker, whose daemon is root's. */
export const engine: Engine<readonly Part[]> = {
  name: 'docker',
  // where it goes away in the midst of a start, it removes what it made when it is there again: `docker run --rm`
  kind: {daemon: PLACE, keeps: 'container', unreached: /Cannot connect to the Docker daemon/},
  userNamespace: false,
  program: {
    places: ['/usr/bin/docker', '/usr/local/bin/docker'],
    sockets: ['/run/docker.sock', '/var/run/docker.sock'],
    version: {argument: '--version', pattern: /^Docker version (\d+(?:\.\d+)+)/},
    setuid: null,
    abilities: {},
    apparmor: {profiles: [], remedy: 'nothing: its daemon makes no user namespaces'},
  },
  patterns: {'ulimit++': BOX, 'quotas++': BOX, 'vm-lite': 'is used for boxes only'},
  onlyListed: ['ulimit++', 'quotas++'],
  folders: [{name: CONFIGURATION, written: true, because: 'Docker’s client finds no configuration of root’s there'}],
  prepared: false,
  covers: 'none',
  listens: false,
  tellsFiles: false,
  groups: 'none',
  skipsMissing: false,
  images: 'shown',
  steps: STEPS,
  obstacle: ({uid}) => (uid === 0 ? null : 'is used by root only: who may use its daemon is root'),
  translate: (task, parts) => {
    const home = `${task.box}/${CONFIGURATION}`;
    const {uid, gid} = task.account;
    const ways = waysTo(visible(parts.flat()), task.box);
    const before = [uid, gid, ways.length].map(String);
    return {
      files: [],
      argv: ['/bin/sh', '-c', SCRIPT, 'docker', ...before, ...ways, ...argvOf(task, parts.flat())],
      environment: {DOCKER_CONFIG: home, HOME: home},
    };
  },
  words: {
    about: 'has its daemon run containers; the daemon has to be there',
    manual: 'docker-run(1)',
    versions: `${LEAST}, with Linux ${KERNEL.join('.')}`,
    install: 'install Docker (docker.io), and start its daemon',
    filter: 'init loads it (seccomp(2)) for what it starts',
    lacks: () => null,
  },
};
