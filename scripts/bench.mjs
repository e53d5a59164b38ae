// npm run bench -- launch [RUNS]: what the wrapper adds to a job that does nothing, side by side in one run with other ways to run it.
// npm run bench -- memory [JOBS]: private memory of the wrapper's own processes while the payload sleeps.
// npm run bench -- ps [BOXES]: what `tare ps` takes while so many boxes live.
// npm run bench -- records [COUNT [EXPORTER...]]: what listing and exporting a spool of a million records takes, in time and memory.
// npm run bench -- machine [RUNS]: from start to payload of a small machine, beside containers and an emulated machine that boot the same tree.
// The commands take turns, so that a machine whose speed drifts slows all of them; medians and ratios are what counts.
import {spawn, spawnSync} from 'node:child_process';
import {chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {peers} from './bench-containers.mjs';
import {build} from './build.mjs';
import {BOX, TOOLCHAIN, nodeModules, nodeVersion, systemPackages} from './setup.mjs';
import {Stop, main, root, which} from './steps.mjs';

const RUNS = {launch: 30, memory: 4, ps: 50, records: 1_000_000, machine: 10};
/** Of each, once the boxes live. */
const LOOKS = 20;
const WARM_UP = 3;
const NOBODY = 65534;
/** Another account without a name, whose spool is on memory. */
const NOBODY_TOO = 65533;
const TMPFS_MAGIC = 0x01021994;
const isRoot = process.getuid() === 0;
const FOLDER = path.join(root, 'dist/tare');
/** The box's own namespaces, by hand. */
const BARE =
  '--unshare-user --unshare-pid --unshare-ipc --unshare-uts --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp --cap-drop ALL --as-pid-1 -- /bin/true'.split(
    ' ',
  );

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds from start to exit. */
function time({command, options}) {
  const began = process.hrtime.bigint();
  const {status, error} = spawnSync(command[0], command.slice(1), {stdio: 'ignore', ...options});
  const ms = Number(process.hrtime.bigint() - began) / 1e6;
  if (error !== undefined || status !== 0) throw new Stop(`${command.join(' ')} ended with ${error?.message ?? status}`);
  return ms;
}

/** Each command once per round; a table of the times, the first command's median is 1. */
function compare(subjects, runs) {
  const times = subjects.map(() => []);
  for (let run = -WARM_UP; run < runs; run++) {
    subjects.forEach((subject, index) => {
      const ms = time(subject);
      if (run >= 0) times[index].push(ms);
    });
  }
  const base = median(times[0]);
  console.log(`launch of true, ${runs} runs each, ms (${os.cpus()[0].model}, ${os.cpus().length} CPUs, node ${process.version})`);
  console.log(`${'median'.padStart(9)} ${'least'.padStart(9)} ${'most'.padStart(9)} ${'x bwrap'.padStart(9)}`);
  subjects.forEach(({name}, index) => {
    const values = times[index];
    const row = [median(values), Math.min(...values), Math.max(...values)].map((ms) => ms.toFixed(1).padStart(9));
    console.log(`${row.join(' ')} ${(median(values) / base).toFixed(1).padStart(9)}  ${name}`);
  });
}

/** A directory of an account's own. */
function owned(directory, uid) {
  mkdirSync(directory, {recursive: true});
  if (isRoot) chownSync(directory, uid, uid);
  return directory;
}

/** The state that tare-wrap chooses by itself, on this disk for root and nobody, and on memory for the other account. */
function mountStates(place) {
  const sh = (...argv) => {
    const {status} = spawnSync(argv[0], argv.slice(1), {stdio: 'inherit'});
    if (status !== 0) throw new Stop(`${argv.join(' ')} ended with ${status}`);
  };
  sh('mount', '-t', 'tmpfs', 'tmpfs', '/var/tmp');
  chmodSync('/var/tmp', 0o1777);
  for (const [directory, uid] of [
    ['/var/lib/tare', 0],
    [`/var/tmp/tare-${NOBODY}`, NOBODY],
  ]) {
    mkdirSync(directory, {recursive: true});
    sh('mount', '--bind', owned(path.join(place, `state-${uid}`), uid), directory);
  }
}

const as = (uid, cwd) => (isRoot ? {uid, gid: uid, cwd} : {cwd});
const fileSystem = (place) => (statfsSync(place).type === TMPFS_MAGIC ? 'memory' : 'disk');

function launch(runs, place) {
  const work = owned(path.join(place, 'work'), NOBODY);
  const workToo = owned(path.join(place, 'work-too'), NOBODY_TOO);
  const wrap = (name, options) => ({name, command: [path.join(FOLDER, 'bin/tare-wrap'), '/bin/true'], options});
  const run = (bin, ...flags) => [path.join(bin, 'tare'), 'run', ...flags, '--', '/bin/true'];
  const user = as(NOBODY, work);
  const others = peers(place);
  try {
    compare(
      [
        {name: 'bwrap, the same namespaces', command: [which('bwrap'), ...BARE], options: user},
        wrap(`tare-wrap of the folder, unprivileged, spool on ${fileSystem(place)}`, user),
        ...(isRoot ? [wrap('tare-wrap of the folder, unprivileged, spool on memory', as(NOBODY_TOO, workToo))] : []),
        {name: 'tare run of the folder, unprivileged', command: run(path.join(FOLDER, 'bin')), options: user},
        {name: 'tare run under Node.js, unprivileged', command: run(path.join(root, 'bin')), options: user},
        {name: 'node -e 0', command: [process.execPath, '-e', '0'], options: user},
        ...(isRoot
          ? [
              {
                name: 'tare run of the folder, root, control groups',
                command: run(path.join(FOLDER, 'bin'), '--memory', '200MiB'),
                options: {cwd: work},
              },
            ]
          : []),
        ...others,
      ],
      runs,
    );
  } finally {
    for (const {remove} of others) remove?.();
  }
}

/** Of a process, in KiB. */
function privateMemory(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const sum = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)[1]);
  return {clean: sum('Private_Clean'), dirty: sum('Private_Dirty')};
}

