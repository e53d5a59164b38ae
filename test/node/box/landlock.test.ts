/** Landlock around what is read-only in a box: it has to hold where the mount does not, and to deny nothing else. */

import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, bin, ending, installed, isRoot, program, until} from '../../support/tare.js';

const version = Number(spawnSync(bin('tare'), ['tare-landlock', 'version'], {argv0: '/proc/self/fd/tool', encoding: 'utf8'}).stdout);
const hasWall = version >= 2;
const python = program('python3');
const WITHOUT_SYSTEM_CALLS = join(installed(), 'test/support/without-syscalls.py');

/** mount(2): what a place in the box lies in may be written to from now on; a payload that could do so would have broken out of the box, or found a hole in the kernel. */
function makeWritable(pid: number, place: string): void {
  const points = readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point === '/' || place === point || place.startsWith(`${point}/`));
  const [point = '/'] = points.sort((a, b) => b.length - a.length);
  const [remount, bind] = [32, 4096];
  const call = `import ctypes, os; libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(None, ${JSON.stringify(point)}.encode(), None, ${String(remount | bind)}, None): raise OSError(ctypes.get_errno(), 'mount')`;
  execFileSync('nsenter', ['--target', String(pid), '--mount', '--', python ?? 'python3', '-I', '-c', call]);
}

/** truncate(2), for which a file need not be open for writing: truncate(1) opens it. */
const TRUNCATE = `${python ?? 'python3'} -Ic "import os; os.truncate(\\"old\\", 0)"`;
/** Each takes another right. */
const WRITES = [
  'echo x >new',
  'echo x >>old',
  ': >old',
  TRUNCATE,
  'mkdir d',
  'rm there',
  'ln old twin',
  'mv old other',
  'ln -s x link',
  'mkfifo pipe',
];
/** Waits to be told, then tries to write to the directory, in all ways that need different rights, and says which went through. */
const tries = (kept: string): string => `
  echo ready; while [ ! -e go ]; do sleep 0.05; done; cd ${kept}
  for do in ${WRITES.map((write) => `'${write}'`).join(' ')}; do
    (eval "$do") 2>/tmp/why && echo "$do" || grep -q 'Permission denied' /tmp/why || cat /tmp/why
  done`;

/** Reads the memory of a `sleep`, traces it, and ends it. */
const LOOK = `import ctypes, os, time
libc = ctypes.CDLL(None)
def sleeps(pid):
    try: return 'sleep\\x001234.5' in open(f'/proc/{pid}/cmdline').read()
    except OSError: return False # it has ended meanwhile
for again in range(1000):
    pid = next((int(each) for each in os.listdir('/proc') if each.isdigit() and sleeps(each)), 0)
    if pid: break
    time.sleep(0.05)
class iovec(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
start = int(next(line for line in open(f'/proc/{pid}/maps') if ' rw-p ' in line).split('-')[0], 16)
here = iovec(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
print('read', libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(iovec(start, 8)), 1, 0), flush=True)
print('traced', libc.ptrace(16, pid, 0, 0), os.waitpid(pid, 0x40000000)[0] == pid, libc.ptrace(17, pid, 0, 0), flush=True)
os.kill(pid, 9)
`;
/** Where Yama lets a process trace its descendants only, no process can look into another one. */
const YAMA = '/proc/sys/kernel/yama/ptrace_scope';
const mayTrace = !existsSync(YAMA) || readFileSync(YAMA, 'utf8').trim() === '0';

/** Where a box sees the site's directory as it is, read-only. */
const OPEN = isRoot ? {parent: '/var/lib'} : {};

