// `npm run bench -- engines`: the launch of `true` by each engine through Tare, beside the same engine bare, as root.
import {spawnSync} from 'node:child_process';
import path from 'node:path';
import {peers} from './bench-containers.mjs';
import {median} from './bench-tools.mjs';
import {root, which} from './steps.mjs';

const TARE = path.join(root, 'dist/tare/bin/tare');
/** The bare start of each engine, as bench-containers.mjs calls it; bubblewrap has no bundle and no image. */
const BARE = {crun: 'crun run', runc: 'runc run', lxc: 'lxc-execute', docker: 'docker run', podman: 'podman run', libvirt: 'virsh create'};
const WARM_UP = 2;

/** Milliseconds; null where it failed. */
function time([program, ...args], options) {
  const began = process.hrtime.bigint();
  const {status} = spawnSync(program, args, {stdio: 'ignore', ...options});
  return status === 0 ? Number(process.hrtime.bigint() - began) / 1e6 : null;
}

const rowOf = (cells) => cells.map((cell, index) => (index === 0 ? cell.padEnd(12) : cell.padStart(10))).join(' ');

/** @param bubblewrap its argv for the same namespaces */
export function benchEngines(runs, place, work, bubblewrap) {
  const found = peers(place);
  try {
    console.log(`launch of true, ${runs} runs each in turns, medians in ms`);
    console.log(rowOf(['engine', 'bare', 'by Tare', 'added', 'ratio']));
    const pairs = Object.keys({bubblewrap, ...BARE}).map((name) => {
      const peer = name === 'bubblewrap' ? {command: [which('bwrap'), ...bubblewrap]} : found.find((one) => one.name === BARE[name]);
      const through = [TARE, 'run', '--engine', name, '--memory', '200MiB', '--', '/bin/true'];
      return {name, peer, through, times: {bare: [], through: []}};
    });
    const here = pairs.filter(({name, peer, through}) => {
      const {status, stderr} = spawnSync(through[0], through.slice(1), {cwd: work, encoding: 'utf8'});
      if (status !== 0) console.log(`skipped: ${name}: ${stderr.trim().split('\n').at(-1)}`);
      else if (peer === undefined) console.log(`skipped: ${name}: it does not run bare here`);
      return status === 0 && peer !== undefined;
    });
    for (let run = -WARM_UP; run < runs; run++)
      for (const {peer, through, times} of here) {
        const bare = time(peer.command, {cwd: '/', ...peer.options});
        const wrapped = time(through, {cwd: work});
        if (run < 0) continue;
        if (bare !== null) times.bare.push(bare);
        if (wrapped !== null) times.through.push(wrapped);
      }
    for (const {name, times} of here) {
      const [bare, through] = [median(times.bare), median(times.through)];
      console.log(rowOf([name, bare.toFixed(0), through.toFixed(0), (through - bare).toFixed(0), (through / bare).toFixed(1)]));
      const failed = 2 * runs - times.bare.length - times.through.length;
      if (failed > 0) console.log(`  ${failed} of ${2 * runs} failed`);
    }
  } finally {
    for (const {remove} of found) remove?.();
  }
}
