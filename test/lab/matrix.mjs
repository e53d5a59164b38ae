// Which tests run on which machines: the one table.
import {HYBRID} from './recipe.mjs';

const machine = (suite, init, more = {}) => ({suite, init, ...more});
/**
 * HTCondor, an OCI runtime, user-mode networks, a service. All ways of trixie have one image and two snapshots: making one takes longer than many
 * of their tests.
 */
const PROGRAMS = {packages: ['condor', 'crun', 'passt', 'slirp4netns', 'nftables', 'nginx-light'], memoryMiB: 3072};
const [trixie, systemd] = ['plain', 'systemd'].map((init) => machine('trixie', init, PROGRAMS));
const [bookworm, bullseye] = ['bookworm', 'bullseye'].map((suite) => machine(suite, 'plain'));

/** Where tests run: the machine, who runs them, and in which control groups (order/execute). The longest come first. */
export const WAYS = {
  v2: {machine: systemd, account: 'root', delegate: 'none'},
  root: {machine: trixie, account: 'root', delegate: 'none'},
  condor: {machine: trixie, account: 'grid', delegate: 'condor'},
  pool: {machine: systemd, account: 'root', delegate: 'none'},
  none: {machine: trixie, account: 'grid', delegate: 'none'},
  condor23: {machine: trixie, account: 'grid', delegate: 'condor23'},
  systemd: {machine: systemd, account: 'grid', delegate: 'systemd'},
  'bookworm-v2': {machine: machine('bookworm', 'systemd'), account: 'root', delegate: 'none'},
  'bullseye-v2': {machine: machine('bullseye', 'systemd'), account: 'root', delegate: 'none'},
  bookworm: {machine: bookworm, account: 'root', delegate: 'none'},
  'bookworm-condor': {machine: bookworm, account: 'grid', delegate: 'condor'},
  bullseye: {machine: bullseye, account: 'root', delegate: 'none'},
  'bullseye-condor': {machine: bullseye, account: 'grid', delegate: 'condor'},
  small: {machine: trixie, account: 'root', delegate: 'none'},
  'small-condor': {machine: trixie, account: 'grid', delegate: 'condor'},
  hybrid: {machine: machine('bookworm', 'systemd', {append: HYBRID}), account: 'root', delegate: 'none'},
};

/** As root, who plays every part. */
const ROOT = ['root', 'bookworm', 'bullseye', 'hybrid'];
const ofRoot = {usual: [], also: ROOT};
const DELEGATED = ['condor', 'condor23', 'systemd', 'bookworm-condor', 'bullseye-condor'];
/** Every way in which node tests run that is not already usual. */
const others = (...usual) => ({usual, also: [...ROOT, ...DELEGATED, 'none'].filter((way) => !usual.includes(way))});

/** bullseye's kernel lets no user mount an overlay, and has no mount_setattr(2). */
const WITH_OVERLAYS = {usual: ['root'], also: ['condor', 'bookworm', 'hybrid', 'condor23', 'systemd', 'bookworm-condor', 'none']};

/** What is in test/lab/v2 and has no row: tests that make their own groups, as root. */
const OF_VERSION_2 = {usual: ['v2'], also: ['bookworm-v2', 'bullseye-v2']};

/** How often what is repeated is repeated in `npm test`; with `--all`, as often as the tests say themselves. */
const SHORT = {TARE_LAB_TIMES: '2', TARE_BOXES: '10'};

/** On older kernels and a second layout of groups what is repeated is repeated less: the kernels differ in what they offer, not in how often. */
const FEWER = {TARE_JOBS: '40'};
const NEWEST = ['v2', 'root', 'condor', 'none', 'pool'];
export const repeatsOf = (way, all) => (all ? (NEWEST.includes(way) ? {} : FEWER) : SHORT);

