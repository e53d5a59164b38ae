/** Every option of `docker run` 26 and `podman run` 5 (cli/command/container/opts.go, podman-run(1)): whether it takes a value, and what becomes of it. */

import type {OptionTable, Takes} from './options.js';

/** What an option is for, where that is taken. Others are left, for a reason. */
export type Use =
  | 'addCapabilities'
  | 'cores'
  | 'cpuset'
  | 'device'
  | 'entrypoint'
  | 'environment'
  | 'environmentFile'
  | 'gpus'
  | 'hostname'
  | 'memory'
  | 'memorySwap'
  | 'mount'
  | 'name'
  | 'namespace'
  | 'network'
  | 'period'
  | 'privileged'
  | 'processes'
  | 'quota'
  | 'rootfs'
  | 'security'
  | 'stopTimeout'
  | 'storage'
  | 'systemd'
  | 'tmpfs'
  | 'ulimit'
  | 'unset'
  | 'user'
  | 'volume'
  | 'wallTime'
  | 'workDirectory';

/** An option: how it is written, and its use or the reason why it is left. */
interface Row {
  takes: Takes;
  use?: Use;
  left?: string;
}

const taken = (use: Use, takes: Takes = 'value'): Row => ({takes, use});
const left = (reason: string, names: string, takes: Takes = 'value'): Record<string, Row> =>
  Object.fromEntries(names.split(' ').map((name) => [name, {takes, left: reason}]));

const ANYWAY = 'a box of Tare is so anyway';
const ENGINE = 'it is about the engine’s own housekeeping';
const NAMESPACES = 'a box has namespaces of its own';
const NETWORK = 'addresses, ports and name servers of boxes are the policy’s: identity.address, identity.pools';

/** By long name. */
const ROWS: Readonly<Record<string, Row>> = {
  memory: taken('memory'),
  'memory-swap': taken('memorySwap'),
  cpus: taken('cores'),
  'cpu-quota': taken('quota'),
  'cpu-period': taken('period'),
  'cpuset-cpus': taken('cpuset'),
  'pids-limit': taken('processes'),
  ulimit: taken('ulimit'),
  timeout: taken('wallTime'),
  'storage-opt': taken('storage'),
  volume: taken('volume'),
  mount: taken('mount'),
  tmpfs: taken('tmpfs'),
  device: taken('device'),
  gpus: taken('gpus'),
  user: taken('user'),
  hostname: taken('hostname'),
  network: taken('network'),
  net: taken('network'),
  privileged: taken('privileged', 'flag'),
  'cap-add': taken('addCapabilities'),
  'security-opt': taken('security'),
  'stop-timeout': taken('stopTimeout'),
  env: taken('environment'),
  'env-file': taken('environmentFile'),
  unsetenv: taken('unset'),
  workdir: taken('workDirectory'),
  entrypoint: taken('entrypoint'),
  name: taken('name'),
  rootfs: taken('rootfs', 'flag'),
  systemd: taken('systemd'),
  pid: taken('namespace'),
  ipc: taken('namespace'),
  uts: taken('namespace'),
  cgroupns: taken('namespace'),
  userns: taken('namespace'),

  ...left(ANYWAY, 'cap-drop pull'),
  ...left(ANYWAY, 'interactive rm init sig-proxy', 'flag'),
  ...left('a payload has its caller’s standard input, output and error, or a terminal of the box’s own', 'tty', 'flag'),
  ...left('tare run waits for its payload: start it in the background', 'detach', 'flag'),
  ...left('a payload has the descriptors of its caller', 'attach detach-keys preserve-fd preserve-fds'),
  ...left('with an image what the payload writes to / is gone at its end; without one / is read-only', 'read-only read-only-tmpfs', 'flag'),
  ...left('a box has a /dev/shm of its own, whose pages are the payload’s memory', 'shm-size shm-size-systemd'),
  ...left('it reserves memory and limits nothing: the slot has what the batch system granted', 'memory-reservation'),
  ...left('Tare does not set it', 'memory-swappiness cpu-rt-period cpu-rt-runtime oom-score-adj umask personality sysctl'),
  ...left('the kernel has no such limit any more', 'kernel-memory'),
  ...left('weights between groups are the slot’s', 'cpu-shares blkio-weight blkio-weight-device cpuset-mems rdt-class cgroup-conf'),
  ...left(
    'Tare does not limit how fast a device is read or written',
    'device-read-bps device-read-iops device-write-bps device-write-iops',
  ),
  ...left('a payload that reaches its limit on memory is ended, so that the record can tell', 'oom-kill-disable', 'flag'),
  ...left('only Windows has it', 'cpu-count cpu-percent io-maxbandwidth io-maxiops isolation'),
  ...left('a box has the devices that the policy’s `devices` names', 'device-cgroup-rule'),
  ...left('a payload has the groups of its account', 'group-add'),
  ...left('accounts of a box are those of the node or of its image', 'passwd-entry group-entry hostuser'),
  ...left('accounts of a box are those of the node or of its image', 'passwd', 'flag'),
  ...left('the policy’s identity.machineIds maps accounts', 'uidmap gidmap subuidname subgidname'),
  ...left('a volume of the engine is no directory of the node', 'volumes-from volume-driver image-volume'),
  ...left('a file of the engine: a payload has the credentials that the policy’s `credentials` names', 'secret'),
  ...left(NETWORK, 'publish expose ip ip6 mac-address link-local-ip link network-alias net-alias'),
  ...left(NETWORK, 'publish-all', 'flag'),
  ...left('names are looked up as on the node, or by the nameservers of a pool of the policy', 'dns dns-opt dns-option dns-search'),
  ...left('a box has the node’s /etc/hosts, or its image’s', 'add-host hosts-file'),
  ...left('a box has the node’s /etc/hosts, or its image’s', 'no-hosts no-hostname', 'flag'),
  ...left('Tare sets no name of a NIS domain', 'domainname'),
  ...left('it names no job: labels have no place in a descriptor', 'label label-file annotation'),
  ...left('a payload that has ended is not started again: the batch system decides', 'restart'),
  ...left(
    'Tare looks at no check of health',
    'health-cmd health-interval health-retries health-start-interval health-start-period health-timeout',
  ),
  ...left('Tare looks at no check of health', 'health-on-failure health-log-destination health-max-log-count health-max-log-size'),
  ...left('Tare looks at no check of health', 'health-startup-cmd health-startup-interval health-startup-retries health-startup-success'),
  ...left('Tare looks at no check of health', 'health-startup-timeout'),
  ...left('Tare looks at no check of health', 'no-healthcheck', 'flag'),
  ...left('output goes where the caller’s goes', 'log-driver log-opt'),
  ...left('Tare ends a payload by SIGTERM, and by SIGKILL after the policy’s `grace`', 'stop-signal'),
  ...left('the image that the job names is used as it is; one for another kind of processor is refused', 'platform arch os variant'),
  ...left('Tare asks no registry', 'authfile cert-dir creds decryption-key retry retry-delay signature-policy'),
  ...left('Tare asks no registry', 'tls-verify quiet disable-content-trust', 'flag'),
  ...left('groups of control are the wrapper’s', 'cgroup-parent cgroups'),
  ...left('it changes variables of an image, which are not known here', 'env-merge'),
  ...left('it changes variables of an image, which are not known here', 'unsetenv-all', 'flag'),
  ...left('a payload has the variables of its caller', 'env-host http-proxy', 'flag'),
  ...left('the time zone of a box is the caller’s: set TZ in `environment`', 'tz'),
  ...left('who may talk to an engine is root on the node; a box never has its socket', 'use-api-socket', 'flag'),
  ...left('the policy’s `seccomp` names the filter on system calls', 'seccomp-policy'),
  ...left('a box is no part of a pod', 'pod pod-id-file requires'),
  ...left(NAMESPACES, 'chrootdirs'),
  ...left(ENGINE, 'cidfile conmon-pidfile pidfile init-path runtime sdnotify'),
  ...left(ENGINE, 'replace rmi', 'flag'),
  ...left('it asks for help, and starts nothing', 'help', 'flag'),
};

