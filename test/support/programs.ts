/** Programs that people run in jobs, and by which filter on system calls: what programs.test.ts and nested.test.ts of test/node/box try, and docs/reference/system-calls.md has as a table. */

import {existsSync, readFileSync} from 'node:fs';
import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {bin, installed, payload, program} from './tare.js';

export interface Program {
  /** In the table's words. */
  name: string;
  /** The least profile by which it works. */
  by: 'default' | 'pilot';
  /** Of /bin/sh, in a directory that is its own and empty; `$programs` is fixtures/programs. */
  script: () => string;
  prints: RegExp;
  /** What it takes and the machine has not; null: all is there. */
  lacking: () => string | null;
  /** Tried in `npm run test:long` alone: it takes large packages, or more than half a second. */
  long?: true;
}

const without = (...names: readonly string[]): string | null => {
  const missing = names.filter((name) => program(name) === null);
  return missing.length === 0 ? null : `${missing.join(', ')}: not installed`;
};

/** Of a setting of the kernel; where it has none, `otherwise`. */
function setting(name: string, otherwise: number): number {
  const file = join('/proc/sys', name.replaceAll('.', '/'));
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : otherwise;
}

function withoutFuse(...names: readonly string[]): string | null {
  return existsSync('/dev/fuse') ? without('squashfuse', 'mksquashfs', ...names) : 'there is no /dev/fuse';
}

const withoutNumpy = (): string | null =>
  without('python3') ?? (spawnSync('/usr/bin/python3', ['-c', 'import numpy']).status === 0 ? null : 'Python’s numpy is not installed');

const PYTHON = `import multiprocessing, threading
from multiprocessing import shared_memory
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
for way in ("fork", "spawn", "forkserver"):
    with multiprocessing.get_context(way).Pool(2) as pool:
        print(way, pool.map(abs, [-2, -3]))
memory = shared_memory.SharedMemory(create=True, size=8)
memory.buf[0] = 5
same = shared_memory.SharedMemory(memory.name)
print("shared", same.buf[0])
same.close()
memory.close()
memory.unlink()`;

/** Two ranks by shared memory alone, each with how often it copied out of the other's memory. */
const ranks = (copies: string): string =>
  `mpicc "$programs/ring.c" -o ring && mpirun --oversubscribe -n 2 --mca pml ob1 --mca btl self,sm --mca smsc ${copies} strace -f -qq -A -e trace=process_vm_readv -o trace ./ring && echo "copies=$(grep -c process_vm_readv trace)"`;

const IMAGE = 'mkdir -p tree mount && echo inside >tree/file && mksquashfs tree image.sqfs -noappend -quiet >/dev/null';
const APPTAINER = `mkdir -p tree/bin tree/proc tree/dev tree/data mount && cp "$(command -v busybox)" tree/bin/sh && echo inside >tree/file &&
mksquashfs tree image.sqfs -noappend -quiet >/dev/null &&
unshare --user --map-root-user --mount sh -c 'squashfuse image.sqfs mount && bwrap --unshare-user --unshare-pid --ro-bind mount / --proc /proc --dev /dev --bind . /data --chdir /data -- /bin/sh -c "cat /file; echo \\$\\$; touch made"; status=$?; umount mount; exit $status' &&
test -e made`;

