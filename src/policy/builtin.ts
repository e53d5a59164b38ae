/** What holds where no policy file says otherwise. A site with an empty policy gets weighing, isolation and its batch system's limits. */

import type {Provenance, Valued} from '../job/job.js';
import type {CvmfsRule, Policy} from './policy.js';

const provenance: Provenance = {source: 'builtin', at: 'builtin'};
const builtin = <T>(value: T): Valued<T> => ({value, provenance});

/** What a policy leaves open of its `cvmfs`. An automounter's first mount takes seconds. */
export const DEFAULT_CVMFS: Readonly<CvmfsRule> = {
  allowed: ['*'],
  required: [],
  deadlineUs: 20e6,
  shareUs: 10e6,
  onFailure: {waitUs: 0, then: 'refuse'},
  minimumRevision: [],
  root: '/cvmfs',
  mount: null,
};

/** The policy where no file says anything. */
export const BUILTIN: Readonly<Policy> = {
  site: {name: null, infrastructure: null, description: null},
  mode: builtin('enforce'),
  patterns: builtin(['ulimit++', 'quotas++', 'vm-lite']),
  // A core file's size stays as the caller has it; swap would let a job outgrow its memory unseen.
  defaults: {swap: builtin(0)},
  maxima: {},
  reserveBytes: builtin(64 * 2 ** 20),
  // a site knows how large its disks are; a job whose record finds no room does not lose it
  reserveDisk: {bytes: null, inodes: null},
  enforcement: {
    // Cores can be watched only by looking on: without a cgroup there is nothing to hold a job to its share.
    cores: builtin('none'),
    memory: builtin('watched'),
    processes: builtin('watched'),
    wallTime: builtin('watched'),
    cpuTime: builtin('watched'),
    // without a box there are no directories of its own to watch
    scratch: builtin('none'),
  },
  box: builtin('optional'),
  degraded: builtin('alarm'),
  graceUs: builtin(10e6),
  // ending a payload that would have proceeded is worse than ending one late
  memoryStallUs: builtin(600e6),
  suspendedTime: builtin('excluded'),
  // as prmon does
  processMemoryUs: builtin(30e6),
  network: builtin(['host', 'none']),
  devices: builtin(['/dev/fuse', '/dev/nvidia*', '/dev/dri/*', '/dev/kfd']),
  writable: builtin([]),
  run: builtin([
    // name services; sssd's pipes are in /var/lib/sss, but for that of its Kerberos cache
    '/run/.heim_org.h5l.kcm-socket',
    '/run/nscd',
    '/run/nslcd',
    '/run/samba/winbindd',
    '/run/systemd/userdb',
    // authentication of the batch system's commands: munge's socket, or Slurm's own, beside the configuration that slurmd was sent
    '/run/munge',
    '/run/slurm',
    // what /etc/resolv.conf leads to
    '/run/systemd/resolve',
    '/run/resolvconf',
    '/run/NetworkManager/resolv.conf',
    '/run/NetworkManager/no-stub-resolv.conf',
    '/run/netconfig',
  ]),
  filesystem: builtin(['node', 'shared', 'private']),
  images: builtin([]),
  servicesWithinUs: builtin(120e6),
  engines: builtin(null),
  seccomp: builtin('default'),
  scratch: builtin({fromSlot: false, workDirectory: false, inMemory: false}),
  cvmfs: builtin(DEFAULT_CVMFS),
  credentials: builtin(['X509_USER_PROXY', 'X509_USER_CERT', 'X509_USER_KEY', 'BEARER_TOKEN_FILE', 'KRB5CCNAME', '_CONDOR_CREDS']),
  identity: {
    user: builtin('nobody'),
    allowRoot: builtin(false),
    hostname: builtin('tare-{n}.{node}'),
    // what needs no address of the site's
    address: builtin(['user', 'none', 'host']),
    pools: [],
    // the last 65536 of those that systemd keeps for containers (systemd, UIDS-GIDS.md): systemd-nspawn takes them by a hash of a name
    machineIds: builtin({start: 1_878_982_656, count: 65_536}),
  },
  directories: {state: null, spools: null, scratch: null, node: null, exporters: null, sealed: null, log: null},
  log: {level: 'warn', format: 'human'},
  // what a job wrote is its user's; a site says when it is to be kept
  logs: {keep: 'none', maxBytes: 2 ** 20, totalBytes: 256 * 2 ** 20, forUs: 7 * 86_400e6},
  imageStore: {places: [], cache: null, maxBytes: null},
  killSwitch: builtin('/etc/tare/off'),
  batch: {oom: builtin('hold'), tasks: builtin('together'), blackHole: null},
  features: {hs06: null, shutdownTime: null, graceUs: null},
  benchmarks: [],
  exporters: {},
  rules: [],
  pauseAt: [],
  files: [],
};
