// Started by bench.mjs with tsx: from the start of a small machine to its payload's first instruction, beside other ways to boot the same tree.
// The tree: an init of its own (System V's of Debian, or busybox's) that boots one service (nginx, or busybox's httpd) from its scripts.
// The payload is one static program that writes CLOCK_MONOTONIC when it runs, into a file of a shared directory: containers have the node's
// clock, and so has the moment just before the command was started. The wrapper starts it when the services run; elsewhere the tree's own init
// does, by a line of its inittab behind the one that waits for its scripts. An emulated machine has a clock of its own: there the payload
// writes to the console, and counted is when that is read.
// What a boot writes is thrown away everywhere. The commands take turns. Nothing is installed: a program that does not start here has a row with the reason.
import {spawn, spawnSync} from 'node:child_process';
import {appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {BUSYBOX, busyboxImage, debianImage, debianObstacle, webService} from '../test/support/machine.ts';
import {mirror} from '../test/lab/recipe.mjs';
import {NOBODY, family, isRoot, median, owned, pause} from './bench-tools.mjs';
import {Stop, main, must, which} from './steps.mjs';

const TARE = fileURLToPath(new URL('../dist/tare/bin/tare', import.meta.url));
const PORT = 8080;
/** Emulated, a boot takes so long that more runs say no more. */
const EMULATED_RUNS = 2;
/** A container that has not started its payload by then does not start it. */
const PATIENCE_MS = 120_000;
const EMULATED_PATIENCE_MS = 300_000;
const LOOK_MS = 20;
const SAID = 'tare-bench-mark';
const NAME = 'tare-bench-machine';

/** Its one argument is the file, which is there where it is shared; else it writes to the console. */
const MARK = `#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  char text[64];
  int length = snprintf(text, sizeof text, "${SAID} %lld\\n", now.tv_sec * 1000000000LL + now.tv_nsec);
  int fd = argc > 1 ? open(argv[1], O_WRONLY) : -1;
  if (fd < 0) fd = open("/dev/console", O_WRONLY | O_NOCTTY);
  return write(fd < 0 ? 1 : fd, text, length) == length ? 0 : 1;
}
`;

const lastLine = (text) => text.trim().split('\n').at(-1) ?? '';

/** What every way needs of a tree, whatever is in it. */
function withMark(tree, line, service) {
  for (const name of ['usr/bin', 'usr/lib', 'etc', 'shared']) mkdirSync(path.join(tree, name), {recursive: true});
  must('gcc', ['-static', '-O1', '-xc', '-', '-o', path.join(tree, 'usr/bin/tare-bench-mark')], {input: MARK});
  // systemd-nspawn boots no tree without it
  if (!existsSync(path.join(tree, 'etc/os-release'))) writeFileSync(path.join(tree, 'etc/os-release'), 'ID=busybox\n');
  appendFileSync(path.join(tree, 'etc/inittab'), `${line}\n`);
  chmodSync(tree, 0o755);
  return {tree, ...service};
}

const TREES = {
  'busybox’s init, its httpd': (place) => {
    if (!existsSync(BUSYBOX)) throw new Stop('busybox-static is not installed');
    const tree = busyboxImage(path.join(place, 'busybox'), {
      boot: 'mount -t proc proc /proc 2>/dev/null; /etc/init.d/web start',
      services: {web: webService(PORT)},
    });
    return withMark(tree, '::wait:/usr/bin/tare-bench-mark /shared/at', {
      init: 'busybox',
      service: 'web',
      own: {name: 'web', command: ['httpd', '-f', '-p', String(PORT), '-h', '/etc'], ready: {port: PORT, within: '60s'}},
    });
  },
  'Debian’s System V init, nginx and sshd': (place) => {
    const obstacle = debianObstacle();
    if (obstacle !== null) throw new Stop(obstacle);
    const tree = path.join(place, 'debian');
    must('cp', ['-a', debianImage(mirror()), tree]);
    return withMark(tree, 'tb:2:once:/usr/bin/tare-bench-mark /shared/at', {
      init: 'sysvinit',
      service: 'nginx',
      own: {name: 'nginx', command: ['nginx', '-g', 'daemon off;'], ready: {port: 80, within: '60s'}},
    });
  },
};

/** A way to boot: its command, what ends it, and where its mark is found. */
function tare(name, uid, job) {
  return {
    name,
    program: TARE,
    prepare: (place, image) => {
      const site = path.join(place, `site-${uid}`);
      const policy = path.join(site, 'policy.json');
      const directories = Object.fromEntries(['state', 'spool', 'scratch'].map((each) => [each, path.join(site, each)]));
      for (const each of [site, ...Object.values(directories)]) owned(each, uid);
      const work = owned(path.join(place, 'work'), NOBODY);
      const rules = {schema: 'tare/policy/v1', site: {name: 'BENCH'}, directories, images: [`${place}/*`], services: {within: '60s'}};
      writeFileSync(policy, JSON.stringify(rules));
      const file = path.join(work, `job-${uid}-${name.length}.json`);
      const command = ['/usr/bin/tare-bench-mark', 'at'];
      writeFileSync(file, JSON.stringify({schema: 'tare/job/v1', image: image.tree, network: 'none', command, ...job(image)}));
      return {
        command: [TARE, 'run', '--policy', policy, file],
        options: {cwd: work, ...(isRoot && uid !== 0 ? {uid, gid: uid} : {})},
        at: path.join(work, 'at'),
        // it ends by itself, when it has ended its services
        end: (child) => child.ended,
      };
    },
  };
}

const byImage = ({init, service}) => ({init, services: [service]});
const byWrapper = ({own}) => ({services: [own]});

/** What runs in the container; its manager then ends by itself, and leaves nothing behind. */
const killInside = async (child) => {
  killAll(family(child.pid).filter((pid) => pid !== child.pid));
  await child.ended;
};

const kill = async (child) => {
  killAll(family(child.pid));
  await child.ended;
};

/** Children first. */
function killAll(pids) {
  for (const pid of pids.reverse())
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended
    }
}

