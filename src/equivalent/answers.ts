/** What becomes of each kind of step, and of each limit, with a tool that is not Tare. */

import type {LimitName} from '../job/job.js';
import type {Step} from '../plan/step.js';
import type {Outline} from './outline.js';

/** What a plan consists of, beside its limits, in the words of the reference page. */
export const ASPECTS = {
  payload: 'command, standard streams',
  status: 'exit status',
  record: 'record',
  environment: 'environment',
  account: 'account',
  privileges: 'privileges',
  filter: 'filter on system calls',
  landlock: 'Landlock',
  namespaces: 'namespaces',
  network: 'network',
  hostname: 'host name, and files about it',
  root: 'files at /, mounts',
  temporary: 'private /tmp and /var/tmp',
  kernelFiles: '/proc and /sys',
  devices: '/dev',
  view: 'copy-on-write view',
  image: 'image',
  repositories: 'repositories of CVMFS',
  groups: 'control groups',
  cpuWeight: 'share of CPU time among jobs',
  killsAll: 'kill of all at the memory limit',
  stall: 'stall at the memory limit',
  oomScore: 'place before the out-of-memory killer',
  weighing: 'weighing',
  features: 'Machine/Job Features',
  first: 'first process of a PID namespace',
  applications: 'several applications, services',
  accounts: 'accounts of an image',
} as const;
/** Something that a plan consists of. */
export type Aspect = keyof typeof ASPECTS;

/** Aspects, and limits, that each kind of step is about: a kind without a row does not compile. */
export const ABOUT: Readonly<Record<Step['op'], readonly (Aspect | LimitName)[]>> = {
  'cgroup.evacuate': ['groups'],
  'cgroup.enable': ['groups'],
  'cgroup.create': ['groups'],
  'cgroup.write': ['groups', 'cpuWeight', 'killsAll'],
  'directory.create': ['temporary'],
  'scratch.quota': ['scratch'],
  'mount.point': ['view'],
  'mount.cover': ['view'],
  'mount.move': ['view'],
  'identity.take': ['account'],
  'identity.provide': ['hostname'],
  'accounts.provide': ['accounts'],
  'hostname.set': ['hostname'],
  'privileges.drop': ['privileges'],
  'affinity.set': ['pinCores'],
  'nice.set': ['nice'],
  'oom.adjust': ['oomScore'],
  'rlimit.set': ['openFiles', 'coreSize', 'nice', 'processes'],
  'seccomp.load': ['filter'],
  'image.take': ['image'],
  'image.root': ['image'],
  'mount.squashfs': ['image'],
  'mount.shift': ['image'],
  'namespace.unshare': ['namespaces'],
  'view.unshare': ['view'],
  'view.enter': ['view'],
  'paths.protect': ['kernelFiles'],
  'mount.overlay': ['view'],
  'mount.closed': ['root'],
  'mount.bind': ['root'],
  'mount.tmpfs': ['root'],
  'mount.readonly': ['root', 'devices'],
  'mount.proc': ['kernelFiles'],
  'mount.sys': ['kernelFiles'],
  'mount.dev': ['devices'],
  'mount.terminals': ['devices'],
  'network.lease': ['network'],
  'network.bridge': ['network'],
  'network.veth': ['network'],
  'network.macvlan': ['network'],
  'network.address': ['network'],
  'network.nat': ['network'],
  'network.apart': ['network'],
  'network.user': ['network'],
  'cvmfs.probe': ['repositories'],
  'mount.pin': ['repositories'],
  'cvmfs.mount': ['repositories'],
  'cvmfs.bind': ['repositories'],
  'watch.memory': ['memory'],
  'watch.oom': ['killsAll'],
  'watch.memoryStall': ['stall'],
  'watch.wallTime': ['wallTime'],
  'watch.cpuTime': ['cpuTime'],
  'watch.scratch': ['scratch'],
  'watch.processes': ['processes'],
  'weigh.processes': ['weighing'],
  'weigh.scratch': ['weighing'],
  'environment.set': ['environment'],
  'environment.unset': ['environment'],
  'features.provide': ['features'],
  'parts.collect': ['features'],
  'payload.execute': ['payload', 'first'],
  'application.execute': ['applications', 'payload'],
};

/** What a tool does of one aspect or limit. */
export interface Answer {
  how: 'same' | 'differs' | 'missing';
  /** The tool's own words for it; empty: it has none. */
  by: string;
  /** What is less or different, in a sentence; empty: nothing. */
  text: string;
  /** Whether the sentence is true of a plan; absent: of each that has the step or limit. */
  when?: (outline: Outline) => boolean;
}

