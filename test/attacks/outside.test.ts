/** Attacks on the wrapper itself, by what comes with a job and by other accounts of the node: on a node of the tests' own, as root, whose wrapper it is mostly. */

import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {BUSYBOX, busyboxImage} from '../support/machine.js';
import {SUPERVISORS, type Supervisor} from '../support/name-service.js';
import {LONG, need} from '../support/need.js';
import {patience} from '../support/pace.js';
import {PrivateNode} from '../support/private-node.js';
import {isRoot, program} from '../support/tare.js';
import {attacksOf, isBuilt, partOf, verdictsOf, type Way} from './attack.js';
import {complaints} from './known.js';

const SECONDS = 120;
const ACCOUNTS = ['alice', 'bob', 'carol'];

const machines = (): boolean => existsSync(BUSYBOX) && (program('crun') !== null || program('runc') !== null);
/** What an attack's head may ask for, and why it is skipped elsewhere. `kernel`: what holds it there is the kernel, and there is nothing to try. */
const NEEDS: Record<string, {is: () => boolean; otherwise: string; kernel?: true}> = {
  terminals: {
    is: () => readFileSync('/proc/sys/dev/tty/legacy_tiocsti', 'utf8').startsWith('1'),
    otherwise: 'the kernel lets nobody type into a terminal (dev.tty.legacy_tiocsti)',
    kernel: true,
  },
  strace: {is: () => program('strace') !== null, otherwise: 'strace is not installed'},
  'small machines': {is: machines, otherwise: 'busybox-static, or crun and runc, are not installed'},
  bridges: {
    is: () => machines() && program('ip') !== null && program('nft') !== null,
    otherwise: 'busybox-static, crun, iproute2 or nftables is not installed',
  },
};

for (const supervisor of ['folder', 'checkout'] as const) {
  describe(`attacks from outside of a box, ${supervisor}`, function () {
    this.timeout(patience(SECONDS + 60) * 1000);
    let node: PrivateNode;
    before(async function () {
      need(this, isRoot, 'only root can make a node of its own');
      need(this, isBuilt(), 'test/attacks is not built: node scripts/build.mjs attacks');
      need(this, existsSync(join(SUPERVISORS[supervisor], 'tare')), `${SUPERVISORS[supervisor]} is not built`);
      need(this, program('python3') !== null && program('ip') !== null, 'python3 or iproute2 is not installed');
      node = await PrivateNode.start();
      for (const [index, name] of ACCOUNTS.entries()) await node.addAccount(name, 2001 + index);
    });
    after(async () => {
      // (before may have skipped)
      await (node as PrivateNode | undefined)?.stop();
    });

    for (const [index, attack] of attacksOf('outside').entries()) {
      // one supervisor for each in CI, both in turn
      if (!LONG && supervisor !== (['folder', 'checkout'] as Supervisor[])[index % 2]) continue;
      const wanted = attack.needs === undefined ? null : NEEDS[attack.needs];
      if (isRoot && wanted?.kernel === true && !wanted.is()) continue;
      it(`${attack.name}: ${attack.attack}`, async function () {
        need(this, wanted?.is() ?? true, wanted?.otherwise ?? '');
        const {text, status} = await node.sh(script(attack.file), {seconds: patience(SECONDS)});
        const way: Way = {role: 'root', pattern: 'ulimit++', supervisor};
        const verdicts = verdictsOf(text);
        if (status === null) verdicts.push({word: 'SURVIVED', what: 'it did not end'});
        expect(complaints(attack.name, way, verdicts), text).to.deep.equal([]);
      });
    }

    /** Each attack finds the node as it was: no policy, no state, empty directories of jobs. */
    function script(file: string): string {
      const clean = [
        'cd /',
        `rm -rf /etc/tare/* /var/lib/tare/* /var/tmp/tare-* /root/victim ${ACCOUNTS.map((name) => `/home/${name}/job`).join(' ')}`,
        ...ACCOUNTS.map((name) => `install -d -m 755 -o ${name} -g ${name} /home/${name} /home/${name}/job`),
        `[ ! -d '${image()}' ] || cp -a '${image()}' /home/image`,
      ];
      const variables = {
        T: join(SUPERVISORS[supervisor], 'tare'),
        W: join(SUPERVISORS[supervisor], 'tare-wrap'),
        BUILD: partOf('build/outside'),
        IMAGE: '/home/image',
      };
      const known = Object.entries(variables).map(([name, value]) => `${name}='${value}'`);
      return [`rm -rf /home/image`, ...clean, ...known, `. '${partOf('outside/prelude.bash')}'`, `. '${file}'`, ''].join('\n');
    }

    function image(): string {
      const place = join(node.directory, 'image');
      if (!existsSync(place) && existsSync(BUSYBOX)) busyboxImage(place);
      return place;
    }
  });
}