/** Files below test/, without `.test.ts`. `usual`: the ways of `npm test`; `also`: those that `--all` adds. Each file of test/node has a row. */
const ROWS = {
  'node/cgroup/groups': {
    usual: ['root', 'condor'],
    also: ['bullseye', 'bookworm', 'hybrid', 'condor23', 'systemd', 'bookworm-condor', 'bullseye-condor'],
  },
  'node/host/facts': others('root', 'condor', 'none'),
  'node/box/memory': others('root', 'condor', 'none'),
  'node/box/cores': others('condor'),
  'node/box/limits': others(),
  'node/box/isolation': others('condor'),
  // bullseye's kernel makes each mount read-only by itself
  'node/box/closed': {usual: [], also: ['bullseye', 'root', 'bookworm', 'hybrid']},
  'node/box/slot-memory': {usual: [], also: ROOT},
  'node/box/view': WITH_OVERLAYS,
  'node/box/images': {usual: [], also: ['root', 'bookworm', 'none']},
  'node/box/scratch': WITH_OVERLAYS,
  'node/box/fuse': {usual: [], also: []},
  'node/box/squashed': {usual: [], also: []},
  'node/box/stuck': {usual: [], also: []},
  'node/box/hung': {usual: [], also: []},
  // small machines have a way of their own: these need an OCI runtime
  'node/system/services': {usual: [], also: ['small', 'small-condor']},
  // takes Debian's packages from outside
  'node/system/machine': {usual: [], also: []},
  // its stand-ins are served by root, and it plays the user's part too
  'node/cvmfs/boxes': {usual: [], also: []},
  'node/cvmfs/mounts': {usual: [], also: []},
  'node/box/cpu-time': others(),
  'node/box/hits': others(),
  'node/box/exec': others(),
  'node/box/told': others(),
  'node/box/within': others(),
  'node/box/parts': others(),
  // on a node of its own
  'node/box/phases': {usual: [], also: []},
  'node/box/applications': others(),
  'node/box/inside': others(),
  'node/box/crash': others(),
  'node/box/many': others(),
  // every status and signal, the same whatever the kernel: minutes
  'node/box/endings': {usual: [], also: ['root', 'condor', 'none']},
  'node/box/sweep': others(),
  'node/box/spool': ofRoot,
  'node/box/waiting': ofRoot,
  'node/box/observed': others(),
  'node/box/degraded': others(),
  'node/state/probe': others(),
  'node/state/squatted': ofRoot,
  // it reads files only
  'node/state/glance': {usual: [], also: []},
  // it compiles a module of the name service
  'node/box/accounts': {usual: [], also: []},
  'node/box/seal': ofRoot,
  'node/box/forge': ofRoot,
  'node/cgroup/aside': {usual: [], also: ROOT.filter((way) => way !== 'hybrid')}, // where version 2 has a controller
  // these read and write files, as on any system
  'node/export/arc': {usual: [], also: []},
  'node/export/dirq': {usual: [], also: []},
  'node/export/killed': {usual: [], also: []},
  'node/export/mtls': {usual: [], also: []},
  'node/export/promtool': {usual: [], also: []},
  // how often memory is read follows from what a reading costs: where all is emulated, too seldom for its figures
  'node/export/prmon': {usual: [], also: []},
  // needs nftables, pasta and slirp4netns, which the lab's machines do not have
  'node/box/network': {usual: [], also: []},
  'node/box/faults': ofRoot,
  'lab/v2/system': {usual: ['small-condor'], also: ['small']},
  // a machine for each way in which a batch system makes groups: minutes
  'lab/v2/layouts': {usual: [], also: [...OF_VERSION_2.usual, ...OF_VERSION_2.also]},
  'lab/v2/many': {usual: [], also: ['v2']},
  // minutes each: a stall has to last, and a slot is filled by several jobs again and again
  'lab/v2/stall': {usual: [], also: ['v2']},
  'lab/v2/verdicts': {usual: [], also: ['v2']},
  'lab/htcondor/version2': {usual: ['pool'], also: []},
  'node/box/delegated': {usual: [], also: ['hybrid']},
};

/** The table with the rows that go without saying; `files` are all that there are. */
export function tests(files) {
  const own = files.filter((name) => name.startsWith('lab/v2/') && ROWS[name] === undefined);
  return {...Object.fromEntries(own.map((name) => [name, OF_VERSION_2])), ...ROWS};
}