/** The tool does the same. @param by the tool's own words */
export const same = (by: string): Answer => ({how: 'same', by, text: ''});
/** The tool does something near to it. @param by the tool's own words @param text what is different, in a sentence */
export const differs = (by: string, text: string, when?: Answer['when']): Answer => ({
  how: 'differs',
  by,
  text,
  ...(when === undefined ? {} : {when}),
});
/** The tool does nothing of it. @param text why, in a sentence */
export const missing = (text: string, when?: Answer['when']): Answer => ({...differs('', text, when), how: 'missing'});

/** Something that a text says of a step or limit, beside what its tool's row says. */
export interface Note {
  /** The step or limit, as `mount.bind` or `limit memory`. */
  about: string;
  /** A sentence. */
  text: string;
}

/** What a tool is told. */
export interface Expressed {
  /** How it is used: commands for a shell, each a line. */
  use: readonly string[];
  /** A shell script, an LXC configuration, XML; or an object that is printed as JSON, with the notes as annotations. */
  body: {kind: 'lines'; text: string} | {kind: 'xml'; text: string} | {kind: 'json'; value: Record<string, unknown>};
  notes: readonly Note[];
}

/** Row of a tool. */
export interface Tool {
  /** Title, as people call the tool. */
  title: string;
  aspects: Readonly<Record<Aspect, Answer>>;
  limits: Readonly<Record<LimitName, Answer>>;
  express: (outline: Outline) => Expressed;
}

/** No tool has anything of these. */
export const COMMON = {
  record: missing('no record is written, and nothing is exported.'),
  landlock: missing('the second wall around read-only files is not put up.'),
  stall: missing('a payload that makes no progress at its memory limit is not noticed.'),
  weighing: missing('memory and scratch are not weighed.'),
  features: missing('JOBFEATURES and MACHINEFEATURES are not there, and wrappers in the box have nobody to report to.'),
  accounts: missing('the image’s accounts stay as they are, without the job’s.'),
  repositories: differs('a bind mount', 'a repository is bound if it is mounted now; none is looked at, waited for, held or mounted.'),
  cpuWeight: missing('where CPUs are short, it has the usual share beside other jobs.', ({cpuWeight}) => cpuWeight !== null),
  killsAll: missing('the kernel kills one process at the memory limit, and nobody kills the others.', ({limits}) => limits.memory !== null),
} satisfies Partial<Record<Aspect, Answer>>;

/** The command is process 1 of the tool's PID namespace. @param by the tool's own words */
export const asFirst = (by: string): Answer =>
  differs(
    by,
    'with a limit on wall time process 1 is timeout(1), and the command its child.',
    ({isFirst, limits}) => isFirst && limits.wallTime !== null,
  );

/** Limits that programs of the box's own files enforce, around the command. */
export const INNER = {
  nice: differs(
    'nice(1) before the command',
    'the box needs nice(1), and the command may be given a lower value again if it has the right to.',
  ),
  wallTime: differs(
    'timeout(1) before the command',
    'the box needs timeout(1); it ends with 124, suspended time counts, and what left its process group gets no SIGTERM.',
  ),
} satisfies Partial<Record<LimitName, Answer>>;

/** Kill of all at the memory limit by a file of control groups of version 2. @param by the tool's own words */
export const byOomGroup = (by: string): Answer => ({
  ...COMMON.killsAll,
  how: 'differs',
  by,
  when: ({groups, killsAll}) => groups === 1 || !killsAll,
});

const PER_PROCESS = 'it holds for each process by itself, not for all together.';
/** Limits of setrlimit(2). @param by the tool's own words for one, with NAME for its name */
export const rlimitAnswers = (by: string): Record<'openFiles' | 'coreSize' | 'cpuTime', Answer> => ({
  openFiles: same(by.replace('NAME', 'nofile')),
  coreSize: same(by.replace('NAME', 'core')),
  cpuTime: differs(by.replace('NAME', 'cpu'), PER_PROCESS),
});

const NOT_ABOVE = 'for a user, a value above the user’s own fails.';
/** The same by prlimit(1), before a tool that has no words for them. */
export const PRLIMIT: ReturnType<typeof rlimitAnswers> = {
  openFiles: differs('prlimit(1), --nofile', NOT_ABOVE, ({isRoot}) => !isRoot),
  coreSize: differs('prlimit(1), --core', NOT_ABOVE, ({isRoot}) => !isRoot),
  cpuTime: differs('prlimit(1), --cpu', PER_PROCESS),
};

/** Several applications where each is a container of its own. */
export const ONE_COMMAND_EACH = differs(
  'one command each',
  'the commands are printed in an order in which they may be started: start each when it may start. Each has the job’s limits for itself, unless it has its own; in Tare all share them.',
  ({programs}) => programs.length > 1,
);
/** Several applications where a configuration has one command. */
export const ONE_COMMAND = missing(
  'the text has the command that the job ends with; the others are listed here, to be started by hand.',
  ({programs}) => programs.length > 1,
);