const PEERS = [
  {
    name: 'lxc-start',
    program: 'lxc-start',
    prepare: (place, {tree}, shared) => {
      const own = path.join(place, 'lxc');
      const upper = path.join(place, 'lxc-upper');
      const file = path.join(place, 'lxc.conf');
      const lines = [
        `lxc.rootfs.path = overlay:${tree}:${upper}`,
        'lxc.net.0.type = empty',
        'lxc.mount.auto = proc:mixed sys:mixed',
        `lxc.mount.entry = ${shared} shared none bind 0 0`,
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      return {
        command: ['lxc-start', '-F', '-P', own, '-n', NAME, '-f', file, '--', '/sbin/init'],
        before: () => {
          rmSync(upper, {recursive: true, force: true});
          for (const each of [own, upper]) mkdirSync(each, {recursive: true});
        },
        end: async (child) => {
          spawnSync('lxc-stop', ['-k', '-P', own, '-n', NAME]);
          await child.ended;
        },
      };
    },
  },
  {
    name: 'systemd-nspawn --boot',
    program: 'systemd-nspawn',
    prepare: (place, {tree}, shared) => ({
      command: [
        ...['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--private-network', '--volatile=overlay', '--console=pipe'],
        ...[`--machine=${NAME}`, `--directory=${tree}`, `--bind=${shared}:/shared`, '--boot'],
      ],
      end: killInside,
    }),
  },
  {
    name: 'docker run',
    program: 'docker',
    prepare: (place, {tree}, shared) => {
      must('docker', ['version']);
      must('sh', ['-c', 'tar --create --directory "$1" . | docker import - "$2"', 'sh', tree, NAME]);
      return {
        command: ['docker', 'run', '--name', NAME, '--network', 'none', '--volume', `${shared}:/shared`, NAME, '/sbin/init'],
        end: async (child) => {
          must('docker', ['rm', '--force', '--volumes', NAME]);
          await child.ended;
        },
        remove: () => must('docker', ['rmi', '--force', NAME]),
      };
    },
  },
  {
    name: 'QEMU, emulated',
    program: 'qemu-system-x86_64',
    emulated: true,
    prepare: (place, {tree}) => {
      const kernel = linux();
      const archive = path.join(place, 'initramfs');
      must('sh', ['-c', 'cd "$1" && find . | cpio --create --format newc --quiet >"$2"', 'sh', tree, archive]);
      const append = 'console=ttyS0 loglevel=1 panic=-1 mitigations=off rdinit=/sbin/init';
      return {
        command: [
          ...['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'q35', '-cpu', 'max'],
          ...['-accel', 'tcg,thread=multi', '-smp', '2', '-m', '1536', '-serial', 'stdio'],
          ...['-kernel', kernel, '-initrd', archive, '-append', append],
        ],
        end: kill,
      };
    },
  },
];

/** A kernel for QEMU: one that the lab's machines were made with, unpacked, or this node's own. */
function linux() {
  const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'tare-lab');
  const list = (directory) => (existsSync(directory) ? readdirSync(directory).sort().reverse() : []);
  const found = [
    ...(process.env.TARE_BENCH_KERNEL === undefined ? [] : [process.env.TARE_BENCH_KERNEL]),
    ...list(cache).map((name) => path.join(cache, name, 'vmlinux')),
    ...list('/boot')
      .filter((name) => name.startsWith('vmlinuz-'))
      .map((name) => path.join('/boot', name)),
  ].find((file) => existsSync(file));
  if (found === undefined) throw new Stop('there is no kernel: neither the lab’s nor one in /boot; TARE_BENCH_KERNEL may name one');
  return found;
}

/** One boot: milliseconds from just before the command's start. */
async function boot({command, options, at, before, end, emulated}) {
  writeFileSync(at, '');
  chmodSync(at, 0o666);
  before?.();
  const began = process.hrtime.bigint(); // CLOCK_MONOTONIC, as the payload's
  const child = spawn(command[0], command.slice(1), {stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...options});
  let said = '';
  let seen = null;
  const hear = (data) => {
    said = `${said}${data}`.slice(-20_000);
    if (emulated && seen === null && said.includes(SAID)) seen = process.hrtime.bigint();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  let over = false;
  child.ended = new Promise((resolve) => {
    child.on('error', ({message}) => {
      said += message;
      resolve();
    });
    child.on('close', resolve);
  }).then(() => {
    over = true;
  });
  const marked = () => {
    if (emulated) return seen;
    const found = new RegExp(`^${SAID} (\\d+)\n`).exec(readFileSync(at, 'utf8'));
    return found === null ? null : BigInt(found[1]);
  };
  const deadline = performance.now() + (emulated ? EMULATED_PATIENCE_MS : PATIENCE_MS);
  let mark = null;
  while ((mark = marked()) === null && !over && performance.now() < deadline) await pause(LOOK_MS);
  mark ??= marked();
  await end(child);
  if (mark !== null) return Number(mark - began) / 1e6;
  throw new Stop(lastLine(said) || (over ? 'it ended without its payload' : 'its payload did not start in time'));
}

/** Ready to be booted, each after one boot that is not counted; and those that do not, with why. */
async function prepared(ways, place, image, shared) {
  const subjects = [];
  for (const way of ways) {
    const subject = {name: way.name, emulated: way.emulated ?? false, at: path.join(shared, 'at'), times: [], why: null};
    subjects.push(subject);
    try {
      if (!isRoot && PEERS.includes(way)) throw new Stop('only root');
      if (!path.isAbsolute(way.program) && which(way.program) === null) throw new Stop(`${way.program} is not installed`);
      Object.assign(subject, way.prepare(place, image, shared));
      if (!subject.emulated) await boot(subject);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      subject.why = error.message;
    }
  }
  return subjects;
}

function table(title, subjects) {
  console.log(`start to payload, ms: ${title}`);
  console.log(['median', 'least', 'most', 'x first', 'runs'].map((head) => head.padStart(9)).join(' '));
  const base = median(subjects[0].times);
  for (const {name, times, why} of subjects) {
    if (why !== null) {
      console.log(`cannot be had here: ${name}: ${why}`);
      continue;
    }
    const row = [median(times).toFixed(0), Math.min(...times).toFixed(0), Math.max(...times).toFixed(0)];
    const ratio = Number.isFinite(base) ? (median(times) / base).toFixed(2) : '-';
    console.log(`${[...row, ratio, times.length].map((cell) => String(cell).padStart(9)).join(' ')}  ${name}`);
  }
}

async function compare(title, place, runs) {
  const shared = path.join(place, 'shared');
  mkdirSync(shared, {recursive: true});
  const image = TREES[title](place);
  const account = isRoot ? 0 : process.getuid();
  const ways = [
    tare(`tare run, ${isRoot ? 'root' : 'unprivileged'}, the image’s init`, account, byImage),
    ...(isRoot ? [tare('tare run, unprivileged, the image’s init', NOBODY, byImage)] : []),
    tare(`tare run, ${isRoot ? 'root' : 'unprivileged'}, the wrapper’s own init and that service alone`, account, byWrapper),
    ...PEERS,
  ];
  const subjects = await prepared(ways, place, image, shared);
  try {
    for (let run = 0; run < runs; run++)
      for (const subject of subjects.filter(({why, emulated}) => why === null && !(emulated && run >= EMULATED_RUNS)))
        try {
          subject.times.push(await boot(subject));
        } catch (error) {
          if (!(error instanceof Stop)) throw error;
          subject.why = `run ${run + 1}: ${error.message}`;
        }
  } finally {
    for (const {remove} of subjects) remove?.();
  }
  table(title, subjects);
}

await main(async () => {
  const [runs, place] = [Number(process.argv[2]), process.argv[3]];
  console.log(`${os.cpus()[0].model}, ${os.cpus().length} CPUs, load ${os.loadavg()[0].toFixed(1)}, Linux ${os.release()}`);
  for (const [index, title] of Object.keys(TREES).entries()) {
    const own = path.join(place, String(index));
    mkdirSync(own);
    try {
      await compare(title, own, runs);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      console.log(`cannot be had here: ${title}: ${error.message}`);
    }
  }
  return 0;
});
