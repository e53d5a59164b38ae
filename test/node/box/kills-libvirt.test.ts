/** SIGKILL to each process of libvirt's at each step of a job (test/support/kills.ts). A usual run has some of the kills, a long run all: a minute. */

import {existsSync, readdirSync, readFileSync, rmdirSync} from 'node:fs';
import {join} from 'node:path';
import {Apart} from '../../support/apart.js';
import {describeSite} from '../../support/describe-site.js';
import {all, ENDED, kept, READY, REMOVED, RUNNING, survives, usually, type Kill, type Killed, type Step} from '../../support/kills.js';
import {Libvirtd, noLibvirt} from '../../support/libvirtd.js';
import {LONG, need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {below, isRoot, processes} from '../../support/tare.js';

const CONTROLLER = '/usr/lib/libvirt/libvirt_lxc';
const BEGINS: Step = {name: 'its process of the box is to begin', hold: '--security=none'};
const WAITS: Step = {name: 'init waits for its bridge', hold: '--security=none', unanswered: true};
const SWEEP: Step = {name: 'a sweep has the box', sweep: 'all', pause: 'sweep-claimed'};
const STOPPED: Step = {name: 'a sweep has the box', sweep: 'stops', pause: 'sweep-claimed'};

/** A libvirtd that finds its box gone when it starts lists the domain, shut off, until it starts again. */
const KILLS: readonly Kill[] = [
  ...kept(all(BEGINS, ['libvirtd'], ['never ran'])),
  ...all(BEGINS, ['libvirt_lxc', 'virsh'], ['never ran']),
  ...kept(all(WAITS, ['libvirtd'], ['never ran', 'lives'])),
  ...all(WAITS, ['libvirt_lxc'], ['never ran', 'lives']),
  ...[READY, RUNNING, ENDED, REMOVED].flatMap((step) => kept(all(step, ['libvirtd'], ['lives']))),
  ...all(READY, ['libvirt_lxc'], ['lives']),
  ...usually(all(RUNNING, ['libvirt_lxc'], ['lives'])),
  ...usually(kept(all(SWEEP, ['libvirtd'], ['lost']))),
  ...all(STOPPED, ['libvirt_lxc'], ['lost']),
];

describeSite(
  'killed by SIGKILL of libvirt’s, %s',
  {roles: isRoot ? ['root'] : [], each: true, mayLeave: true, timeout: patience(180_000)},
  (site) => {
    let apart: Apart | null = null;
    let daemon: Libvirtd | null = null;

    /** Of boxes that there were. Empty ones are libvirt's to remove, and some of them stay (docs/reference/engines.md). */
    const groups = (): string[] =>
      ['', ...readdirSync('/sys/fs/cgroup')]
        .map((name) => join('/sys/fs/cgroup', name, 'machine'))
        .filter((path) => existsSync(path))
        .flatMap((path) => readdirSync(path).map((name) => join(path, name)))
        .filter((path) => site.records().some(({lrms}) => path.includes(lrms.globalJobId.split('#')[1] ?? '-')));
    const isUsed = (group: string): boolean => readFileSync(join(group, 'cgroup.procs'), 'utf8') !== '';

    const list = (there: Apart): string[] =>
      (there.sh('virsh --quiet --connect lxc:///system list --all --name') ?? 'no answer').split('\n').filter((line) => line !== '');

    const engine = (): Killed => {
      if (apart === null || daemon === null) throw new Error('no daemon');
      const [there, own] = [apart, daemon];
      return {
        name: 'libvirt',
        apart: there,
        victims: {
          libvirtd: () => processes().find(({pid}) => pid === own.pid),
          libvirt_lxc: ({id}) => there.held() ?? processes().find(({comm, argv}) => comm === 'libvirt_lxc' && argv.includes(`tare-${id}`)),
          virsh: ({shim}) => below(shim).find(({comm}) => comm === 'virsh'),
        },
        restore: async () => {
          await own.again();
          // it answers before it has looked for its domains
          list(there);
        },
        again: async () => {
          await own.end('SIGTERM');
          await own.again();
        },
        left: () => [
          ...list(there),
          ...groups().filter(isUsed),
          ...processes()
            .filter(({comm, state, argv}) => comm === 'libvirt_lxc' && state !== 'Z' && argv[0]?.startsWith(there.folder) === true)
            .map(({argv}) => argv.join(' ')),
        ],
      };
    };

    before(async function () {
      need(this, noLibvirt() === null, noLibvirt() ?? '');
      apart = await Apart.make([CONTROLLER]);
      daemon = await Libvirtd.start(apart);
    });

    after(async () => {
      await daemon?.stop();
      await apart?.remove();
    });

    afterEach(() => {
      for (const group of groups()) rmdirSync(group);
    });

    for (const one of KILLS)
      if (LONG || one.usual === true) it(`${one.victim}, when ${one.step.name}`, () => survives(site, engine(), one));
  },
);
