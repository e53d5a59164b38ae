/** The filter on system calls, as a payload meets it: in every pattern, beside the payload, and for what joins its box. */

import {copyFileSync, existsSync, writeFileSync} from 'node:fs';
import {spawn, spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {expect} from 'chai';
import {builtinProfile, type SeccompArgument, type SeccompProfile} from '../../../src/engine/seccomp.js';
import {systemCallNumber} from '../../../src/engine/system-calls.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import {describeSite} from '../../support/describe-site.js';
import {HAS_VIEWS, kernelSince} from '../../support/groups.js';
import {BUSYBOX, busyboxImage} from '../../support/machine.js';
import {need, needKernel} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, payload, program} from '../../support/tare.js';

const NO = 'EPERM';
const LACKS = 'ENOSYS';
const [ALWAYS, OBSOLETE, FAMILIES, NESTED] = [
  [
    ...['acct', 'bpf', 'clock_settime', 'delete_module', 'finit_module', 'init_module', 'kexec_load', 'open_by_handle_at', 'quotactl'],
    ...['quotactl_fd', 'settimeofday', 'swapoff', 'swapon', 'syslog', 'userfaultfd', 'vhangup', 'prlimit64/set-other'],
    ...['ioctl/TIOCSTI', 'ioctl/TIOCSTI+high', 'ioctl/TIOCLINUX', 'ioctl/TIOCLINUX+high'],
  ],
  ['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'lookup_dcookie', 'nfsservctl'],
  ['ax25', 'x25', 'key', 'rds', 'can', 'tipc', 'bluetooth', 'rxrpc', 'alg', 'vsock', 'xdp', 'vsock+high'].map((name) => `socket/${name}`),
  [
    ...['time', 'mount', 'cgroup', 'uts', 'ipc', 'user', 'pid', 'net'].map((kind) => `unshare/${kind}`),
    ...['mount', 'cgroup', 'uts', 'ipc', 'user', 'pid', 'net'].map((kind) => `clone/${kind}`),
    ...['setns', 'mount', 'umount2', 'open_tree', 'open_tree_attr', 'mount_setattr', 'fsconfig'],
  ],
];
const KEYS = ['keyctl', 'add_key'];
const NEVER = [
  ...[
    'socket/unix',
    'socket/inet',
    'socket/inet6',
    'socket/netlink',
    'prlimit64/get-other',
    'prlimit64/set-own',
    'ptrace',
    'process_vm_readv',
  ],
  ...['unshare/files', 'clone/none', 'sched_setaffinity', 'sched_setscheduler', 'sched_setattr', 'personality', 'mbind', 'perf_event_open'],
  'ioctl/TIOCGWINSZ',
];
const rows = (names: readonly string[], answer: string): [string, string][] => names.map((name) => [name, answer]);
const DENIED = [...rows(ALWAYS, NO), ...rows(OBSOLETE, LACKS), ...rows(FAMILIES, NO), ['socketpair/vsock', NO]] as const;
/** `open`: whatever the kernel says, but that it is not allowed or not there. */
const TABLE: Readonly<Record<'default' | 'pilot', Readonly<Record<string, string>>>> = {
  default: Object.fromEntries([...DENIED, ...rows(NESTED, NO), ['clone3', LACKS], ...rows(NEVER, 'open')]),
  pilot: Object.fromEntries([...DENIED, ...rows([...NESTED, 'clone3', ...NEVER], 'open')]),
};
/** Of calls that are younger than the oldest kernel that this runs on: the kernel that has it. */
const SINCE: Readonly<Record<string, readonly [number, number]>> = {mount_setattr: [5, 12], open_tree_attr: [6, 15]};
/** Of x86 alone. The i386 gate is not in every kernel. */
const X86 = {
  ...Object.fromEntries(rows(['iopl', 'ioperm'], NO)),
  ...Object.fromEntries(rows(['sysfs', 'uselib', 'ustat', '_sysctl', 'x32/getpid'], LACKS)),
};
const GATE = {
  ...Object.fromEntries(rows(['init_module', 'socketcall/socket', 'socket/vsock', 'ioctl/TIOCSTI', 'unshare/user', 'umount'], NO)),
  ...{clone3: LACKS, io_uring_setup: LACKS, getpid: 'open', 'socketcall/bind': 'open', 'socket/unix': 'open'},
};
const GATE_OF_DEFAULT = ['unshare/user', 'umount', 'clone3'];

/** What the kernel says of each kind of it (prctl(2), PR_GET_SPECULATION_CTRL). */
function speculation(found: Record<string, string>): [string, string][] {
  const kinds = Object.entries(found).filter(([name]) => name.startsWith('speculation/'));
  expect(kinds).to.have.length(3);
  return kinds;
}

/** What the prober has printed, and what of it is not as the profile says. */
function parse(stdout: string, prefix = ''): Record<string, string> {
  return Object.fromEntries(
    stdout
      .split('\n')
      .filter((line) => line.startsWith(prefix) && / (?:ok|none|[A-Z]+|-?\d+)$/.test(line))
      .map((line) => line.slice(prefix.length).split(' ') as [string, string]),
  );
}

function expectTable(
  found: Record<string, string>,
  profile: 'default' | 'pilot',
  {keys}: {keys: 'open' | typeof NO} = {keys: 'open'},
): void {
  const wanted: Record<string, string> = {...TABLE[profile], ...Object.fromEntries(rows(KEYS, keys))};
  for (const [name, since] of Object.entries(SINCE)) if (wanted[name] === 'open' && !kernelSince(...since)) wanted[name] = LACKS;
  if (process.arch === 'x64') {
    Object.assign(wanted, X86);
    if (found['i386/getpid'] !== 'none')
      for (const [name, answer] of Object.entries(GATE))
        wanted[`i386/${name}`] = profile === 'pilot' && GATE_OF_DEFAULT.includes(name) ? 'open' : answer;
  }
  const seen = Object.fromEntries(
    Object.entries(wanted).map(([name, answer]) => {
      const said = found[name] ?? 'not tried';
      return [name, answer === 'open' && said !== NO && said !== LACKS && said !== 'not tried' ? 'open' : said];
    }),
  );
  expect(seen).to.deep.equal(wanted);
}

interface Attempt {
  /** As the prober prints it. */
  name: string;
  call: string;
  arguments: readonly bigint[];
  /** Of the prober. */
  word: string;
}

const HIGH = 1n << 32n;
const MOST_ARGUMENTS = 5;
const ALL_ONES = (1n << 64n) - 1n;

/** For which a condition holds. */
const meets = ({op, value, valueTwo = 0}: SeccompArgument): bigint =>
  op === 'SCMP_CMP_NE' ? BigInt(value) + 1n : BigInt(op === 'SCMP_CMP_MASKED_EQ' ? valueTwo : value);

const holds = ({index, op, value, valueTwo = 0}: SeccompArgument, given: readonly bigint[]): boolean => {
  const found = given[index] ?? 0n;
  if (op === 'SCMP_CMP_MASKED_EQ') return (found & BigInt(value)) === BigInt(valueTwo);
  return (found === BigInt(value)) === (op === 'SCMP_CMP_EQ');
};

/** The error with which a profile denies it; null: it lets it through. */
const denial = ({syscalls = []}: SeccompProfile, {call, arguments: given}: Attempt): number | null =>
  syscalls.find(({names, args = []}) => names.includes(call) && args.every((one) => holds(one, given)))?.errnoRet ?? null;

/**
 * Of every call that a profile denies by this processor's numbers, by those of 32 bits too: what each of its rules denies, and, where that depends on
 * arguments, the same with bits above 32, and the call with other arguments. None of them does anything where it is let through.
 */
function attempts({syscalls = []}: SeccompProfile): Attempt[] {
  const all = syscalls.flatMap(({names, args = []}, rule) => {
    const met = Array.from({length: MOST_ARGUMENTS}, (_, index) => {
      const one = args.find((each) => each.index === index);
      return one === undefined ? (args.length === 0 ? ALL_ONES : 0n) : meets(one);
    });
    const ways: [string, bigint[]][] = [[String(rule), met]];
    if (args.length > 0) ways.push(['other', met.map(() => 0n)]);
    return (process.arch === 'x64' ? (['x86_64', 'i386'] as const) : (['aarch64'] as const)).flatMap((abi) =>
      names.flatMap((call) => {
        const number = systemCallNumber(abi, call);
        if (number === null) return [];
        const high: typeof ways =
          args.length === 1 && abi !== 'i386' ? [[`${String(rule)}+high`, met.map((one) => (one === 0n ? one : one + HIGH))]] : [];
        return [...ways, ...high].map(([way, given]) => {
          const name = `${abi}/${call}/${way}`;
          return {name, call, arguments: given, word: `${name}=${[number, ...given].join(',')}`};
        });
      }),
    );
  });
  return [...new Map(all.map((one) => [one.name, one])).values()];
}

const ERRORS: Readonly<Record<number, string>> = {1: NO, 38: LACKS};
/** What a site's file says in place of EPERM and ENOSYS: no call ends with it by itself. */
const MARK = 900;

const LEVEL = '; echo; grep -H ^Seccomp: /proc/1/status /proc/self/status';
const sh = (script: string): string[] => ['/bin/sh', '-c', script];
const levels = (stdout: string): string[] =>
  [...stdout.matchAll(/\/proc\/(\w+)\/status:Seccomp:\t(\d)/g)].map(([, who, level]) => `${who ?? ''} ${level ?? ''}`);

describeSite('system calls of a payload, %s', {timeout: patience(60_000)}, (site) => {
  /** Runs it without a box, as the box's account. */
  const outside = (): Record<string, string> =>
    parse(spawnSync(payload('calls'), {encoding: 'utf8', ...(isRoot ? {uid: 65534, gid: 65534} : {})}).stdout);

  it('ulimit++: by the profile default; init has no filter, and speculation is as outside', async () => {
    const {stdout, record} = await site.run(['--', ...sh(payload('calls') + LEVEL)]);
    const found = parse(stdout);
    expectTable(found, 'default');
    expect(levels(stdout)).to.deep.equal(['1 0', 'self 2']);
    expect(record).to.include({pattern: 'ulimit++', seccomp: 'default'});
    expect(speculation(found)).to.deep.equal(speculation(outside()));
  });

  it('ulimit++: by pilot namespaces and mounts are the payload’s, and all else is denied as before', async () => {
    const {stdout, record} = await site.run(['--', payload('calls')], {policy: {seccomp: 'pilot'}});
    expectTable(parse(stdout), 'pilot');
    expect(record.seccomp).to.equal('pilot');
  });

  it('unconfined denies no call', async () => {
    const {stdout, record} = await site.run(['--', ...sh(payload('calls') + LEVEL)], {policy: {seccomp: 'unconfined'}});
    const found = parse(stdout);
    expect(levels(stdout)).to.deep.equal(['1 0', 'self 0']);
    expect(found).to.include({'prlimit64/set-other': 'ok', 'unshare/user': 'ok', 'ioctl/TIOCSTI': '9'});
    expect(record.seccomp).to.equal(null);
  });

  it('every call of the list ends as each profile says: denied by the filter, or as without one', async () => {
    const [standard, pilot] = [builtinProfile('default', false), builtinProfile('pilot', false)];
    const marked = join(site.directory, 'marked.json');
    const syscalls = standard.syscalls?.map((rule) => ({...rule, errnoRet: MARK + (rule.errnoRet ?? 0)}));
    writeFileSync(marked, JSON.stringify({...standard, syscalls}));
    const tried = attempts(standard);
    const [byDefault, byPilot, byFile, without] = await Promise.all(
      ['default', 'pilot', marked, 'unconfined'].map(async (seccomp) => {
        const {stdout, stderr, code} = await site.run(['--', payload('calls'), '--try', ...tried.map(({word}) => word)], {
          policy: {seccomp},
        });
        expect(code, stderr).to.equal(0);
        return parse(stdout);
      }),
    );
    // the i386 gate is not in every kernel
    const there = tried.filter(({name}) => without?.[name] !== 'none');
    const table = (found: Record<string, string> = {}): Record<string, string> =>
      Object.fromEntries(there.map(({name}) => [name, found[name] ?? 'not tried']));
    const wanted = (profile: SeccompProfile, said: (errno: number) => string): Record<string, string> =>
      Object.fromEntries(
        there.map((one) => {
          const errno = denial(profile, one);
          return [one.name, errno === null ? (without?.[one.name] ?? 'not tried') : said(errno)];
        }),
      );
    expect(Object.keys(without ?? {})).to.have.length(tried.length);
    expect(table(byDefault)).to.deep.equal(wanted(standard, (errno) => ERRORS[errno] ?? String(errno)));
    expect(table(byPilot)).to.deep.equal(wanted(pilot, (errno) => ERRORS[errno] ?? String(errno)));
    // where the kernel says the same by itself
    expect(table(byFile)).to.deep.equal(wanted(standard, (errno) => String(MARK + errno)));
  });

  it('quotas++: of each application, and no rule of one is another’s', async () => {
    const one = (name: string): NonNullable<JobDocument['applications']>[number] => ({name, command: sh(payload('calls') + LEVEL)});
    const {stdout, record} = await site.run([site.job({applications: [one('a'), one('b')]})]);
    const bare = speculation(outside());
    for (const name of ['a', 'b']) {
      const found = parse(stdout, `${name}: `);
      expectTable(found, 'default');
      expect(speculation(found)).to.deep.equal(bare);
    }
    expect(levels(stdout).sort()).to.deep.equal(['1 0', '1 0', 'self 2', 'self 2']);
    expect(record).to.include({pattern: 'quotas++', seccomp: 'default'});
  });

  /** A box whose payload waits for the end of its input, and what `tare exec` in it prints. */
  const joined = async (argv: string[], command: string[], policy: object = {}): Promise<string> => {
    const file = site.policy(policy);
    const child = site.start(['run', '--policy', file, ...argv]);
    const end = ending(child);
    try {
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      const [{id} = {id: ''}] = JSON.parse((await site.command(['ps', '--json', '--policy', file])).stdout) as {id: string}[];
      const {code, stdout, stderr} = await site.command(['exec', id, '--policy', file, '--', ...command]);
      expect(code, stderr).to.equal(0);
      return stdout;
    } finally {
      child.stdin?.end();
      await end;
    }
  };

  it('what joins the box has the box’s filter', async () => {
    const stdout = await joined(['--', ...sh('echo up; cat')], sh(payload('calls') + LEVEL));
    const found = parse(stdout);
    expectTable(found, 'default');
    expect(levels(stdout)).to.deep.equal(['1 0', 'self 2']);
    expect(speculation(found)).to.deep.equal(speculation(outside()));
  });

  it('vm-lite: of the payload, of a service, which is the box’s root, and of what joins', async function () {
    needKernel(this, HAS_VIEWS, 'a small machine has a view of its image');
    need(this, program('crun') !== null, 'crun is not installed');
    need(this, existsSync(BUSYBOX), 'busybox-static is not installed');
    const image = busyboxImage(join(site.directory, 'image'));
    copyFileSync(payload('calls'), join(image, 'bin/calls'));
    const web = {name: 'web', command: sh('calls > /run/calls; touch /run/up; exec sleep 1000'), ready: {file: '/run/up', within: '60s'}};
    const machine = builtinProfile('default', true);
    const tried = attempts(machine);
    const words = tried.map(({word}) => word).join(' ');
    const command = sh(
      `calls${LEVEL}; echo; calls --try ${words}; grep -v ^speculation /run/calls | while read line; do echo "web: $line"; done; cat`,
    );
    const policy = {images: [`${site.directory}/*`]};
    const job = site.job({image, services: [web], network: 'none', command});
    const {stdout, stderr, code, record} = await site.run([job], {policy});
    expect(code, stderr).to.equal(0);
    expect(record).to.include({pattern: 'vm-lite', seccomp: 'default'});
    const found = parse(stdout);
    expectTable(found, 'default', {keys: NO});
    expect(speculation(found)).to.deep.equal(speculation(outside()));
    const denied = tried.flatMap((one) => {
      const errno = denial(machine, one);
      return errno === null || found[one.name] === 'none' ? [] : [[one.name, ERRORS[errno]]];
    });
    expect(denied.map(([name = '']) => [name, found[name]])).to.deep.equal(denied);
    expectTable(parse(stdout, 'web: '), 'default', {keys: NO});
    expect(levels(stdout)).to.include('self 2');
    expectTable(parse(await joined([job], ['calls'], policy)), 'default', {keys: NO});
  });

  it('a site’s own file holds in every pattern; a file that no filter can express stops the job', async () => {
    const file = join(site.directory, 'calls.json');
    const write = (action: string): void => {
      const syscalls = [{names: ['sched_setattr'], action, errnoRet: 77}];
      writeFileSync(file, JSON.stringify({defaultAction: 'SCMP_ACT_ALLOW', syscalls}));
    };
    write('SCMP_ACT_ERRNO');
    const {stdout, record} = await site.run(['--', payload('calls')], {policy: {seccomp: file}});
    expect(parse(stdout)).to.include({sched_setattr: '77', 'prlimit64/set-other': 'ok', 'unshare/user': 'ok'});
    expect(record.seccomp).to.equal(file);
    write('SCMP_ACT_NOTIFY');
    const refused = await site.run(['--', 'true'], {policy: {seccomp: file}});
    expect(refused.code).to.equal(125);
    expect(refused.stderr).to.include(`${file}: `).and.include('found: SCMP_ACT_NOTIFY');
  });

  it('no process of the box lowers a limit of init', async function () {
    need(this, program('prlimit') !== null, 'prlimit (util-linux) is not there');
    const look = 'prlimit --pid 1 --cpu --output=SOFT,HARD --noheadings --raw';
    const {stdout, record} = await site.run(['--', ...sh(`${look}; prlimit --pid 1 --cpu=1:1 || echo denied; ${look}`)]);
    const [before, denied, after] = stdout.trim().split('\n');
    expect([denied, after]).to.deep.equal(['denied', before]);
    expect(record.outcome.status).to.equal('completed');
  });

  it('nothing types into the caller’s terminal', async function () {
    need(this, program('script') !== null, 'there is no script(1)');
    const run = `${bin('tare')} run --policy ${site.policy()} -- ${payload('calls')} --terminal`;
    const child = spawn(program('script') ?? '', ['-qec', run, '/dev/null'], {
      ...{...site.credentials, cwd: site.work, stdio: ['pipe', 'pipe', 'pipe']},
      env: {PATH: '/usr/bin:/bin', SHELL: '/bin/sh', TERM: 'dumb'},
    });
    const {stdout} = await ending(child);
    expect(parse(stdout.replaceAll('\r', ''))).to.deep.equal({TIOCSTI: NO, 'TIOCSTI+high': NO, TIOCLINUX: NO});
  });
});
