/** Every wrong descriptor and policy of fixtures/bad.json, given to the real `tare run` as root and as a user: refused, explained, nothing made. */
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeSite} from '../support/describe-site.js';
import {ending, installed} from '../support/tare.js';

interface Row {
  job: string | null;
  policy: string | null;
  exit: number;
  code: string;
  /** null: the place is FILE:LINE:COLUMN. */
  pointer: string | null;
  says: string;
}

const AT_ONCE = 4;
const rows = JSON.parse(readFileSync(join(installed(), 'fixtures/bad.json'), 'utf8')) as Row[];

describeSite('wrong input, %s', {timeout: 180_000}, (site) => {
  it(`${String(rows.length)} wrong descriptors and policies are refused with place, found and allowed, and nothing is made`, async () => {
    const troubles: string[] = [];
    const queue = [...rows];
    const policy = site.policy();
    await Promise.all(
      Array.from({length: AT_ONCE}, async () => {
        for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
          const job = row.job === null ? ['--', '/bin/true'] : [join(installed(), row.job)];
          const flags = row.policy === null ? ['--policy', policy] : ['--policy', join(installed(), row.policy)];
          const {code, stdout, stderr} = await ending(site.start(['run', ...flags, ...job]));
          const name = `${row.job ?? ''} ${row.policy ?? ''}`;
          const file = row.pointer === null || row.code.endsWith('SYNTAX') ? null : `#${row.pointer}`;
          if (code !== row.exit) troubles.push(`${name}: exit ${String(code)}, not ${String(row.exit)}: ${stderr}`);
          if (stdout !== '') troubles.push(`${name}: wrote to standard output: ${stdout}`);
          if (!stderr.includes(row.says)) troubles.push(`${name}: does not say "${row.says}": ${stderr}`);
          if (file !== null && row.pointer !== '' && !stderr.includes(file)) troubles.push(`${name}: does not name ${file}: ${stderr}`);
          if (!/^(tare: .+\n)+$/.test(stderr)) troubles.push(`${name}: not one line for each mistake: ${stderr}`);
        }
      }),
    );
    expect(troubles).to.deep.equal([]);
    // those whose policy could be read left a record that says why
    const records = site.records();
    expect(records.length).to.equal(rows.filter((row) => row.policy === null).length);
    expect(records.every(({outcome, time}) => outcome.code !== null && time.startEpochUs === null)).to.equal(true);
  });
});