describeSite('Landlock, %s', {...OPEN, timeout: patience(60_000)}, (site) => {
  /** What goes through when a mount of the box's is not read-only any more. */
  async function broken(argv: (script: string) => string[], seccomp: string): Promise<{told: string[]; record: UsageRecord}> {
    const kept = join(site.directory, 'kept');
    mkdirSync(kept);
    for (const name of ['old', 'there']) writeFileSync(join(kept, name), '');
    for (const path of [kept, join(kept, 'old')]) chmodSync(path, 0o777);
    const copy = join(site.directory, 'spool/copy.json');
    const child = site.start(['run', '--policy', site.policy({seccomp}), '--record', copy, ...argv(tries(kept))]);
    try {
      let output = '';
      child.stdout?.on('data', (text: Buffer) => (output += text.toString()));
      const ended = ending(child);
      child.stdin?.end();
      await until('the payload', () => output.includes('ready'));
      const init = below(child.pid ?? 0).find(({comm}) => comm === 'tare-init');
      makeWritable(init?.pid ?? 0, kept);
      writeFileSync(join(site.work, 'go'), '');
      const {code, stdout} = await ended;
      expect(code).to.equal(0);
      const told = stdout.split('\n').map((line) => line.replace(/^one: /, ''));
      return {
        told: told.filter((line) => line !== '' && line !== 'ready'),
        record: JSON.parse(readFileSync(copy, 'utf8')) as UsageRecord,
      };
    } finally {
      for (const path of [kept, copy, join(site.work, 'go')]) rmSync(path, {recursive: true, force: true});
    }
  }
  const alone = (script: string): string[] => ['--', '/bin/sh', '-c', `${script}; true`];
  const several = (script: string): string[] => [
    site.job({applications: [{name: 'one', command: ['/bin/sh', '-c', `${script}; true`]}]} satisfies Partial<JobDocument>),
  ];

  for (const [pattern, argv] of [
    ['ulimit++', alone],
    ['quotas++', several],
  ] as const)
    it(`${pattern}: a mount that is not read-only any more lets nothing be written`, async function () {
      need(this, isRoot && python !== null, 'root changes a mount of the box, with Python');
      need(this, hasWall, 'the kernel has no Landlock of version 2');
      const {told, record} = await broken(argv, 'default');
      // version 2 has no right to truncate
      expect(told).to.deep.equal(version < 3 ? [TRUNCATE] : []);
      expect(record).to.include({pattern});
      expect(record.landlock).to.deep.equal({
        abi: version,
        because: 'read-only paths stay read-only even where a mount does not protect them',
      });
    });

  it('without it such a mount is all that was in the way', async function () {
    need(this, isRoot && python !== null, 'root changes a mount of the box, with Python');
    const {told, record} = await broken(alone, 'unconfined');
    expect(told).to.deep.equal([...WRITES]);
    expect(record.landlock).to.deep.equal({abi: null, because: 'the filter on system calls is unconfined: a payload may make mounts'});
  });

  it('a kernel without Landlock runs the job, and the record says so', async function () {
    need(this, python !== null, 'Python is not installed');
    const copy = join(site.directory, 'spool/copy.json');
    const create = '444';
    const argv = [WITHOUT_SYSTEM_CALLS, create, bin('tare'), 'run', '--policy', site.policy(), '--record', copy, '--', '/bin/echo', 'ran'];
    const {stdout, stderr} = await ending(spawn(python ?? '', argv, {cwd: site.work, ...site.credentials}));
    expect(stdout, stderr).to.equal('ran\n');
    const {landlock, flags} = JSON.parse(readFileSync(copy, 'utf8')) as UsageRecord;
    rmSync(copy);
    expect(landlock).to.deep.equal({abi: null, because: 'landlock_create_ruleset(2): the kernel has no Landlock'});
    expect(flags).not.to.include('unfiltered');
  });

  it('a payload writes where it could without it', async function () {
    need(this, python !== null, 'Python is not installed');
    // between directories, to a file outside that it has open, to a queue, in its own Landlock
    writeFileSync(
      join(site.work, 'payload.py'),
      `import ctypes, os, tempfile
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs('a/b'); open('a/f', 'w').write('x'); os.rename('a/f', 'a/b/f'); os.link('a/b/f', 'f'); os.truncate('f', 0)
for place in '/tmp', '/var/tmp', '/dev/shm': tempfile.TemporaryFile(dir=place).write(b'x')
open('/proc/self/comm', 'w').write('renamed'); open('/dev/null', 'w').write('x')
print('again', file=open('/dev/stdout', 'a')); print('and again', file=open('/proc/self/fd/1', 'a'))
pipe = os.pipe(); os.write(os.open(f'/proc/self/fd/{pipe[1]}', os.O_WRONLY), b'x')
queue = libc.mq_open(b'/tare', os.O_CREAT | os.O_RDWR, 0o600, None); print(queue >= 0, libc.mq_unlink(b'/tare'))
rights = ctypes.c_uint64(2); ruleset = libc.syscall(444, ctypes.byref(rights), 8, 0)
print(ruleset < 0 or libc.syscall(446, ruleset, 0))
try: open('f', 'w'); print('open')
except PermissionError: print('closed by itself')
`,
    );
    const out = join(site.directory, 'out');
    const file = openSync(out, 'a');
    if (isRoot) chmodSync(out, 0o666);
    try {
      const {code, stderr} = await site.run(['--', python ?? '', 'payload.py'], {stdio: ['pipe', file, 'pipe']});
      expect(code, stderr).to.equal(0);
      expect(readFileSync(out, 'utf8').split('\n').slice(0, 3)).to.deep.equal(['again', 'and again', 'True 0']);
      if (version > 0) expect(readFileSync(out, 'utf8')).to.match(/\n0\nclosed by itself\n$/);
    } finally {
      closeSync(file);
      for (const path of [out, join(site.work, 'a'), join(site.work, 'f')]) rmSync(path, {recursive: true, force: true});
    }
  });

  it('applications look into each other', async function () {
    need(this, python !== null && mayTrace, 'Python is not installed, or Yama forbids tracing');
    writeFileSync(join(site.work, 'look.py'), LOOK);
    const job = site.job({
      applications: [
        {name: 'seen', command: ['/bin/sleep', '1234.5']},
        {name: 'looks', command: [python ?? '', 'look.py']},
      ],
    });
    const {stdout, stderr, record} = await site.run([job]);
    expect(stdout, stderr)
      .to.match(/^looks: read 8$/m)
      .and.match(/^looks: traced 0 True 0$/m);
    if (hasWall) expect(record.landlock?.abi).to.equal(version);
  });

  it('what joins by tare exec looks into the payload', async function () {
    need(this, python !== null && mayTrace, 'Python is not installed, or Yama forbids tracing');
    writeFileSync(join(site.work, 'look.py'), LOOK);
    const file = site.policy();
    const child = site.start(['run', '--policy', file, '--', '/bin/sh', '-c', 'echo up; exec sleep 1234.5']);
    const end = ending(child);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const [{id} = {id: ''}] = JSON.parse((await site.command(['ps', '--json', '--policy', file])).stdout) as {id: string}[];
    const {stdout, stderr} = await site.command(['exec', id, '--policy', file, '--', python ?? '', 'look.py']);
    child.kill();
    await end;
    expect(stdout, stderr).to.equal('read 8\ntraced 0 True 0\n');
  });

  it('with pilot a payload makes boxes of its own', async function () {
    const bwrap = program('bwrap');
    need(this, bwrap !== null, 'bubblewrap is not installed');
    const nested = [
      bwrap ?? '',
      '--unshare-user',
      '--ro-bind',
      '/',
      '/',
      '--tmpfs',
      '/tmp',
      '--',
      '/bin/sh',
      '-c',
      'echo x >/tmp/x && cat /tmp/x',
    ];
    const {stdout, stderr, record} = await site.run(['--', ...nested], {policy: {seccomp: 'pilot'}});
    expect(stdout, stderr).to.equal('x\n');
    expect(record.landlock).to.deep.equal({abi: null, because: 'the filter on system calls is pilot: a payload may make mounts'});
  });
});