function family(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

const comm = (pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

/** One job, and several at once: what all of them share (the programs' pages) is then no longer private to one. */
async function memory(jobs, place) {
  const work = owned(path.join(place, 'work'), NOBODY);
  for (const [name, bin] of [
    ['the folder', path.join(FOLDER, 'bin')],
    ['under Node.js', path.join(root, 'bin')],
  ]) {
    for (const count of [1, jobs]) {
      const children = Array.from({length: count}, () =>
        spawn(path.join(bin, 'tare-wrap'), ['/bin/sleep', '60'], {stdio: 'ignore', ...as(NOBODY, work)}),
      );
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const parts = family(children[0].pid)
        .filter((pid) => comm(pid) !== 'sleep')
        .map((pid) => ({name: comm(pid), ...privateMemory(pid)}));
      const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
      const mib = (kib) => (kib / 1024).toFixed(1).padStart(6);
      console.log(`${name}, ${count} at once: private ${mib(sum('clean') + sum('dirty'))} MiB, of which dirty ${mib(sum('dirty'))} MiB`);
      for (const part of parts) console.log(`  ${mib(part.clean + part.dirty)} ${mib(part.dirty)}  ${part.name}`);
      const ended = children.map((child) => new Promise((resolve) => child.on('exit', resolve)));
      for (const child of children) child.kill();
      await Promise.all(ended);
    }
  }
}

/** As whoever runs it: root's boxes have control groups, the others are looked at through their processes. */
async function ps(boxes, place) {
  const work = owned(path.join(place, 'work'), NOBODY);
  const tare = (bin) => path.join(bin, 'tare');
  const [folder, checkout] = [path.join(FOLDER, 'bin'), path.join(root, 'bin')];
  const jobs = Array.from({length: boxes}, () =>
    spawn(tare(folder), ['run', '--memory', '100MiB', '--', '/bin/sleep', '600'], {stdio: 'ignore', cwd: work}),
  );
  try {
    const live = () =>
      JSON.parse(spawnSync(tare(folder), ['ps', '--json'], {encoding: 'utf8'}).stdout).filter(({state}) => state === 'running');
    while (live().length < boxes) await new Promise((resolve) => setTimeout(resolve, 500));
    for (const [name, bin] of [
      ['Node.js', checkout],
      ['the folder', folder],
    ]) {
      const times = Array.from({length: LOOKS}, () => time({command: [tare(bin), 'ps'], options: {cwd: work}}));
      console.log(`tare ps, ${boxes} boxes, ${name}: median of ${LOOKS} ${median(times).toFixed(0)} ms`);
    }
  } finally {
    const ended = jobs.map((job) => new Promise((resolve) => job.on('exit', resolve)));
    for (const job of jobs) job.kill();
    await Promise.all(ended);
  }
}

/** Those that take what the tests make, which is in TypeScript. */
function withTsx(script, ...args) {
  const argv = ['--import=tsx', path.join(root, 'scripts', script), ...args.map(String)];
  const {status} = spawnSync(process.execPath, argv, {stdio: 'inherit', cwd: root});
  if (status !== 0) throw new Stop(`${argv.join(' ')} ended with ${status}`);
}

const records = (count, place, exporters) => withTsx('bench-records.mjs', count, place, ...exporters);
const machine = (runs, place) => withTsx('bench-machine.mjs', runs, place);

const BENCHES = {launch, memory, ps, records, machine};
/** Does not run the compiled folder. */
const CHECKOUT = ['records'];
/** Needs no mount namespace; a daemon beside it would not see what is mounted there. */
const PLAIN = ['records', 'machine'];

/** Root works in a mount namespace of its own: the state that tare-wrap chooses is not the node's then. */
function inOwnNamespace() {
  const {status} = spawnSync('unshare', ['--mount', process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: {...process.env, TARE_BENCH_NAMESPACE: '1'},
  });
  return status ?? 1;
}

await main(async () => {
  const [name = '', count = String(RUNS[name]), ...rest] = process.argv.slice(2);
  if (!(name in BENCHES) || !(Number(count) > 0))
    throw new Stop(`npm run bench -- NAME [COUNT]; NAME is one of ${Object.keys(BENCHES).join(', ')}`);
  if (process.env.TARE_BENCH_NAMESPACE === undefined) {
    nodeVersion();
    nodeModules();
    systemPackages([...BOX, ...TOOLCHAIN]);
    build();
    if (!CHECKOUT.includes(name)) build(['dist']);
    if (isRoot && !PLAIN.includes(name)) return inOwnNamespace();
  }
  // Neither in /tmp nor in /var/tmp, which are private in the box: a work directory there is no usual one.
  const place = mkdtempSync(path.join(isRoot ? '/var/lib' : os.homedir(), 'tare-bench-'));
  chmodSync(place, 0o755);
  try {
    if (isRoot && !PLAIN.includes(name)) mountStates(place);
    await BENCHES[name](Number(count), place, rest);
  } finally {
    if (isRoot && !PLAIN.includes(name)) spawnSync('umount', ['/var/lib/tare']);
    rmSync(place, {recursive: true, force: true});
  }
  return 0;
});
