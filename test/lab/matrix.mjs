// Which tests run on which machines: the one table.
import {ENGINES, debianPackages} from '../../scripts/setup.mjs';
import {HYBRID} from './recipe.mjs';

const machine = (suite, init, more = {}) => ({suite, init, ...more});
/**
 * HTCondor, an OCI runtime, user-mode networks, a service. All ways of trixie have one image and two snapshots: making one takes longer than many
 * of their tests.
 */
const PROGRAMS = {packages: ['condor', 'crun', 'passt', 'slirp4netns', 'nftables', 'nginx-light', 'strace'], memoryMiB: 3072};
const [trixie, systemd] = ['plain', 'systemd'].map((init) => machine('trixie', init, PROGRAMS));
/** On which a package sets a node up: its own image, without what it does not need. */
const site = machine('trixie', 'systemd', {packages: ['ansible-core', 'cron', 'logrotate']});
/** Which has all engines but QEMU: its machines would be emulated in an emulated machine. An image of its own, since nothing else needs them. */
const engines = machine('trixie', 'systemd', {
  packages: [...debianPackages(ENGINES.filter((name) => name !== 'qemu')), 'crun', 'runc'],
  memoryMiB: 3072,
});
const bookworm = machine('bookworm', 'plain');
const bullseye = machine('bullseye', 'plain', {packages: ['strace']});

/**
 * Where tests run: the machine, the account, and the control groups (order/execute). The longest come first. `budget`: the seconds that its
 * files may take of `--all`, on two CPUs that have another machine to emulate as well.
 */
export const WAYS = {
  v2: {machine: systemd, account: 'root', delegate: 'none', budget: 1500},
  root: {machine: trixie, account: 'root', delegate: 'none', budget: 1550},
  condor: {machine: trixie, account: 'grid', delegate: 'condor', budget: 980},
  installed: {machine: site, account: 'root', delegate: 'none', budget: 800},
  pool: {machine: systemd, account: 'root', delegate: 'none', budget: 150},
  none: {machine: trixie, account: 'grid', delegate: 'none', budget: 80},
  condor23: {machine: trixie, account: 'grid', delegate: 'condor23', budget: 80},
  systemd: {machine: systemd, account: 'grid', delegate: 'systemd', budget: 80},
  attacks: {machine: trixie, account: 'root', delegate: 'none', budget: 1800},
  'attacks-condor': {machine: trixie, account: 'grid', delegate: 'condor', budget: 900},
  engines: {machine: engines, account: 'root', delegate: 'none', budget: 1550},
  'engines-user': {machine: engines, account: 'grid', delegate: 'systemd', budget: 450},
  'bookworm-v2': {machine: machine('bookworm', 'systemd'), account: 'root', delegate: 'none', budget: 250},
  'bullseye-v2': {machine: machine('bullseye', 'systemd'), account: 'root', delegate: 'none', budget: 250},
  bookworm: {machine: bookworm, account: 'root', delegate: 'none', budget: 300},
  'bookworm-condor': {machine: bookworm, account: 'grid', delegate: 'condor', budget: 120},
  bullseye: {machine: bullseye, account: 'root', delegate: 'none', budget: 350},
  'bullseye-condor': {machine: bullseye, account: 'grid', delegate: 'condor', budget: 400},
  small: {machine: trixie, account: 'root', delegate: 'none', budget: 110},
  'small-condor': {machine: trixie, account: 'grid', delegate: 'condor', budget: 175},
  hybrid: {machine: machine('bookworm', 'systemd', {append: HYBRID}), account: 'root', delegate: 'none', budget: 200},
};

