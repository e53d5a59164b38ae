/** Options of apptainer's and singularity's exec, run and shell (cmd/internal/cli/action_flags.go), and why some are left. */

import type {OptionTable, Takes} from './options.js';

/** Options with a value of which something can be made. */
const VALUES = ['bind', 'mount', 'home', 'cwd', 'pwd', 'hostname', 'network', 'security', 'env', 'env-file', 'shell', 'add-caps'].concat([
  'cpus',
  'cpuset-cpus',
  'memory',
  'memory-swap',
  'pids-limit',
]);
/** Options without a value of which something can be made. */
const FLAGS = ['net', 'nv', 'nvccli', 'rocm', 'writable-tmpfs', 'compat'];

const OWN = 'every box has that';
const ITSELF = 'it is about apptainer itself';
const PULL = 'Tare fetches no images';
const IO = 'a job has no limit on reading and writing';
const WEIGHT = 'it is a weight against others; a job has its cores, and no weight';
const PRIVILEGES = 'a payload has no privileges on the node, and cannot get any';
const MACHINE = 'Tare starts no virtual machine for it';
const VIEW = 'an image is never changed: what a job writes to its view of it is gone at its end';
const NAMESPACE = 'Tare makes the user namespace of a box itself, where it needs one';
const CALLER = 'a payload has that of its caller';

/** Options without a value that nothing is made of. */
export const LEFT_FLAGS: Readonly<Record<string, string>> = {
  contain: OWN,
  containall: 'every box has that, but for the environment, which is the caller’s: take variables away by environment: {NAME: null}',
  cleanenv: 'a job has the environment of its caller: take variables away by environment: {NAME: null}',
  pid: OWN,
  ipc: OWN,
  uts: 'a box has a host name of its own where the job asks for an identity',
  userns: NAMESPACE,
  fakeroot: 'a payload runs as its account; root of an image is for its services (pattern vm-lite)',
  'no-home': 'a box with an image has of the node’s directories only those that the job writes to',
  'no-init': 'process 1 of a box is always Tare’s init',
  'no-nv': 'which devices a box has is said by the policy',
  'no-rocm': 'which devices a box has is said by the policy',
  'no-umask': CALLER,
  'no-eval': 'Tare evaluates nothing',
  'no-privs': PRIVILEGES,
  'keep-privs': PRIVILEGES,
  'allow-setuid': PRIVILEGES,
  writable: VIEW,
  underlay: ITSELF,
  unsquash: ITSELF,
  boot: 'to boot an image, write `init` (pattern vm-lite)',
  vm: MACHINE,
  'vm-err': MACHINE,
  syos: MACHINE,
  'oom-kill-disable': 'a payload at its memory limit is killed',
  'disable-cache': PULL,
  'no-https': PULL,
  nohttps: PULL,
  'docker-login': PULL,
  passphrase: 'Tare opens no encrypted images',
  'ignore-subuid': NAMESPACE,
  'ignore-fakeroot-command': NAMESPACE,
  'ignore-userns': NAMESPACE,
};
/** Options with a value that nothing is made of. */
export const LEFT_VALUES: Readonly<Record<string, string>> = {
  app: 'Tare knows no applications of an image by name (SCIF): write the program as `command`',
  overlay: VIEW,
  scratch: 'a box has temporary directories only at /tmp, /var/tmp and /dev/shm: use one of these',
  workdir: 'the site says where the temporary directories of a box lie (directories.scratch)',
  'network-args': 'Tare knows no options of a network',
  dns: 'a box has the node’s name servers, or those of its pool (identity.pools)',
  'apply-cgroups': 'limits in a file of cgroups are not read: write them as `limits`',
  'vm-ram': MACHINE,
  'vm-cpu': MACHINE,
  'vm-ip': MACHINE,
  containlibs: 'Tare binds no libraries of the node into an image',
  fusemount: 'Tare mounts repositories of CVMFS (`cvmfs`), and no other file system for a job',
  tmpdir: ITSELF,
  'no-mount': 'a box has what its policy and its job name, and nothing of apptainer.conf',
  'drop-caps': 'a payload has no capabilities on the node',
  'dmtcp-launch': 'Tare makes no checkpoints with DMTCP',
  'dmtcp-restart': 'Tare makes no checkpoints with DMTCP',
  'blkio-weight': IO,
  'blkio-weight-device': IO,
  'cpu-shares': WEIGHT,
  'cpuset-mems': 'which memory a job has is said by its slot',
  'memory-reservation': 'a job has limits on memory, and no guarantees; memoryHigh slows it down before its limit',
  'docker-host': PULL,
  'docker-username': PULL,
  'docker-password': PULL,
  'pem-path': 'Tare opens no encrypted images',
};

const takes = (names: readonly string[], how: Takes): Record<string, Takes> => Object.fromEntries(names.map((name) => [name, how]));

/** Options behind exec, run and shell. */
export const ACTION_OPTIONS: OptionTable = {
  long: {...takes([...VALUES, ...Object.keys(LEFT_VALUES)], 'value'), ...takes([...FLAGS, ...Object.keys(LEFT_FLAGS)], 'flag')},
  short: {
    ...{B: 'bind', H: 'home', o: 'overlay', S: 'scratch', W: 'workdir', s: 'shell', f: 'fakeroot', e: 'cleanenv', c: 'contain'},
    ...{C: 'containall', w: 'writable', p: 'pid', i: 'ipc', n: 'net', u: 'userns'},
  },
};

/** Options before exec, run and shell, of which none is about the container. */
export const GLOBAL_OPTIONS: OptionTable = {
  long: {...takes(['debug', 'nocolor', 'quiet', 'silent', 'verbose', 'build-config'], 'flag'), config: 'value'},
  short: {d: 'debug', q: 'quiet', s: 'silent', v: 'verbose', c: 'config'},
};
/** Why they are left. */
export const GLOBAL = ITSELF;

/** Options of which each counts; of others the last. */
export const LISTS = ['bind', 'mount', 'overlay', 'scratch', 'security', 'env', 'env-file', 'network-args', 'fusemount', 'no-mount'].concat(
  ['containlibs', 'blkio-weight-device'],
);

/** Names of options in the environment, behind APPTAINER_ and SINGULARITY_, that are not the option's own. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  BINDPATH: 'bind',
  OVERLAYIMAGE: 'overlay',
  SCRATCHDIR: 'scratch',
  TARGET_CWD: 'cwd',
  TARGET_PWD: 'pwd',
  APPNAME: 'app',
  FUSESPEC: 'fusemount',
  NOSHIMINIT: 'no-init',
  NV_OFF: 'no-nv',
  ROCM_OFF: 'no-rocm',
  VMERROR: 'vm-err',
  ...Object.fromEntries(['PID', 'IPC', 'NET', 'UTS', 'USERNS'].map((name) => [`UNSHARE_${name}`, name.toLowerCase()])),
};

/** The option that a variable stands for; null: none. */
export function optionOf(variable: string): string | null {
  if (Object.hasOwn(OTHER_NAMES, variable)) return OTHER_NAMES[variable] ?? null;
  const name = variable.toLowerCase().replaceAll('_', '-');
  return Object.hasOwn(ACTION_OPTIONS.long, name) && name !== 'env' && name !== 'shell' ? name : null;
}
