/** Several tasks of a step in one box, on a real Slurm: as an unprivileged user, and as root. */

import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {expect} from 'chai';
import {need} from '../../support/need.js';
import {Cluster, type Ran} from '../../support/slurm.js';
import {bin, isRoot, payload, processes, program, until} from '../../support/tare.js';

const WRAPPER = bin('tare-wrap');

for (const role of ['user', 'root'] as const) {
  describe(`tasks of Slurm in one box, ${role}`, () => {
    let cluster: Cluster | null = null;
    const slurm = (): Cluster => cluster ?? expect.fail('the cluster has not been started');
    const run = (...argv: readonly string[]): Promise<Ran> => slurm().run(argv, {root: role === 'root'});
    const srun = (script: string, ...options: readonly string[]): Promise<Ran> =>
      run('srun', '-n2', '--mem=600', ...options, WRAPPER, 'sh', '-c', script);
    const only = () => {
      const [record, ...more] = slurm().allRecords();
      expect(more).to.deep.equal([]);
      return record ?? expect.fail('no record');
    };
    /** The wrapper of a task, as the node numbers it. */
    const shim = (rank: number): number =>
      processes().find(({pid, argv}) => argv[0] === WRAPPER && variables(pid).includes(`SLURM_PROCID=${String(rank)}`))?.pid ??
      expect.fail(`no wrapper of task ${String(rank)}`);
    const holder = (): number =>
      processes().find(({argv}) => argv[0] === 'tare' && argv[1] === 'hold' && argv[2]?.startsWith(slurm().directory))?.pid ??
      expect.fail('no holder');
    const boxes = (): string[] => readdirSync(slurm().at('tare/scratch')).filter((name) => name.startsWith('tare-'));

    before(async function () {
      need(this, isRoot, 'a cluster whose jobs run as their user needs root');
      need(this, program('slurmctld') !== null && program('slurmd') !== null && program('munged') !== null, 'Slurm is not installed');
      cluster = await Cluster.start();
    });
    beforeEach(() => {
      cluster?.forget();
    });
    afterEach(async function () {
      if (this.currentTest?.state === 'failed') console.log(slurm().logs());
      await until('the end of all boxes', () => boxes().length === 0, 30);
    });
    after(async () => {
      await cluster?.stop();
    });

    it('passes Slurm’s signal on to each task, once', async () => {
      const running = run(
        'srun',
        '-n2',
        '--mem=600',
        '--job-name=signals',
        WRAPPER,
        'sh',
        '-c',
        `exec ${payload('trap-term')} T$SLURM_PROCID`,
      );
      await until('both tasks to be ready', () => slurm().stepNotes('task').length === 2 && ready(2), 30);
      await run('scancel', '--signal=TERM', '--name=signals');
      const {code, stderr} = await running;
      expect(code, stderr).to.equal(0);
      expect([slurm().read('T0'), slurm().read('T1')]).to.deep.equal(['TERM\ndone\n', 'TERM\ndone\n']);
      expect(only().applications.map(({outcome}) => outcome.status)).to.deep.equal(['completed', 'completed']);
    });

    /** Both have a payload that has set its traps. */
    const ready = (count: number): boolean => processes().filter(({argv}) => argv[0] === payload('trap-term')).length === count;

    it('ends a task whose wrapper is killed, and the others go on', async () => {
      const running = srun(
        'echo here >/dev/shm/r$SLURM_PROCID; until test -e $PWD/on$SLURM_PROCID; do sleep 0.1; done',
        '--kill-on-bad-exit=0',
      );
      await until('both tasks to be in the box', () => slurm().stepNotes('init').length === 2, 30);
      // the one that made the box is like any other
      const [maker = ''] = slurm().stepNotes('maker');
      const {pid} = (JSON.parse(maker) as {shim: {pid: number}}).shim;
      const rank = [0, 1].find((one) => innermost(shim(one)) === pid) ?? expect.fail('the maker is gone');
      process.kill(shim(rank), 'SIGKILL');
      await until(
        'its end',
        () => !processes().some((one) => one.argv[0] === WRAPPER && variables(one.pid).includes(`SLURM_PROCID=${String(rank)}`)),
        20,
      );
      writeFileSync(slurm().at('home', `on${String(1 - rank)}`), '');
      expect((await running).code).to.equal(137);
      const {applications, outcome, state} = only();
      expect([state, outcome.signal]).to.deep.equal(['final', 'SIGKILL']);
      expect(applications[rank]?.outcome.status).to.equal('lost');
      expect(applications[1 - rank]?.outcome).to.include({status: 'completed', exitCode: 0});
    });

    it('ends all tasks when the wrapper of the box is killed, and says whose fault it is', async () => {
      const running = srun('sleep 98765');
      await until('both tasks to be in the box', () => slurm().stepNotes('init').length === 2, 30);
      process.kill(holder(), 'SIGKILL');
      const {code, stderr} = await running;
      expect(code, stderr).to.equal(125);
      expect(only().outcome).to.include({status: 'wrapper-failure'});
      expect(processes().filter(({argv}) => argv.includes('98765'))).to.deep.equal([]);
    });

    it('ends all tasks when together they are over their memory', async () => {
      const script = `case $SLURM_PROCID in 1) exec ${payload('touch-memory')} 590 --hold 60;; *) exec sleep 98764;; esac`;
      const {code, stderr} = await srun(script);
      expect(code, stderr).to.equal(137);
      const {outcome, limits, applications} = only();
      expect(outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
      expect(limits?.memory.value).to.equal((600 - 48) * 2 ** 20);
      expect(applications.map((one) => one.outcome.status)).to.deep.equal(['limit', 'limit']);
      expect(processes().filter(({argv}) => argv.includes('98764'))).to.deep.equal([]);
    });

    it('weighs what all tasks use', async () => {
      const script = [
        `began=$(date +%s); ${payload('burn')} 1; ${payload('touch-memory')} 100 --hold 600 & `,
        "until grep -q 'VmRSS:.* [0-9]\\{6\\} kB' /proc/$!/status; do sleep 0.05; done; touch /dev/shm/r$SLURM_PROCID; ",
        // where memory is watched and far from its limit, looks at it come 1, 3, 7, 15 s after the box's start, which may be long before the task's:
        // one of them comes in as much time as the box is old
        'until test -e /dev/shm/r$((1 - SLURM_PROCID)); do sleep 0.05; done; sleep $((3 * ($(date +%s) - began) + 4)); kill $!; exit 0',
      ];
      const {code, stderr} = await srun(script.join(''));
      expect(code, stderr).to.equal(0);
      const {usage, time, applications} = only();
      // the kernel counts some of a burn as its own; what a task waits with is its own too
      const cpuUs = (one: {cpuUserUs: number | null; cpuSystemUs: number | null}): number => (one.cpuUserUs ?? 0) + (one.cpuSystemUs ?? 0);
      expect(cpuUs(usage)).to.be.at.least(1_990_000);
      expect(usage.cpuUserUs).to.be.below(4_000_000);
      expect(usage.memPeakBytes).to.be.within(190 * 2 ** 20, 300 * 2 ** 20);
      for (const one of applications) {
        expect(cpuUs(one.usage)).to.be.at.least(995_000);
        expect(one.usage.cpuUserUs).to.be.below(2_000_000);
      }
      expect(time.wallUs).to.be.above(2_000_000);
    });

    it('lets a task read another’s memory, and share System V’s', async function () {
      need(this, program('python3') !== null, 'python3 is not installed');
      writeFileSync(slurm().at('home/meet.py'), MEET);
      const {code, stdout, stderr} = await run('srun', '-n2', '--mem=600', WRAPPER, 'python3', '-I', 'meet.py');
      expect(code, stderr).to.equal(0);
      expect(stdout.trim().split('\n').sort()).to.deep.equal(['0: from 1, system v', '1: from 0, system v']);
    });

    it('waits for no task that never comes', async () => {
      const {code, stderr} = await run('srun', '-n2', '--mem=600', 'sh', '-c', `test $SLURM_PROCID = 1 || exec ${WRAPPER} true`);
      expect(code, stderr).to.equal(0);
      expect(only().applications.map(({name, outcome}) => [name, outcome.status])).to.deep.equal([['task 0', 'completed']]);
    });

    it('says that a task cannot be executed, and ends so', async () => {
      const {code, stderr} = await run('srun', '-n2', '--mem=600', WRAPPER, '/no/such/program');
      expect(code, stderr).to.equal(127);
      expect(stderr).to.include('tare: the payload could not be executed: /no/such/program');
      expect(only().applications.map(({outcome}) => outcome.status)).to.deep.equal(['not-started', 'not-started']);
    });

    it('gives each task a box of its own where the policy says so', async () => {
      slurm().setPolicy({batch: {tasks: 'apart'}});
      const {code, stdout, stderr} = await srun('cat $JOBFEATURES/max_rss_bytes; echo');
      slurm().setPolicy();
      expect(code, stderr).to.equal(0);
      expect(stdout.trim().split('\n')).to.deep.equal(Array<string>(2).fill(String((300 - 24) * 2 ** 20)));
      const ids = slurm()
        .allRecords()
        .map(({lrms}) => lrms.globalJobId.replace(/#\d+/, ''));
      expect(ids.sort()).to.deep.equal(['test.0.0', 'test.0.1']);
    });
  });
}

/** By process_vm_readv(2), as MPI's shared memory transports do, and shmget(2). */
const MEET = `
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)  # PR_SET_PTRACER, where Yama asks for it
rank = int(os.environ['SLURM_PROCID'])
buffer = ctypes.create_string_buffer(b'from %d' % rank)

def tell(name, text):
    with open(f'/dev/shm/new.{name}', 'w') as file:
        file.write(text)
    os.rename(f'/dev/shm/new.{name}', f'/dev/shm/{name}')

def hear(name):
    while not os.path.exists(f'/dev/shm/{name}'):
        time.sleep(0.05)
    with open(f'/dev/shm/{name}') as file:
        return file.read()

class Piece(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]

if rank == 0:
    shared = libc.shmget(77, 4096, 0o1600)
    ctypes.memmove(libc.shmat(shared, None, 0), b'system v', 9)
tell(f'at.{rank}', f'{os.getpid()} {ctypes.addressof(buffer)}')
pid, address = map(int, hear(f'at.{1 - rank}').split())
found = ctypes.create_string_buffer(7)
mine, theirs = Piece(ctypes.addressof(found), 6), Piece(address, 6)
if libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) != 6:
    raise OSError(ctypes.get_errno(), 'process_vm_readv')
hear('at.0')
text = ctypes.string_at(libc.shmat(libc.shmget(77, 4096, 0o600), None, 0))
print(f'{rank}: {found.value.decode()}, {text.decode()}', flush=True)
tell(f'done.{rank}', '')
hear(f'done.{1 - rank}')
`;

function variables(pid: number): string[] {
  try {
    return readFileSync(`/proc/${String(pid)}/environ`, 'latin1').split('\0');
  } catch {
    return [];
  }
}

/** Its number in the cluster's own namespace. */
function innermost(pid: number): number {
  return Number(/^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))?.[1]);
}
