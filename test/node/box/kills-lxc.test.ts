/** SIGKILL to LXC's monitor at each step of a job (test/support/kills.ts). A usual run has some of the kills, a long run all: half a minute. */

import {readFileSync} from 'node:fs';
import {Apart} from '../../support/apart.js';
import {describeSite} from '../../support/describe-site.js';
import {kernelSince} from '../../support/groups.js';
import {all, READY, RUNNING, survives, usually, type Kill, type Killed, type Step} from '../../support/kills.js';
import {LONG, need, needKernel} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, isRoot, processes, program, type ProcessEntry} from '../../support/tare.js';

const monitorOf = (shim: number): ProcessEntry | undefined => below(shim).find(({comm}) => comm === 'lxc-start');
const BEGINS: Step = {name: 'it is to begin', hold: '-F'};
/** What it does then is done by several processes. */
const MAKES: Step = {name: 'it makes the box', seen: (shim) => processes().some(({parent}) => parent === monitorOf(shim)?.pid)};
const INIT: Step = {name: 'init has been started', seen: (shim) => below(shim).some(({comm}) => comm === 'tare-init')};
const SWEEP: Step = {name: 'a sweep has the box', sweep: 'stops', pause: 'sweep-claimed'};

// a box whose monitor is killed goes on (lxc.monitor.signal.pdeath)
const KILLS: readonly Kill[] = [
  ...all(BEGINS, ['monitor'], ['never ran']),
  ...[MAKES, INIT].flatMap((step) => all(step, ['monitor'], ['never ran', 'lives'])),
  ...all(READY, ['monitor'], ['lives']),
  ...usually(all(RUNNING, ['monitor'], ['lives'])),
  ...usually(all(SWEEP, ['monitor'], ['lost'])),
];

describeSite('killed by SIGKILL of LXC’s, %s', {each: true, mayLeave: true, timeout: patience(180_000)}, (site) => {
  let apart: Apart | null = null;

  const engine = (): Killed => {
    if (apart === null) throw new Error('no mounts');
    const there = apart;
    return {
      name: 'lxc',
      apart: there,
      victims: {monitor: ({shim}) => there.held() ?? monitorOf(shim)},
      left: () => [
        ...there.made(),
        ...readFileSync('/proc/net/unix', 'utf8')
          .split('\n')
          .filter((line) => line.includes(site.directory)),
      ],
    };
  };

  before(async function () {
    need(this, isRoot, 'only root makes mounts of a test’s own');
    need(this, program('lxc-start') === '/usr/bin/lxc-start', 'lxc is not installed');
    needKernel(this, kernelSince(6, 12), 'lxc needs Landlock of Linux 6.12 for a box with the node’s network');
    apart = await Apart.make(['/usr/bin/lxc-start']);
  });

  after(() => apart?.remove());

  for (const one of KILLS) if (LONG || one.usual === true) it(`${one.victim}, when ${one.step.name}`, () => survives(site, engine(), one));
});
