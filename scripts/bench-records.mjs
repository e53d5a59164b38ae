// Started by bench.mjs with tsx: a spool of N synthetic records; what listing and exporting it take, for a tenth of it and for all of it.
// On a disk nothing is removed before the end: where many files were just removed, ext4 is slow to make new ones.
// Memory is the most that the process had resident, by its own rusage.
import {spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {canonicalJson} from '../build/src/plan/canonical.js';
import {recordId} from '../build/src/record/uuid.js';
import {measured} from '../test/support/records.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const [count, place, ...only] = [Number(process.argv[2]), ...process.argv.slice(3)];
const VOS = ['atlas', 'cms', 'lhcb', 'alice', 'dune'];
const template = measured();

/** The n-th record: another job, another VO, another minute. */
function record(number) {
  const lrms = {...template.lrms, localJobId: `${number}.0`, globalJobId: `ce01.example.org#${number}.0#1789999000`};
  const startEpochUs = template.time.startEpochUs + number * 60e6;
  return {
    ...template,
    recordId: recordId({site: template.site.name, globalJobId: lrms.globalJobId, attempt: 1, application: 0}),
    lrms,
    user: {...template.user, vo: VOS[number % VOS.length]},
    time: {...template.time, startEpochUs: startEpochUs % 1.79e15, endEpochUs: (startEpochUs % 1.79e15) + template.time.wallUs},
  };
}

function fill(spool, from, to) {
  mkdirSync(spool, {recursive: true});
  for (let number = from; number < to; number++) {
    const made = record(number);
    writeFileSync(path.join(spool, `${made.recordId}.json`), `${canonicalJson(made)}\n`);
  }
}

/** V8 lets a heap grow that it could keep small: in this one, what is kept per record would not fit. */
const SMALL_HEAP = ['--max-old-space-size=48', '--max-semi-space-size=4'];

/** A command in a process of its own: seconds, µs of CPU time, and MiB at most. */
function run(argv) {
  const code = `process.argv=[process.argv[0],'tare',...${JSON.stringify(argv)}];process.on('exit',()=>{const u=process.resourceUsage();require('node:fs').writeSync(2,'\\n@'+[u.maxRSS,u.userCPUTime+u.systemCPUTime])});import(${JSON.stringify(path.join(root, 'bin/tare.js'))})`;
  const began = process.hrtime.bigint();
  const {status, stderr} = spawnSync(process.execPath, [...SMALL_HEAP, '-e', code], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    cwd: place,
    maxBuffer: 2 ** 28,
  });
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr.slice(0, 2000)}`);
  const [kib, cpuUs] = stderr.split('\n@').at(-1).split(',').map(Number);
  return {seconds, cpuUs, mib: kib / 1024};
}

const spool = path.join(place, 'spool');
const policyOf = (exporters) => {
  const file = path.join(mkdtempSync(path.join(place, 'p-')), 'policy.json');
  const directories = {state: path.dirname(file)};
  writeFileSync(file, JSON.stringify({schema: 'tare/policy/v1', directories, exporters}));
  return file;
};
const TMPFS_MAGIC = 0x01021994;
const isMemory = statfsSync(place).type === TMPFS_MAGIC;
let round = 0;
const into = (name) => path.join(place, `out-${round}`, name);
const apel = {doubleCounting: 'understood', submitHost: 'ce01.example.org'};
const none = policyOf({});
const exporters = () => ({
  jsonl: {directory: into('jsonl')},
  'apel, dirq': {...apel, directory: into('apel')},
  car: {...apel, directory: into('car'), layout: 'directory'},
  auditor: {directory: into('auditor')},
  prometheus: {file: into('tare.prom')},
  prmon: {directory: into('prmon')},
});

let from = 0;
for (const size of [Math.round(count / 10), count]) {
  round++;
  const began = performance.now();
  fill(spool, from, size);
  console.log(`${size} records in the spool (${((performance.now() - began) / 1000).toFixed(0)} s to make ${size - from})`);
  from = size;
  const measure = (name, argv) => {
    const {seconds, cpuUs, mib} = run(argv);
    console.log(
      `${seconds.toFixed(1).padStart(9)} s, each ${((seconds / size) * 1e6).toFixed(0).padStart(5)} us (CPU ${(cpuUs / size).toFixed(0).padStart(4)} us), ${mib.toFixed(0).padStart(4)} MiB  ${name}`,
    );
  };
  measure('list', ['records', 'list', '--spool', spool, '--policy', none]);
  measure('list --json --vo atlas', ['records', 'list', '--json', '--vo', 'atlas', '--spool', spool, '--policy', none]);
  measure('verify', ['records', 'verify', '--spool', spool, '--policy', none]);
  for (const [name, settings] of Object.entries(exporters())) {
    const key = name.split(',')[0];
    if (only.length > 0 && !only.includes(key)) continue;
    const policy = policyOf({[key]: settings});
    measure(`export ${name}`, ['records', 'export', '--spool', spool, '--policy', policy]);
    if (key === 'jsonl') {
      measure('export jsonl, nothing new', ['records', 'export', '--spool', spool, '--policy', policy]);
      measure('prune, nothing old', ['records', 'prune', '--older-than', '1000d', '--spool', spool, '--policy', policy]);
    }
    if (isMemory) for (const each of [path.dirname(policy), into('')]) rmSync(each, {recursive: true});
  }
}
