// Started by bench.mjs with tsx: the launch of `true` by each engine through Tare, beside the same engine bare, as root. Daemons are those of the
// tests, started here and stopped at the end, or those of the machine where they run already.
import {spawnSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {docker} from '../test/support/dockerd.ts';
import {libvirt} from '../test/support/libvirtd.ts';
import {peers} from './bench-containers.mjs';
import {BUBBLEWRAP, isRoot, median} from './bench-tools.mjs';
import {Stop, main, root, which} from './steps.mjs';

const TARE = path.join(root, 'dist/tare/bin/tare');
/** The bare start of each engine, as bench-containers.mjs calls it; bubblewrap has no bundle and no image. */
const BARE = {
  ...{bubblewrap: null, crun: 'crun run', runc: 'runc run', lxc: 'lxc-execute'},
  ...{docker: 'docker run', podman: 'podman run', libvirt: 'virsh create'},
};
const DAEMONS = [docker, libvirt];
const WARM_UP = 2;

/** Milliseconds; null where it failed. */
function time([program, ...args], options) {
  const began = process.hrtime.bigint();
  const {status} = spawnSync(program, args, {stdio: 'ignore', ...options});
  return status === 0 ? Number(process.hrtime.bigint() - began) / 1e6 : null;
}

const rowOf = (cells) => cells.map((cell, index) => (index === 0 ? cell.padEnd(12) : cell.padStart(10))).join(' ');

/** Tare's own directories are the bench's, so that the node's are left alone. */
function tare(place) {
  const work = path.join(place, 'work');
  const policy = path.join(place, 'policy.json');
  const directories = Object.fromEntries(['state', 'spool', 'scratch'].map((name) => [name, path.join(place, name)]));
  for (const directory of [work, ...Object.values(directories)]) mkdirSync(directory);
  writeFileSync(policy, JSON.stringify({schema: 'tare/policy/v1', directories}));
  return {work, by: (engine) => [TARE, 'run', '--policy', policy, '--engine', engine, '--memory', '200MiB', '--', '/bin/true']};
}

/** Both ways to start `true` of each engine that has both here; of the others is said why not. */
function pairsOf(found, {work, by}) {
  const pairs = Object.entries(BARE).map(([name, bare]) => {
    const peer = name === 'bubblewrap' ? {command: [which('bwrap'), ...BUBBLEWRAP]} : found.find((one) => one.name === bare);
    return {name, peer, through: by(name), times: {bare: [], through: []}};
  });
  return pairs.filter(({name, peer, through}) => {
    const {status, stderr} = spawnSync(through[0], through.slice(1), {cwd: work, encoding: 'utf8'});
    if (status !== 0) console.log(`skipped: ${name}: ${stderr.trim().split('\n').at(-1)}`);
    else if (peer === undefined) console.log(`skipped: ${name}: it does not run bare here`);
    return status === 0 && peer !== undefined;
  });
}

function compare(runs, found, own) {
  const pairs = pairsOf(found, own);
  const machine = `${os.cpus()[0].model}, ${os.cpus().length} CPUs, load ${os.loadavg()[0].toFixed(1)}, Linux ${os.release()}`;
  console.log(`launch of true, ${runs} runs each in turns, medians in ms (${machine})`);
  console.log(rowOf(['engine', 'bare', 'by Tare', 'added', 'ratio']));
  for (let run = -WARM_UP; run < runs; run++)
    for (const {peer, through, times} of pairs) {
      peer.settle?.();
      const bare = time(peer.command, {cwd: '/', ...peer.options});
      const wrapped = time(through, {cwd: own.work});
      if (run < 0) continue;
      if (bare !== null) times.bare.push(bare);
      if (wrapped !== null) times.through.push(wrapped);
    }
  for (const {name, times} of pairs) {
    const [bare, through] = [median(times.bare), median(times.through)];
    console.log(rowOf([name, bare.toFixed(0), through.toFixed(0), (through - bare).toFixed(0), (through / bare).toFixed(1)]));
    const failed = 2 * runs - times.bare.length - times.through.length;
    if (failed > 0) console.log(`  ${failed} of ${2 * runs} failed`);
  }
}

await main(async () => {
  if (!isRoot) throw new Stop('only root: engines with a daemon and control groups are root’s');
  const [runs, place] = [Number(process.argv[2]), process.argv[3]];
  try {
    for (const daemon of DAEMONS) await daemon.begin();
    const found = peers(place);
    try {
      compare(runs, found, tare(place));
    } finally {
      for (const {remove} of found) remove?.();
    }
  } finally {
    for (const daemon of DAEMONS) await daemon.end();
  }
  return 0;
});
