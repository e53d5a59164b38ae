/** Limits of the caller's, which the wrapper has as its payload does (getrlimit(2)). */

import type {Kind} from '../fault.js';
import type {Random} from '../random.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const LIMITS: Readonly<Record<string, (random: Random) => number>> = {
  nofile: (random) => random.scaled(3, 200),
  fsize: (random) => random.pick([0, 1, 512, 4 * KIB, random.scaled(1, MIB)]),
  nproc: (random) => random.scaled(1, 60),
  as: (random) => random.scaled(MIB, 4096 * MIB),
  data: (random) => random.scaled(64 * KIB, 1024 * MIB),
  stack: (random) => random.scaled(8 * KIB, 8 * MIB),
  core: () => 0,
  memlock: () => 0,
  sigpending: (random) => random.between(0, 20),
  msgqueue: () => 0,
  locks: (random) => random.between(0, 4),
  rss: () => 0,
  nice: () => 0,
};

export const smallLimit: Kind = {
  name: 'limit',
  weight: 10,
  draw(random) {
    const names = Array.from({length: random.pick([1, 1, 2])}, () => random.pick(Object.keys(LIMITS)));
    const limits = Object.fromEntries(names.map((name) => [name, LIMITS[name]?.(random) ?? 0]));
    // a soft limit alone can be raised again
    const isHard = random.chance(0.7);
    const options = Object.entries(limits).map(([name, value]) => `--${name}=${String(value)}${isHard ? '' : ':'}`);
    return {words: `prlimit ${options.join(' ')}`, prefix: () => ['prlimit', ...options], sweep: true};
  },
};
