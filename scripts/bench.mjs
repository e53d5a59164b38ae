// npm run bench -- launch [RUNS]: what the wrapper adds to a job that does nothing, side by side in one run with other ways to run it.
// npm run bench -- memory [JOBS]: private memory of the wrapper's own processes while the payload sleeps.
// npm run bench -- ps [BOXES]: what `tare ps` takes while so many boxes live.
// npm run bench -- records [COUNT [EXPORTER...]]: what listing and exporting a spool of a million records takes, in time and memory.
// npm run bench -- filter [ROUNDS [WORD]]: what the filter on system calls costs payloads (those with WORD in their line), in CPU time: three boxes
// take turns, two of them without it.
// npm run bench -- machine [RUNS]: from start to payload of a small machine, beside containers and an emulated machine that boot the same tree.
// npm run bench -- engines [RUNS]: the launch of `true` by each engine through Tare, beside the engine bare; as root, with daemons of its own.
// The commands take turns, so that a machine whose speed drifts slows all of them; medians and ratios are what counts.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {peers} from './bench-containers.mjs';
import {build} from './build.mjs';
import {BUBBLEWRAP, NOBODY, family, isRoot, median, owned, pause} from './bench-tools.mjs';
import {BOX, TOOLCHAIN, nodeModules, nodeVersion, systemPackages} from './setup.mjs';
import {Stop, main, root, which} from './steps.mjs';

const RUNS = {launch: 30, memory: 4, ps: 50, records: 1_000_000, filter: 120, machine: 10, engines: 10};
/** Of each, once the boxes live. */
const LOOKS = 20;
const WARM_UP = 3;
/** Another account without a name, whose spool is on memory. */
const NOBODY_TOO = 65533;
const TMPFS_MAGIC = 0x01021994;
const FOLDER = path.join(root, 'dist/tare');

/** Milliseconds from start to exit. */
function time({command, options, settle}) {
  settle?.();
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
        {name: 'bwrap, the same namespaces', command: [which('bwrap'), ...BUBBLEWRAP], options: user},
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

async function end(children) {
  const ended = children.map((child) => once(child, 'exit'));
  for (const child of children) child.kill();
  await Promise.all(ended);
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
      await pause(3000);
      const parts = family(children[0].pid)
        .filter((pid) => comm(pid) !== 'sleep')
        .map((pid) => ({name: comm(pid), ...privateMemory(pid)}));
      const sum = (key) => parts.reduce((total, part) => total + part[key], 0);
      const mib = (kib) => (kib / 1024).toFixed(1).padStart(6);
      console.log(`${name}, ${count} at once: private ${mib(sum('clean') + sum('dirty'))} MiB, of which dirty ${mib(sum('dirty'))} MiB`);
      for (const part of parts) console.log(`  ${mib(part.clean + part.dirty)} ${mib(part.dirty)}  ${part.name}`);
      await end(children);
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
    while (live().length < boxes) await pause(500);
    for (const [name, bin] of [
      ['Node.js', checkout],
      ['the folder', folder],
    ]) {
      const times = Array.from({length: LOOKS}, () => time({command: [tare(bin), 'ps'], options: {cwd: work}}));
      console.log(`tare ps, ${boxes} boxes, ${name}: median of ${LOOKS} ${median(times).toFixed(0)} ms`);
    }
  } finally {
    await end(jobs);
  }
}

const GETPPIDS = 1_000_000;
/** Then there are new ones. */
const ROUNDS_OF_A_BOX = 10;
/** What each turn runs in the box; of the loop the CPU time of a million calls in ms is that of one in ns. */
const TURNS = (program) => [
  ['mcsim, 40 events, 2 workers', program('mcsim'), '--events', '40', '--workers', '2', '--output', '/tmp/hits'],
  ['100 processes', '/bin/sh', '-c', 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done'],
  ['64 MiB written and read, by 64 KiB', '/bin/sh', '-c', 'dd if=/dev/zero of=/tmp/x bs=64k count=1000; dd if=/tmp/x of=/dev/null bs=64k'],
  ['64 MiB written and read, by 4 KiB', '/bin/sh', '-c', 'dd if=/dev/zero of=/tmp/x bs=4k count=16000; dd if=/tmp/x of=/dev/null bs=4k'],
  ['getppid, ns a call', program('calls'), '--loop', String(GETPPIDS)],
];

/** A box in which a program waits for its turns. */
function waiting(policy, work, argv) {
  const command = ['run', '--policy', policy, '--work-directory', work, '--', path.join(root, 'fixtures/payloads/build/turns'), ...argv];
  const child = spawn(path.join(FOLDER, 'bin/tare'), command, {cwd: work, stdio: ['pipe', 'pipe', 'inherit']});
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]();
  return {
    /** Milliseconds of CPU time. */
    turn: async () => {
      child.stdin.write('\n');
      const {value = ''} = await lines.next();
      const us = /^cpu_us=(\d+)$/.exec(value)?.[1];
      if (us === undefined) throw new Stop(`${command.join(' ')} ended with ${await ended}`);
      return Number(us) / 1000;
    },
    end: () => {
      child.stdin.end();
      return ended;
    },
  };
}