/**
 * `npm test` runs all of test/node on the machine itself, as root and as a user. Here a file runs again where it can find out something that it
 * cannot there, so that `--all` takes no longer than a person waits for it (all budgets of ways, halved):
 *
 * version 2  `root`, which plays a user without groups as well, and `condor`, a user with groups, on the newest kernel
 * kernel     what an older one has not got: bullseye's has no cgroup.kill, memory.peak, mount_setattr(2) and so no views; bookworm's
 *            is between it and the newest
 * layout     where groups are, and whose: `none`, `condor23`, `systemd`, or in hierarchies of version 1 as systemd makes them, `hybrid`
 */
const BY_KERNEL_AND_LAYOUT = ['bookworm', 'bullseye', 'condor23', 'systemd', 'hybrid', 'bookworm-condor', 'bullseye-condor'];
/** A row that is not of `npm test`. */
const long = (...also) => ({usual: [], also});

/** What is in test/lab/v2 and has no row: tests that make their own groups, as root. */
const OF_VERSION_2 = {usual: ['v2'], also: ['bookworm-v2', 'bullseye-v2']};

/**
 * How often what is repeated is repeated, and by which role: in `npm test`, and with `--all`. The suite `node` repeats its part as often as the tests say
 * themselves, and has both roles.
 */
const SHORT = {TARE_LAB_TIMES: '2', TARE_BOXES: '10', TARE_ROLE: 'user'};
const LONG = {TARE_LAB_TIMES: '10', TARE_BOXES: '50', TARE_JOBS: '40'};
export const repeatsOf = (all) => (all ? LONG : SHORT);