export const PROGRAMS: readonly Program[] = [
  {
    name: 'gdb, which runs a program',
    by: 'default',
    script: () => `gdb -nx -batch -ex "break main" -ex run -ex bt --args ${payload('burn')} 2>/dev/null`,
    prints: /^#0 .*main/m,
    lacking: () => without('gdb'),
  },
  {
    name: 'gdb, attached to a process',
    by: 'default',
    script: () => 'sleep 600 & gdb -nx -batch -p $! -ex "info inferiors" 2>/dev/null; kill $!',
    prints: /^\* 1 +process \d+ /m,
    lacking: () =>
      without('gdb') ?? (setting('kernel.yama.ptrace_scope', 0) > 0 ? 'kernel.yama.ptrace_scope keeps processes from attaching' : null),
    long: true,
  },
  {
    name: 'strace',
    by: 'default',
    script: () => 'strace -f -e trace=execve -o trace sh -c "true; exit 7"; echo $?; cat trace',
    prints: /^7\n.*execve\(/s,
    lacking: () => without('strace'),
  },
  {
    name: 'perf stat, perf record',
    by: 'default',
    script: () =>
      'perf stat -x, -e task-clock true 2>&1 && perf record -q -e cpu-clock:u -o data sh -c "i=0; while [ \\$i -lt 200000 ]; do i=\\$((i+1)); done" && perf report -i data --stdio 2>/dev/null',
    prints: /,task-clock[^]*Samples: \d+ .*of event 'cpu-clock/,
    lacking: () =>
      without('perf') ??
      (setting('kernel.perf_event_paranoid', 3) > 2 ? 'kernel.perf_event_paranoid keeps accounts from measuring their own' : null),
    long: true,
  },
  {
    name: 'Python: threads, processes by fork, spawn and forkserver, shared memory',
    by: 'default',
    script: () => `/usr/bin/python3 -c '${PYTHON}'`,
    prints: /^thread\nfork \[2, 3\]\nspawn \[2, 3\]\nforkserver \[2, 3\]\nshared 5\n$/,
    lacking: () => without('python3'),
  },
  {
    name: 'numpy',
    by: 'default',
    script: () => '/usr/bin/python3 -c "import numpy; a = numpy.ones((400, 400)); print(int((a @ a).sum()))"',
    prints: /^64000000\n$/,
    lacking: withoutNumpy,
    long: true,
  },
  {
    name: 'OpenMP with places and affinity',
    by: 'default',
    script: () =>
      'gcc -fopenmp "$programs/places.c" -o places && OMP_PLACES=threads OMP_PROC_BIND=close ./places && OMP_PLACES=cores OMP_PROC_BIND=spread ./places',
    prints: /^bound\nbound\n$/,
    lacking: () => without('gcc'),
  },
  {
    name: 'OpenMPI, ranks that copy out of each other’s memory (CMA)',
    by: 'default',
    script: () => ranks('cma'),
    prints: /^ranks=2 sum=4194304\ncopies=[1-9]\d*\n$/,
    lacking: () => without('mpirun', 'mpicc', 'strace'),
    long: true,
  },
  {
    name: 'OpenMPI, ranks that copy through shared memory',
    by: 'default',
    script: () => ranks('^cma'),
    prints: /^ranks=2 sum=4194304\ncopies=0\n$/,
    lacking: () => without('mpirun', 'mpicc', 'strace'),
    long: true,
  },
  {
    name: 'Java: threads, and each collector of garbage',
    by: 'default',
    script: () =>
      'javac -d . "$programs/Threads.java" && for one in Serial Parallel G1 Z; do java -Xmx64m -XX:+Use"$one"GC -cp . Threads || exit; done',
    prints: /^(?:4 true\n){4}$/,
    lacking: () => without('java', 'javac'),
    long: true,
  },
  {
    name: 'code that is compiled while it runs, and libraries loaded after that: stands for ROOT’s interpreter',
    by: 'default',
    script: () =>
      'gcc "$programs/jit.c" -o jit && echo "int macro(void) { return 7; }" >macro.c && gcc -shared -fPIC macro.c -o macro.so && ./jit',
    prints: /^7 7 7 7\n$/,
    lacking: () => without('gcc'),
  },
  {
    name: '`tare run` in the box, which subdivides',
    by: 'default',
    script: () => `${bin('tare')} run --record record.json -- echo inside && grep -c '"status": *"completed"' record.json`,
    prints: /^inside\n1\n$/,
    lacking: () => null,
    long: true,
  },
  {
    name: '`unshare --user` with a /proc of its own',
    by: 'pilot',
    script: () => 'unshare --user --map-root-user --pid --fork --mount --mount-proc /bin/sh -c "echo \\$\\$ \\$(id -u)"',
    prints: /^1 0\n$/,
    lacking: () => without('unshare'),
  },
  {
    name: 'bubblewrap with a /proc of its own',
    by: 'pilot',
    script: () =>
      'bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev -- /bin/sh -c "echo \\$\\$; ls -d /proc/[0-9]* | wc -l; grep -c . /proc/self/mountinfo >/dev/null"',
    prints: /^2\n[3-5]\n$/,
    lacking: () => without('bwrap'),
  },
  {
    name: 'squashfuse in a user namespace, as cvmfsexec mounts',
    by: 'pilot',
    script: () =>
      `${IMAGE} && unshare --user --map-root-user --mount sh -c "squashfuse image.sqfs mount && cat mount/file && umount mount"`,
    prints: /^inside\n$/,
    lacking: () => withoutFuse('unshare'),
  },
  {
    name: 'an image by squashfuse, entered by bubblewrap: stands for apptainer without setuid',
    by: 'pilot',
    script: () => APPTAINER,
    prints: /^inside\n2\n$/,
    lacking: () => withoutFuse('unshare', 'bwrap', 'busybox'),
    long: true,
  },
];

/** What scripts find as `$programs`, where every account can reach it. */
export const programsDirectory = (): string => join(installed(), 'fixtures/programs');
