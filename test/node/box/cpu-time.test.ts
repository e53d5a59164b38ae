/** CPU time in the record, against the truth that the payload's burners know. */
import {expect} from 'chai';
import {describeSite} from '../../support/describe-site.js';
import {hasGroups} from '../../support/groups.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {payload} from '../../support/tare.js';

const CASES: [string, string[]][] = [
  ['40 short children and 5 daemons', []],
  ['children of a parent that ignores SIGCHLD', ['--ignore-sigchld']],
  ['a nested PID namespace whose init dies first', ['--nested-pidns']],
];

describeSite('CPU time of a family, %s', {mayLeave: true}, (site, role) => {
  for (const [name, options] of CASES) {
    it(name, async function () {
      const argv = ['--', payload('family'), '--children', '40', '--daemons', '5', '--seconds', '0.08', ...options];
      const {record, code, stdout} = await site.run(argv, {policy: {seccomp: 'pilot'}});
      need(this, code !== 77, 'the kernel here does not let a box make a PID namespace');
      expect(code, stdout).to.equal(0);
      const truthUs = Number(/cpu_us=(\d+)/.exec(stdout)?.[1]);
      const {cpuUserUs, cpuSystemUs} = record.usage;
      const error = ((cpuUserUs ?? 0) + (cpuSystemUs ?? 0)) / truthUs - 1;
      if (hasGroups(role)) {
        // What starting a process costs before it measures itself is counted too: under emulation that is much.
        expect(error, record.usage.cpuSource ?? '').to.be.within(-0.02, patience(1) > 1 ? 0.5 : 0.02);
        expect(record.flags).to.not.include('partial');
      } else {
        expect(
          Math.abs(error) < 0.05 || record.flags.includes('partial'),
          `off by ${String(error)}, flags ${record.flags.join()}`,
        ).to.equal(true);
        expect(record.usage.cpuSource).to.be.oneOf(['rusage', 'sampled']);
      }
    });
  }
});