const SHORT = {
  a: 'attach',
  c: 'cpu-shares',
  d: 'detach',
  e: 'env',
  h: 'hostname',
  i: 'interactive',
  l: 'label',
  m: 'memory',
  P: 'publish-all',
  p: 'publish',
  q: 'quiet',
  t: 'tty',
  u: 'user',
  v: 'volume',
  w: 'workdir',
} as const;

/** Of `run` and `create`. */
export const RUN_OPTIONS: OptionTable = {
  long: Object.fromEntries(Object.entries(ROWS).map(([name, {takes}]) => [name, takes])),
  short: SHORT,
};

/** The use of an option, or the reason why it is left. */
export function meaningOf(name: string): {use: Use} | {left: string} {
  const row = Object.hasOwn(ROWS, name) ? ROWS[name] : undefined;
  return row?.use === undefined ? {left: row?.left ?? 'Tare does not know it'} : {use: row.use};
}

/** In front of the command `run`: of docker and of podman. */
export const ENGINE_OPTIONS: OptionTable = {
  long: {
    config: 'value',
    context: 'value',
    debug: 'flag',
    host: 'value',
    'log-level': 'value',
    tls: 'flag',
    tlscacert: 'value',
    tlscert: 'value',
    tlskey: 'value',
    tlsverify: 'flag',
    'cdi-spec-dir': 'value',
    'cgroup-manager': 'value',
    conmon: 'value',
    connection: 'value',
    'events-backend': 'value',
    'hooks-dir': 'value',
    identity: 'value',
    imagestore: 'value',
    module: 'value',
    'network-cmd-path': 'value',
    'network-config-dir': 'value',
    out: 'value',
    pull: 'value',
    remote: 'flag',
    root: 'value',
    runroot: 'value',
    runtime: 'value',
    'runtime-flag': 'value',
    ssh: 'value',
    'storage-driver': 'value',
    'storage-opt': 'value',
    syslog: 'flag',
    tmpdir: 'value',
    'transient-store': 'flag',
    url: 'value',
    volumepath: 'value',
  },
  short: {D: 'debug', H: 'host', c: 'context', l: 'log-level', r: 'remote'},
};
