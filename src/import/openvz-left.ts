/** Parameters of OpenVZ that nothing is made of, and why (ctid.conf(5), vzctl(8), vzubc(8)). */

import type {Unit} from './openvz-amounts.js';

/** User beancounters besides those that become limits: what a number of theirs counts, and why it is left. */
export const COUNTERS: Readonly<Record<string, {unit: Unit; because: string}>> = {
  VMGUARPAGES: {unit: 'pages', because: 'it guarantees memory; a job has limits and no guarantees'},
  OOMGUARPAGES: {unit: 'pages', because: 'it guarantees memory; a job has limits and no guarantees'},
  LOCKEDPAGES: {unit: 'pages', because: 'no limit of a job is on locked memory alone; what is locked counts as memory'},
  SHMPAGES: {unit: 'pages', because: 'no limit of a job is on shared memory alone; it counts as memory'},
  KMEMSIZE: {unit: 'bytes', because: 'no limit of a job is on the kernel’s memory alone; it counts as memory'},
  DCACHESIZE: {unit: 'bytes', because: 'no limit of a job is on caches of the kernel alone; they count as memory'},
  DCACHE: {unit: 'bytes', because: 'no limit of a job is on caches of the kernel alone; they count as memory'},
  TCPSNDBUF: {unit: 'bytes', because: 'no limit of a job is on buffers of sockets alone; they count as memory'},
  TCPRCVBUF: {unit: 'bytes', because: 'no limit of a job is on buffers of sockets alone; they count as memory'},
  OTHERSOCKBUF: {unit: 'bytes', because: 'no limit of a job is on buffers of sockets alone; they count as memory'},
  DGRAMRCVBUF: {unit: 'bytes', because: 'no limit of a job is on buffers of sockets alone; they count as memory'},
  NUMFILE: {unit: 'items', because: 'it counts the open files of the whole container; openFiles is a limit on each process'},
  AVNUMPROC: {unit: 'items', because: 'it is an average, from which other values are chosen, and no limit'},
  NUMPTY: {unit: 'items', because: 'no limit of a job is on terminals'},
  NUMFLOCK: {unit: 'items', because: 'no limit of a job is on file locks'},
  NUMSIGINFO: {unit: 'items', because: 'no limit of a job is on pending signals'},
  NUMTCPSOCK: {unit: 'items', because: 'no limit of a job is on sockets'},
  NUMOTHERSOCK: {unit: 'items', because: 'no limit of a job is on sockets'},
  NUMIPTENT: {unit: 'items', because: 'no limit of a job is on rules of a packet filter'},
  IPTENTRIES: {unit: 'items', because: 'no limit of a job is on rules of a packet filter'},
};

const ACCESS = 'only the site gives a job access to the kernel’s parts; a small machine has what a user namespace gives its root';
const START = 'it is about when the container starts and stops; a job is started by its batch system';
const DISK = 'a job’s disk is limited in bytes only';
const IO = 'a job has no limit on reading and writing';
const TOOLS = 'it is about vzctl itself';
const MAPPING = 'the site says which ids of the node a small machine has (identity.machineIds)';

/** Other parameters. */
export const LEFT: Readonly<Record<string, string>> = {
  VE_ROOT: 'it is the place where vzctl mounts the private area; a box has a mount point of its own',
  OSTEMPLATE: 'the private area was made from this template, and the image is what became of it',
  ORIGIN_SAMPLE: 'the file was made from this sample, and has its values',
  CONFIG_CUSTOMIZED: TOOLS,
  TEMPLATE: TOOLS,
  VE_LAYOUT: 'it says what VE_PRIVATE holds, and was used for that',
  MOUNT_OPTS: 'an image is mounted by Tare, with options of its own',
  DESCRIPTION: 'a job has a name, and no description',
  ONBOOT: START,
  BOOTORDER: START,
  DISABLED: START,
  STOP_TIMEOUT: START,
  CPUUNITS: 'it is a weight against other containers; a job has its cores, and no weight',
  CPUWEIGHT: 'it is a weight against other containers; a job has its cores, and no weight',
  CPUUWEIGHT: 'it is a weight against other containers; a job has its cores, and no weight',
  NODEMASK: 'which CPUs and memory a job has is said by its slot',
  IOPRIO: IO,
  IOLIMIT: IO,
  IOPSLIMIT: IO,
  DISKINODES: DISK,
  QUOTATIME: 'the hard limit counts from the start, without a time of grace',
  QUOTAUGIDLIMIT: 'a job has no quota for accounts of its image',
  DISK_QUOTA: 'it says whether DISKSPACE counts, and was used for that',
  MEMINFO: 'it is about what /proc/meminfo shows',
  VM_OVERCOMMIT: 'it limits what may be allocated; a job’s memory is what it uses',
  SEARCHDOMAIN: 'a pool of the policy has name servers, and no search domains',
  IPV6: 'whether a box has addresses of IPv6 is said by its pool',
  NETDEV: 'a box gets no device of the node’s network',
  CAPABILITY: ACCESS,
  FEATURES: ACCESS,
  NETFILTER: ACCESS,
  IPTABLES: ACCESS,
  PCI: ACCESS,
  DEVICES: 'a device is named by its path, and these are numbers',
  LOCAL_UID: MAPPING,
  LOCAL_GID: MAPPING,
  VEID: 'it is the container’s number; a box has an id of its own',
};
