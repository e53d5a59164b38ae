/** Every key of a service in a compose file (compose-spec, services), and what becomes of it. */

/** What a key is for, where that is taken. */
export type Use =
  | 'addCapabilities'
  | 'command'
  | 'cores'
  | 'cpuset'
  | 'deploy'
  | 'devices'
  | 'entrypoint'
  | 'environment'
  | 'files'
  | 'gpus'
  | 'grace'
  | 'healthcheck'
  | 'hostname'
  | 'image'
  | 'memory'
  | 'memorySwap'
  | 'name'
  | 'namespace'
  | 'needs'
  | 'network'
  | 'networks'
  | 'period'
  | 'privileged'
  | 'processes'
  | 'quota'
  | 'restart'
  | 'scale'
  | 'security'
  | 'storage'
  | 'tmpfs'
  | 'ulimits'
  | 'user'
  | 'volumes'
  | 'workDirectory';

const USES: Readonly<Record<string, Use>> = {
  cap_add: 'addCapabilities',
  command: 'command',
  cpus: 'cores',
  cpuset: 'cpuset',
  deploy: 'deploy',
  devices: 'devices',
  entrypoint: 'entrypoint',
  environment: 'environment',
  env_file: 'files',
  gpus: 'gpus',
  stop_grace_period: 'grace',
  healthcheck: 'healthcheck',
  hostname: 'hostname',
  image: 'image',
  mem_limit: 'memory',
  memswap_limit: 'memorySwap',
  container_name: 'name',
  cgroup: 'namespace',
  ipc: 'namespace',
  pid: 'namespace',
  userns_mode: 'namespace',
  uts: 'namespace',
  depends_on: 'needs',
  network_mode: 'network',
  networks: 'networks',
  cpu_period: 'period',
  privileged: 'privileged',
  pids_limit: 'processes',
  cpu_quota: 'quota',
  restart: 'restart',
  scale: 'scale',
  security_opt: 'security',
  storage_opt: 'storage',
  tmpfs: 'tmpfs',
  ulimits: 'ulimits',
  user: 'user',
  volumes: 'volumes',
  working_dir: 'workDirectory',
};

const left = (reason: string, names: string): Record<string, string> => Object.fromEntries(names.split(' ').map((name) => [name, reason]));

const LEFT: Readonly<Record<string, string>> = {
  ...left('a box of Tare is so anyway', 'cap_drop init stdin_open'),
  ...left('a payload has its caller’s standard input, output and error, or a terminal of the box’s own', 'tty'),
  ...left('it names no job: labels have no place in a descriptor', 'annotations labels label_file'),
  ...left('output goes where the caller’s goes', 'attach logging'),
  ...left('Tare builds no image', 'build'),
  ...left('weights between groups are the slot’s', 'blkio_config cpu_shares'),
  ...left('only Windows has it', 'cpu_count cpu_percent credential_spec isolation'),
  ...left('Tare does not set it', 'cpu_rt_runtime cpu_rt_period mem_swappiness oom_score_adj sysctls'),
  ...left('it reserves memory and limits nothing: the slot has what the batch system granted', 'mem_reservation'),
  ...left('a payload that reaches its limit on memory is ended, so that the record can tell', 'oom_kill_disable'),
  ...left('groups of control are the wrapper’s', 'cgroup_parent'),
  ...left('a file of the engine: use the work directory, or a file that the node has', 'configs'),
  ...left('a file of the engine: a payload has the credentials that the policy’s `credentials` names', 'secrets'),
  ...left('it is for work on the sources of an image', 'develop'),
  ...left('a box has the devices that the policy’s `devices` names', 'device_cgroup_rules'),
  ...left('names are looked up as on the node, or by the nameservers of a pool of the policy', 'dns dns_opt dns_search'),
  ...left('Tare sets no name of a NIS domain', 'domainname'),
  ...left(
    'addresses and ports of boxes are the policy’s: identity.address, identity.pools',
    'expose ports mac_address links external_links',
  ),
  ...left('a box has the node’s /etc/hosts, or its image’s', 'extra_hosts'),
  ...left('a payload has the groups of its account', 'group_add'),
  ...left('Tare has no models', 'models'),
  ...left('the image that the job names is used as it is; one for another kind of processor is refused', 'platform'),
  ...left('a job has one payload: what runs beside it is another application', 'post_start pre_stop'),
  ...left('compose starts the service only with one of these profiles', 'profiles'),
  ...left('another program provides the service, not a container', 'provider'),
  ...left('Tare asks no registry', 'pull_policy pull_refresh_after'),
  ...left('with an image what the payload writes to / is gone at its end; without one / is read-only', 'read_only'),
  ...left('it is about the engine’s own housekeeping', 'runtime'),
  ...left('a box has a /dev/shm of its own, whose pages are the payload’s memory', 'shm_size'),
  ...left('Tare ends a payload by SIGTERM, and by SIGKILL after the policy’s `grace`', 'stop_signal'),
  ...left('who may talk to an engine is root on the node; a box never has its socket', 'use_api_socket'),
  ...left('a volume of the engine is no directory of the node', 'volumes_from volume_driver'),
};

/** Keys of services. */
export const SERVICE_KEYS: readonly string[] = [...Object.keys(USES), ...Object.keys(LEFT), 'extends'];

/** The use of a key, or the reason why it is left; null: no service has such a key. */
export function meaningOf(key: string): {use: Use} | {left: string} | null {
  const use = Object.hasOwn(USES, key) ? USES[key] : undefined;
  if (use !== undefined) return {use};
  if (key.startsWith('x-')) return {left: 'it is an extension, which compose passes over too'};
  const reason = Object.hasOwn(LEFT, key) ? LEFT[key] : undefined;
  return reason === undefined ? null : {left: reason};
}
