/** What the filter on system calls leaves to the programs that people debug with. */

import {expect} from 'chai';
import {need} from '../../support/need.js';
import {payload, program, ROLES, Site} from '../../support/tare.js';

const ROWS: readonly [name: string, script: string, prints: RegExp][] = [
  ['gdb', 'gdb -nx -batch -ex "break main" -ex run -ex bt --args PROBE 2>/dev/null', /^#0 .*main/m],
  ['strace', 'strace -f -e trace=execve -o trace sh -c "true; exit 7"; echo $?; cat trace', /^7\n.*execve\(/s],
  [
    'python3',
    'python3 -c "import threading, multiprocessing as m; t = threading.Thread(target=print, args=(1,)); t.start(); t.join(); print(m.get_context(\'spawn\').Pool(2).map(abs, [-2, -3]))"',
    /^1\n\[2, 3\]\n$/,
  ],
];

for (const role of ROLES) {
  describe(`debuggers in the box, ${role}`, () => {
    let site: Site;
    before(() => {
      site = new Site(role);
    });
    after(() => {
      site.remove();
    });
    afterEach(() => {
      expect(site.leftovers()).to.deep.equal([]);
    });

    for (const [name, script, prints] of ROWS)
      it(name, async function () {
        need(this, program(name) !== null, `${name} is not installed`);
        const {stdout, stderr} = await site.run(['--', '/bin/sh', '-c', script.replace('PROBE', payload('burn'))]);
        expect(stdout, stderr).to.match(prints);
      });
  });
}
