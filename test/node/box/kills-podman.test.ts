/** SIGKILL to each process of Podman's at each step of a job (test/support/kills.ts). A usual run has some of the kills, a long run all: three minutes. */

import {Apart} from '../../support/apart.js';
import {describeSite} from '../../support/describe-site.js';
import {kernelSince} from '../../support/groups.js';
import {all, READY, RUNNING, survives, usually, type Kill, type Killed, type Step} from '../../support/kills.js';
import {LONG, need, needKernel} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, isRoot, processes, program} from '../../support/tare.js';

const CREATE: Step = {name: 'crun is to make the container', hold: 'create'};
const START: Step = {name: 'crun is to start init', hold: 'start'};
const WAITS: Step = {name: 'init waits for its bridge', hold: 'start', unanswered: true};
const DELETE: Step = {name: 'crun is to remove the container', ends: true, hold: 'delete'};
const SWEEP: Step = {name: 'a sweep has the box', sweep: 'stops', pause: 'sweep-claimed'};
const TIDIES: Step = {name: 'it tidies up during a sweep', sweep: 'spares', hold: 'delete', pause: 'sweep-claimed'};

const KILLS: readonly Kill[] = [
  ...all(CREATE, ['podman', 'conmon'], ['never ran']),
  ...usually(all(CREATE, ['crun'], ['never ran'])),
  ...all(START, ['crun'], ['never ran']),
  ...all(START, ['podman', 'conmon'], ['never ran', 'lives']),
  ...all(WAITS, ['podman', 'conmon'], ['lives']),
  ...all(READY, ['podman', 'conmon'], ['lives']),
  ...all(RUNNING, ['podman'], ['lives']),
  ...usually(all(RUNNING, ['conmon'], ['lives'])),
  ...all(DELETE, ['podman', 'conmon', 'crun'], ['lives']),
  ...all(SWEEP, ['podman', 'conmon'], ['lost']),
  ...all(TIDIES, ['conmon'], ['lost']),
];

describeSite('killed by SIGKILL of Podman’s, %s', {each: true, mayLeave: true, timeout: patience(180_000)}, (site) => {
  let apart: Apart | null = null;

  const engine = (): Killed => {
    if (apart === null) throw new Error('no mounts');
    const there = apart;
    return {
      name: 'podman',
      apart: there,
      victims: {
        podman: ({shim}) => below(shim).find(({comm, argv}) => comm === 'podman' && argv.includes('run')),
        conmon: ({id}) => processes().find(({comm, argv}) => comm === 'conmon' && argv.includes(`tare-${id}`)),
        crun: () => there.held(),
      },
      // Podman has it once for all boxes of root’s
      left: () => there.made().filter((path) => !path.endsWith('/netavark.lock')),
    };
  };

  before(async function () {
    need(this, isRoot, 'only root makes mounts of a test’s own');
    need(this, program('podman') !== null && program('crun') === '/usr/bin/crun', 'podman or crun is not installed');
    needKernel(this, kernelSince(5, 12), 'podman needs Linux 5.12 for a box');
    apart = await Apart.make(['/usr/bin/crun']);
  });

  after(() => apart?.remove());

  for (const one of KILLS) if (LONG || one.usual === true) it(`${one.victim}, when ${one.step.name}`, () => survives(site, engine(), one));
});
