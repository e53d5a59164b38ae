/** Jobs and commands that both supervisors are given: cheap ones, and as many kinds of them as there are. */

import {existsSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {BUSYBOX, busyboxImage} from '../support/machine.js';
import {program, type Role, type Site} from '../support/tare.js';
import type {DocumentKind} from './compare.js';

interface Called {
  /** Of the site; of `tare-wrap` the node's own. */
  policy?: object;
  /** Instead of `policy`: a file that is there. */
  policyFile?: string;
  argv: readonly string[];
  env?: NodeJS.ProcessEnv;
  input?: string;
}

export interface Case {
  name: string;
  /** `run`: with a record, beside what is given; `command`: argv is all of it; `wrap`: argv is the payload's. */
  kind: 'run' | 'command' | 'wrap';
  /** null: both roles. */
  role?: Role;
  call: (site: Site) => Called;
  /** What standard output is; text where it is not said. */
  stdout?: DocumentKind;
  /** Numbers in what is said are measured. */
  measured?: boolean;
  /** Why it cannot be tried here; null: it can. */
  obstacle?: () => string | null;
  /** How it ends: a comparison in which both failed alike would be one of nothing. */
  ends: number | NodeJS.Signals;
}

const sh = (script: string): string[] => ['--', '/bin/sh', '-c', script];
const run = (name: string, ends: Case['ends'], called: Called | ((site: Site) => Called), more: Partial<Case> = {}): Case => ({
  ...{name, kind: 'run', ends},
  call: typeof called === 'function' ? called : () => called,
  ...more,
});
const command = (name: string, ends: Case['ends'], called: Called | ((site: Site) => Called), more: Partial<Case> = {}): Case =>
  run(name, ends, called, {kind: 'command', ...more});
const wrap = (name: string, ends: Case['ends'], called: Called | ((site: Site) => Called), more: Partial<Case> = {}): Case =>
  run(name, ends, called, {kind: 'wrap', ...more});

const LIES = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', USER: 'root', LOGNAME: 'daemon', HOME: '/a-lie', SHELL: '/bin/lie'};
const refuse = (...user: string[]): object => ({rules: [{name: 'users', match: {user}, refuse: 'not these'}]});

const together = (site: Site): string =>
  site.job({
    limits: {memory: '256MiB', wallTime: '1m'},
    applications: [
      {name: 'first', command: ['/bin/sh', '-c', 'echo one; exit 0']},
      {name: 'second', command: ['/bin/sh', '-c', 'echo two >&2; exit 4'], needs: ['first'], environment: {PART: '2'}},
    ],
    primary: 'second',
    output: 'prefixed',
  });

const machine = (site: Site): string => {
  const image = join(site.directory, 'image');
  if (!existsSync(image)) {
    mkdirSync(image);
    busyboxImage(image);
  }
  return site.job({
    pattern: 'vm-lite',
    image,
    command: ['/bin/sh', '-c', 'grep ":$(id -u):" /etc/passwd; echo $(id -u)'],
    workDirectory: site.work,
  });
};
const noMachine = (): string | null =>
  program('crun') === null ? 'crun is not installed' : existsSync(BUSYBOX) ? null : 'busybox-static is not installed';

const JOB_AD = `GlobalJobId = "ce.example.org#7.0#1790000000"
ClusterId = 7
ProcId = 0
Owner = "somebody"
RequestMemory = 512
RequestCpus = 1
`;
const MACHINE_AD = `Name = "slot1_1@wn"
Memory = 512
Cpus = 1
Disk = 1000000
`;

export const CASES: readonly Case[] = [
  // endings
  run('an end with success', 0, {argv: ['--', '/bin/true']}),
  run('an end with a status', 7, {argv: sh('echo out; echo err >&2; exit 7')}),
  run('an end by a signal', 'SIGTERM', {argv: sh('kill -TERM $$')}),
  run('an end by a fault', 'SIGSEGV', {argv: sh('kill -SEGV $$')}),
  run('standard input, and bytes that are no text', 0, {argv: sh('cat; printf "\\377\\376\\n"'), input: 'one\ntwo\n'}),
  run('a payload that is not there', 127, {argv: ['--', './no-such-program']}),
  run('a payload that is no program', 127, {argv: ['--', '/etc/hostname']}),
  run('the payload’s environment', 0, {argv: ['--cores', '2', ...sh('echo "$HOME|$USER|$LOGNAME|$OMP_NUM_THREADS|$TMPDIR"')], env: LIES}),
  run('what a box has', 1, {argv: sh('echo $$; ls /dev/tare; cat /proc/self/comm; touch /usr/x')}, {measured: false}),

  // limits
  run(
    'a limit on memory',
    'SIGKILL',
    {argv: ['--memory', '40MiB', '--', '/usr/bin/python3', '-c', 'held = b"x" * (200 << 20)']},
    {role: 'root', measured: true},
  ),
  run('a limit on wall time', 'SIGTERM', {argv: ['--wall-time', '1s', '--', '/bin/sleep', '30']}, {measured: true}),
  run('a limit on CPU time', 'SIGTERM', {argv: ['--cpu-time', '500ms', ...sh('while :; do :; done')]}, {role: 'root', measured: true}),
  run(
    'a limit on processes',
    2,
    {argv: ['--processes', '4', ...sh('for i in 1 2 3 4 5 6 7 8; do sleep 2 & done; wait')]},
    {role: 'root', measured: true},
  ),
  run('a nice value', 0, {argv: ['--nice', '7', ...sh('nice')]}),
  run('limits on open files and core size', 0, {argv: ['--open-files', '77', '--core-size', '0', ...sh('ulimit -n; ulimit -c')]}),
  run('defaults and maxima of the policy', 0, {
    argv: ['--memory', '3GiB', '--', '/bin/true'],
    policy: {maxima: {memory: '2GiB'}, defaults: {wallTime: '1h'}},
  }),
  run('pinned cores', 0, {argv: ['--cores', '1', '--', '/bin/true'], policy: {maxima: {cores: 1}}}),

  // ways to run
  run('a job that is only observed', 3, {argv: ['--memory', '1GiB', ...sh('exit 3')], policy: {mode: 'observe'}}),
  run('no network', 0, {argv: ['--network', 'none', ...sh('cat /proc/net/dev | wc -l')], policy: {network: ['host', 'none']}}),
  run('a descriptor', 5, (site) => ({
    argv: [
      site.job({name: 'a job', vo: 'atlas', command: ['/bin/sh', '-c', 'exit $CODE'], environment: {CODE: 5}, limits: {memory: '100MB'}}),
    ],
  })),
  run('several applications', 4, (site) => ({argv: [together(site)]})),
  run('an application that is not there', 125, (site) => ({
    argv: [site.job({applications: [{name: 'a', command: ['/bin/true'], needs: ['b']}]})],
  })),
  run(
    'a small machine, and who its payload is there',
    0,
    (site) => ({argv: [machine(site)], policy: {patterns: ['vm-lite'], images: [`${site.directory}/*`]}}),
    {role: 'root', obstacle: noMachine},
  ),

  // whose job it is
  run('a rule on the user', 126, {argv: ['--', '/bin/true'], policy: refuse('nobody'), env: LIES}),
  run('a rule on whom the environment names', 0, {argv: ['--', '/bin/true'], policy: refuse('root', 'daemon', 'unknown'), env: LIES}),
  run('another account', 0, {argv: ['--user', 'daemon', ...sh('id -u; id -g; echo $HOME $USER')], env: LIES}, {role: 'root'}),
  run('another account, by a user', 126, {argv: ['--user', 'daemon', '--', '/bin/true']}, {role: 'user'}),
  run('root, which the policy does not let run', 126, {argv: ['--user', 'root', '--', '/bin/true']}),
  run('an account that is not there', 125, {argv: ['--user', 'no-such-account', '--', '/bin/true']}),

  // refusals
  run('a rule with a reason', 126, {
    argv: ['--vo', 'cms', '--', '/bin/true'],
    policy: {rules: [{match: {vo: ['cm*']}, refuse: 'the quota is spent'}]},
  }),
  run('several refusals at once', 126, {
    argv: ['--network', 'none', '--user', 'root', '--', '/bin/true'],
    policy: {network: ['host']},
  }),
  run('a pattern that is not allowed', 126, (site) => ({argv: [together(site)], policy: {patterns: ['ulimit++']}})),
  run('a device that is not there', 125, (site) => ({
    argv: [site.job({command: ['/bin/true'], devices: ['/dev/none']})],
    policy: {devices: ['/dev/*']},
  })),
  run('an enforcement that no kernel has', 125, {
    argv: ['--wall-time', '1h', '--', '/bin/true'],
    policy: {enforcement: {wallTime: 'kernel'}},
  }),

  // wrong inputs
  run('a quantity that is none', 125, {argv: ['--memory', 'much', '--', '/bin/true']}),
  run('a descriptor with mistakes', 125, (site) => ({argv: [site.job({command: 'x', limits: {memory: -1}, patern: 'x'})]})),
  run('a descriptor that is not there', 125, {argv: ['/no/such/job.yaml']}),
  command('two jobs at once', 125, (site) => ({argv: ['run', '--policy', site.policy(), 'a.yaml', 'b.yaml']})),
  command('no job', 125, (site) => ({argv: ['run', '--policy', site.policy()]})),
  command('a flag that is not there', 64, {argv: ['run', '--no-such-flag', '--', '/bin/true']}),
  command('a command that is not there', 64, {argv: ['no-such-command']}),
  command('a policy that contradicts itself', 125, (site) => ({
    argv: ['run', '--policy', site.policy({identity: {user: 'root'}}), '--', '/bin/true'],
  })),
  command('a policy that is not there', 125, {argv: ['run', '--policy', '/no/such/policy.yaml', '--', '/bin/true']}),
  command('a policy with a mistake', 1, (site) => ({argv: ['validate', site.policy({grace: 'soon', unknown: 1})]})),

  // plans
  command(
    'a plan',
    0,
    (site) => ({argv: ['plan', '--json', '--policy', site.policy(), '--memory', '1GiB', '--cores', '2', '--', '/bin/true'], env: LIES}),
    {stdout: 'plan'},
  ),
  command('a plan of several applications', 0, (site) => ({argv: ['plan', '--json', '--policy', site.policy(), together(site)]}), {
    stdout: 'plan',
  }),
  command(
    'a plan of a small machine',
    0,
    (site) => ({
      argv: ['plan', '--json', '--policy', site.policy({patterns: ['vm-lite'], images: [`${site.directory}/*`]}), machine(site)],
    }),
    {stdout: 'plan', obstacle: noMachine},
  ),
  command('a plan in words', 0, (site) => ({
    argv: ['plan', '--policy', site.policy({maxima: {memory: '1GiB'}}), '--memory', '2GiB', '--', '/bin/true'],
  })),
  command('a plan that is refused', 126, (site) => ({argv: ['plan', '--policy', site.policy(refuse('*')), '--', '/bin/true'], env: LIES})),

  // the other commands
  command('doctor', 0, (site) => ({argv: ['doctor', '--json', '--policy', site.policy({patterns: ['ulimit++']})]}), {stdout: 'doctor'}),
  command('help', 0, {argv: ['--help']}, {measured: true}),
  command('help of a command', 0, {argv: ['run', '--help']}),
  command('no live boxes', 0, (site) => ({argv: ['ps', '--policy', site.policy()]})),
  command('a box that is not there', 125, (site) => ({argv: ['kill', '--policy', site.policy(), 'abcdef']})),
  command('a sweep of nothing', 0, (site) => ({argv: ['records', 'sweep', '--json', '--policy', site.policy()]}), {role: 'user'}),
  command('a record that is not there', 125, (site) => ({
    argv: ['records', 'show', '--policy', site.policy(), '00000000-0000-0000-0000-000000000000'],
  })),
  command('a schema', 0, {argv: ['schema', 'job']}),
  command('the configuration for HTCondor', 0, {argv: ['htcondor', 'config']}),
  command('ARC’s runtime environment', 0, {argv: ['arc', 'rte']}),

  // tare-wrap
  wrap('a payload of tare-wrap', 7, {argv: ['/bin/sh', '-c', 'echo "$@"; exit 7', 'sh', '--json', 'run', '--', '']}),
  wrap('a job of HTCondor (ads of the test’s own)', 3, {
    argv: ['/bin/sh', '-c', 'exit 3'],
    env: {
      PATH: '/usr/bin:/bin',
      _CONDOR_SLOT: 'slot1_1',
      _CONDOR_JOB_AD: '{work}/.job.ad',
      _CONDOR_MACHINE_AD: '{work}/.machine.ad',
      _CONDOR_SCRATCH_DIR: '{work}',
    },
  }),
];

export const ADS = {'.job.ad': JOB_AD, '.machine.ad': MACHINE_AD};