/** Files below test/, without `.test.ts`. `usual`: the ways of `npm test`; `also`: those that `--all` adds. Each file of test/node, test/engines and test/attacks has a row. */
const ROWS = {
  // what groups there are, and what the kernel counts and kills there
  'node/cgroup/groups': {usual: ['condor'], also: ['root', ...BY_KERNEL_AND_LAYOUT]},
  'node/host/facts': {usual: ['condor'], also: ['root', 'none', ...BY_KERNEL_AND_LAYOUT]},
  'node/box/memory': {usual: ['condor'], also: ['root', 'none', ...BY_KERNEL_AND_LAYOUT]},
  'node/box/held': long('none', 'bullseye'),
  'node/box/slot-memory': long('root', 'bullseye', 'hybrid'),
  'node/box/cores': {usual: ['condor'], also: ['root', 'none']},
  'node/box/cpu-time': long('root', 'condor', 'bullseye'),
  'node/box/limits': long('root', 'condor', 'bullseye', 'hybrid'),
  'node/cgroup/evacuate': long('root', 'bullseye'), // where version 2 has a controller
  'node/box/delegated': long('hybrid'),
  // what is made, killed, weighed and removed in groups
  'node/box/applications': long('condor', 'bullseye-condor'),
  'node/box/sweep': long('condor', 'bullseye-condor'),
  'node/box/crash': long('condor'),
  'node/box/events': long('root', 'condor'),
  'node/box/many': long('condor'),
  'node/box/inside': long('condor'),
  'node/box/within': long('condor'),
  // what was wanted of the kernel, and what there was; root alone can hide it from one process
  'node/box/observed': long('root'),
  'node/box/degraded': long('root'),
  'node/box/came-with-job': long('root', 'bullseye'), // what a kernel lets root's session keyring and directories do
  'node/state/probe': long('root'),
  'node/state/attacks': long('root', 'bullseye'), // an older bubblewrap, and a kernel that lets everybody type into a terminal
  // the main job, once for each kernel and kind of user
  'node/box/hits': long('root', 'condor', 'bookworm-condor', 'bullseye-condor'),
  // mounts and namespaces; bullseye's kernel makes each mount of `closed` read-only by itself, and lets no user mount an overlay
  'node/box/isolation': long('condor', 'root', 'bullseye'),
  'node/box/nested': long('condor', 'root', 'bullseye'),
  'node/box/closed': long('root', 'bullseye'),
  'node/box/calls': long('root', 'bullseye'), // a kernel before 5.16, which takes speculation from who has a filter without the flag
  'node/box/engines': long('engines'),
  'node/box/libvirt': long('engines'),
  'node/box/docker-daemons': long('engines'),
  'node/box/kills-docker': long('engines'),
  'node/box/kills-libvirt': long('engines'),
  'node/box/kills-lxc': long('engines'),
  'node/box/kills-podman': long('engines'),
  'node/box/machine': long(), // machines in a machine
  'node/box/image-names': long(),
  // a sample of the checks; bullseye's kernel is older than 5.12, so that one engine builds boxes
  'engines/ulimit': long('engines', 'engines-user', 'condor', 'bullseye'),
  'engines/quotas': long('engines', 'engines-user', 'condor'),
  'engines/vm-lite': long('engines', 'engines-user', 'small-condor'),
  'engines/results': long(),
  'engines/mutations': long(),
  'node/box/landlock': long('root', 'bookworm'), // version 2, which has no right to truncate
  'node/box/view': long('root', 'bookworm'),
  'node/box/scratch': long('root', 'bookworm'),
  'node/box/images': long('root'),
  'node/box/forge': long('root'),
  // how processes of ours live and end, and what is written of them: as on any system
  'node/box/endings': long(),
  'node/box/exec': long(),
  'node/box/habits': long(),
  'node/box/equivalents': long(),
  'node/box/terminal': long(),
  'node/box/own-uid': long('root', 'condor', 'bullseye'),
  'node/box/told': long(),
  'node/box/parts': long(),
  'node/box/faults': long(),
  'node/box/spool': long(),
  'node/box/waiting': long(),
  'node/box/seal': long(),
  'node/state/squatted': long(),
  // the suite of attacks on version 2: of root and on root, of a user without groups, of one with groups
  'attacks/outside': long('attacks'),
  'attacks/payload-root': long('attacks'),
  'attacks/payload-user': long('attacks', 'attacks-condor'),
  'lab/v2/faults': long('attacks'),
  // small machines, which need an OCI runtime
  'node/system/services': long('small-condor'),
  'lab/v2/system': {usual: ['condor'], also: ['small']},
  // a machine for each way in which a batch system makes groups
  'lab/v2/layouts': long('v2', 'bookworm-v2', 'bullseye-v2'),
  'lab/v2/many': long('v2'),
  // minutes each: a stall has to last, and a slot is filled by several jobs again and again
  'lab/v2/stall': long('v2'),
  'lab/v2/verdicts': long('v2'),
  // minutes each: timers that fire, and Ansible, which an emulated machine is slow at
  'lab/packages/installed': long('installed'),
  'lab/packages/ansible': long('installed'),
  'lab/htcondor/version2': {usual: ['pool'], also: []},
  // these read and write files, as on any system
  'node/export/arc': long(),
  'node/export/dirq': long(),
  'node/export/killed': long(),
  'node/export/mtls': long(),
  'node/export/promtool': long(),
  'node/state/glance': long(),
  // how often memory is read follows from what a reading costs: where all is emulated, too seldom for its figures
  'node/export/prmon': long(),
  // what they need the lab's machines do not have: FUSE's Python, strace, gdb, nftables with pasta, a compiler, Debian's packages from outside;
  // the stand-ins of CVMFS are served by root, and play the user's part too
  'node/box/fuse': long(),
  'node/box/root-squash': long(),
  'node/box/stuck': long(),
  'node/box/hung': long(),
  'node/box/programs': long(),
  'node/box/network': long(),
  'node/box/accounts': long(),
  // on a node of its own
  'node/box/phases': long(),
  'node/system/machine': long(),
  'node/cvmfs/boxes': long(),
  'node/cvmfs/mounts': long(),
};

/** The table with the rows that go without saying; `files` are all that there are. */
export function tests(files) {
  const own = files.filter((name) => name.startsWith('lab/v2/') && ROWS[name] === undefined);
  return {...Object.fromEntries(own.map((name) => [name, OF_VERSION_2])), ...ROWS};
}