/** At the given part of all, from the least. */
const quantile = (values, part) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))];

/** Two boxes without the filter, so that it is seen what the machine's unrest alone makes of two that are the same. */
async function filter(rounds, place, words) {
  const work = owned(path.join(place, 'work'), NOBODY);
  const sides = ['unconfined', 'default', 'unconfined'];
  /** Of each side with the directories of each: where files lie costs some per cent too, so the sides change them. */
  const policies = sides.map((seccomp, side) =>
    sides.map((_, at) => {
      const directories = Object.fromEntries(
        ['state', 'spool', 'scratch'].map((name) => [name, owned(path.join(place, String(at), name), process.getuid())]),
      );
      const file = path.join(place, `${side}-${at}.json`);
      writeFileSync(file, JSON.stringify({schema: 'tare/policy/v1', directories, seccomp}));
      return file;
    }),
  );
  const columns = (...cells) => cells.map((cell) => cell.padStart(9)).join(' ');
  const percent = (ratio) => `${(100 * (ratio - 1)).toFixed(2)} %`;
  console.log(
    `${rounds} rounds, ms of CPU time, medians; ratios of each round (${os.cpus()[0].model}, ${os.cpus().length} CPUs, Linux ${os.release()})`,
  );
  console.log(columns('without', 'with', 'more', 'quartile', 'quartile', 'median ±', 'unrest'));
  const payloads = TURNS((payload) => path.join(root, 'fixtures/payloads/build', payload));
  for (const [name, ...argv] of payloads.filter(([name]) => words.every((word) => name.includes(word)))) {
    const times = sides.map(() => []);
    for (let done = 0; done < rounds; done += ROUNDS_OF_A_BOX) {
      const boxes = policies.map((of, side) => waiting(of[(side + done / ROUNDS_OF_A_BOX) % sides.length], work, argv));
      try {
        for (let round = -WARM_UP; round < Math.min(ROUNDS_OF_A_BOX, rounds - done); round++)
          for (let turn = 0; turn < boxes.length; turn++) {
            const side = (turn + round + WARM_UP) % boxes.length;
            const ms = await boxes[side].turn();
            if (round >= 0) times[side].push(ms);
          }
      } finally {
        await Promise.all(boxes.map((box) => box.end()));
      }
    }
    const [without, having, again] = times;
    const ratios = (side) => side.map((ms, round) => (2 * ms) / (without[round] + again[round]));
    const more = ratios(having);
    // of 20 such medians 19 lie between these ranks
    const reach = 0.98 / Math.sqrt(rounds);
    const spread = (quantile(more, 0.5 + reach) - quantile(more, 0.5 - reach)) / 2;
    const unrest = median(again.map((ms, round) => ms / without[round]));
    const ms = [median([...without, ...again]), median(having)].map((each) => each.toFixed(2));
    const shares = [median(more), quantile(more, 0.25), quantile(more, 0.75), 1 + spread, unrest].map(percent);
    console.log(`${columns(...ms, ...shares)}  ${name}`);
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
const engines = (runs, place) => withTsx('bench-engines.mjs', runs, place);

const BENCHES = {launch, memory, ps, records, filter, machine, engines};
/** Does not run the compiled folder. */
const CHECKOUT = ['records'];
/** Needs no mount namespace; a daemon beside it would not see what is mounted there. */
const PLAIN = ['records', 'filter', 'machine', 'engines'];

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
