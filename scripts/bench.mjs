// npm run bench -- launch [RUNS]: what the wrapper adds to a job that does nothing, side by side in one run.
// The commands take turns, so that a machine whose speed drifts slows all of them; medians and ratios are what counts.
import {execFileSync, spawnSync} from 'node:child_process';
import {chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {build} from './build.mjs';
import {BOX, nodeModules, nodeVersion, systemPackages} from './setup.mjs';
import {Stop, main, root} from './steps.mjs';

const RUNS = 30;
const WARM_UP = 3;
const NOBODY = 65534;
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

function launch(runs) {
  const site = mkdtempSync(path.join(os.tmpdir(), 'tare-bench-'));
  chmodSync(site, 0o755);
  try {
    const isRoot = process.getuid() === 0;
    const policy = path.join(site, 'policy.json');
    const directories = {state: path.join(site, 'state'), spool: path.join(site, 'spool'), scratch: path.join(site, 'scratch')};
    writeFileSync(policy, JSON.stringify({schema: 'tare/policy/v1', directories}));
    const userPolicy = path.join(site, 'user-policy.json');
    const own = path.join(site, 'user');
    const work = path.join(own, 'work');
    mkdirSync(work, {recursive: true});
    writeFileSync(
      userPolicy,
      JSON.stringify({schema: 'tare/policy/v1', directories: {state: `${own}/state`, spool: `${own}/spool`, scratch: `${own}/scratch`}}),
    );
    if (isRoot) for (const directory of [own, work]) chownSync(directory, NOBODY, NOBODY);
    const user = isRoot ? {uid: NOBODY, gid: NOBODY, cwd: work} : {cwd: work};
    const bwrap = execFileSync('/bin/sh', ['-c', 'command -v bwrap'], {encoding: 'utf8'}).trim();
    const tare = path.join(root, 'bin/tare');
    const subjects = [
      {name: 'bwrap, the same namespaces', command: [bwrap, ...BARE], options: user},
      {name: 'node -e 0', command: [process.execPath, '-e', '0'], options: user},
      {name: 'tare run, unprivileged, no cgroups', command: [tare, 'run', '--policy', userPolicy, '--', '/bin/true'], options: user},
      ...(isRoot
        ? [
            {
              name: 'tare run, root, cgroups',
              command: [tare, 'run', '--policy', policy, '--memory', '200MiB', '--', '/bin/true'],
              options: {cwd: work},
            },
          ]
        : []),
    ];
    const times = subjects.map(() => []);
    for (let run = -WARM_UP; run < runs; run++) {
      subjects.forEach((subject, index) => {
        const ms = time(subject);
        if (run >= 0) times[index].push(ms);
      });
    }
    const base = median(times[0]);
    console.log(`launch of /bin/true, ${runs} runs each, ms (${os.cpus()[0].model}, ${os.cpus().length} CPUs, node ${process.version})`);
    console.log(`${'median'.padStart(9)} ${'least'.padStart(9)} ${'most'.padStart(9)} ${'x bwrap'.padStart(9)}`);
    subjects.forEach(({name}, index) => {
      const values = times[index];
      const row = [median(values), Math.min(...values), Math.max(...values)].map((ms) => ms.toFixed(1).padStart(9));
      console.log(`${row.join(' ')} ${(median(values) / base).toFixed(1).padStart(9)}  ${name}`);
    });
    for (const [name, spool] of [
      ['unprivileged', `${own}/spool`],
      ['root', directories.spool],
    ]) {
      const records = list(spool).map((file) => JSON.parse(readFileSync(file, 'utf8')));
      if (records.length === 0) continue;
      const inside = (key) => median(records.map(({tare: cost}) => cost[key] ?? Number.NaN)) / 1000;
      console.log(`by its own record, ${name}: launch ${inside('launchUs').toFixed(1)} ms, teardown ${inside('teardownUs').toFixed(1)} ms`);
    }
  } finally {
    rmSync(site, {recursive: true, force: true});
  }
}

function list(directory) {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.join(directory, name));
  } catch {
    return [];
  }
}

const BENCHES = {launch};

await main(async () => {
  const [name = '', runs = String(RUNS)] = process.argv.slice(2);
  if (!(name in BENCHES) || !(Number(runs) > 0))
    throw new Stop(`npm run bench -- NAME [RUNS]; NAME is one of ${Object.keys(BENCHES).join(', ')}`);
  nodeVersion();
  nodeModules();
  systemPackages(BOX);
  await build();
  BENCHES[name](Number(runs));
  return 0;
});
