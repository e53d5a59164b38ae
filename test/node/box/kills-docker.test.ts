/** SIGKILL to each process of Docker's at each step of a job (test/support/kills.ts). A usual run has some of the kills, a long run all: six minutes. */

import {existsSync} from 'node:fs';
import {Apart} from '../../support/apart.js';
import {describeSite} from '../../support/describe-site.js';
import {
  all,
  ENDED,
  kept,
  READY,
  REMOVED,
  RUNNING,
  survives,
  usually,
  type End,
  type Kill,
  type Killed,
  type Step,
} from '../../support/kills.js';
import {kernelSince} from '../../support/groups.js';
import {LONG, need, needKernel} from '../../support/need.js';
import {OwnDockerd} from '../../support/own-dockerd.js';
import {patience} from '../../support/pace.js';
import {below, isRoot, processes, program, type ProcessEntry} from '../../support/tare.js';

const CREATE: Step = {name: 'runc is to make the container', hold: 'create'};
const START: Step = {name: 'runc is to start init', hold: 'start'};
const WAITS: Step = {name: 'init waits for its bridge', hold: 'start', unanswered: true};
const DELETE: Step = {name: 'runc is to remove the container', ends: true, hold: 'delete'};
const SWEEP: Step = {name: 'a sweep has the daemon remove the container', sweep: 'all', hold: 'delete'};

const NEVER: readonly End[] = ['never ran'];
const LIVES: readonly End[] = ['lives'];

/** A daemon whose runc is killed while it removes a container forgets its shim until it is started again. */
const KILLS: readonly Kill[] = [
  ...all(CREATE, ['dockerd', 'containerd', 'containerd-shim', 'runc', 'client'], NEVER),
  ...all(START, ['containerd-shim', 'runc'], NEVER),
  ...all(START, ['client'], ['never ran', 'lives']),
  ...all(START, ['dockerd', 'containerd'], ['never ran', 'lives']),
  ...all(WAITS, ['dockerd', 'containerd', 'containerd-shim', 'client'], ['never ran', 'lives']),
  ...all(READY, ['dockerd', 'containerd', 'client'], LIVES),
  // containerd kills what its shim has left, some time later; the next supervisor starts the payload meanwhile
  ...all({...READY, stays: true}, ['containerd-shim'], ['never ran', 'killed']),
  ...usually(all(RUNNING, ['dockerd'], LIVES)),
  ...all(RUNNING, ['containerd', 'client'], LIVES),
  ...usually(all({...RUNNING, stays: true}, ['containerd-shim'], ['killed'])),
  ...all(DELETE, ['dockerd', 'containerd', 'containerd-shim', 'client'], LIVES),
  ...kept(all(DELETE, ['runc'], LIVES)),
  ...all(ENDED, ['dockerd', 'containerd'], LIVES),
  ...all(REMOVED, ['dockerd', 'containerd'], LIVES),
  ...all(SWEEP, ['dockerd', 'containerd', 'containerd-shim'], ['lost']),
  ...kept(all(SWEEP, ['runc'], ['lost'])),
];

describeSite(
  'killed by SIGKILL of Docker’s, %s',
  {roles: isRoot ? ['root'] : [], each: true, mayLeave: true, timeout: patience(180_000)},
  (site) => {
    let apart: Apart | null = null;
    let daemon: OwnDockerd | null = null;
    const named = (name: string) => (): ProcessEntry | undefined => below(daemon?.pid ?? 0).find(({comm}) => comm === name);

    const engine = (): Killed => {
      if (apart === null || daemon === null) throw new Error('no daemon');
      const [there, own] = [apart, daemon];
      return {
        name: 'docker',
        apart: there,
        victims: {
          dockerd: named('dockerd'),
          containerd: named('containerd'),
          // the daemon does not say which it is while it starts one: there is no other
          'containerd-shim': () => own.shims().at(-1),
          runc: () => there.held(),
          client: ({id}) => processes().find(({comm, argv}) => comm === 'docker' && argv.includes('run') && argv.includes(`tare-${id}`)),
        },
        daemon: () => own.pid,
        restore: () => own.start(),
        again: () => own.again(),
        left: () => [...own.containers(), ...own.groups(), ...own.shims().map(({argv}) => argv.join(' '))],
      };
    };

    before(async function () {
      const path = program('dockerd');
      need(this, path !== null && existsSync('/usr/sbin/runc'), 'dockerd or runc is not installed');
      needKernel(this, kernelSince(5, 12), 'docker needs Linux 5.12 for a box');
      apart = await Apart.make(['/usr/sbin/runc']);
      daemon = new OwnDockerd(apart);
      await daemon.start();
    });

    after(async () => {
      await daemon?.stop();
      await apart?.remove();
    });

    for (const one of KILLS)
      if (LONG || one.usual === true) it(`${one.victim}, when ${one.step.name}`, () => survives(site, engine(), one));
  },
);
