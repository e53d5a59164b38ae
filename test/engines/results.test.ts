/** The results in the repository are of the checks that there are, and are merged without losing what was not tried. */

import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {ENGINES} from '../../src/plugins.js';
import {checksOf} from './conform.js';
import {ALL} from './checks/index.js';
import {mergeResults, readResults} from './results.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

describe('results of the conformance suite', () => {
  it('each check has a name of its own', () => {
    const names = ALL.map(({name}) => name);
    expect(names).to.deep.equal([...new Set(names)]);
  });

  for (const pattern of ['ulimit++', 'quotas++', 'vm-lite'] as const)
    it(`${pattern}: every engine that was tried was tried with every check, and none with another`, () => {
      const checks = checksOf(pattern).map(({name}) => name);
      for (const [engine, roles] of Object.entries(readResults(ROOT, pattern)))
        for (const [role, {checks: found}] of Object.entries(roles)) expect(Object.keys(found), `${engine}, ${role}`).to.deep.equal(checks);
    });

  it('what an engine does not claim is the name of a check', () => {
    const named = ENGINES.flatMap(({words: {unclaimed = {}}}) => Object.keys(unclaimed));
    expect(named.filter((name) => !ALL.some((check) => check.name === name))).to.deep.equal([]);
  });

  it('what was not tried now stays; what there is no more goes', () => {
    const tried = (checks: Record<string, string>) => ({version: '1', node: 'n', checks});
    const before = {a: {root: tried({one: 'failed', two: 'passed', old: 'passed'})}, gone: {root: tried({one: 'passed'})}};
    const now = {a: {root: {...tried({one: 'passed'}), version: '2'}, account: tried({one: 'failed'})}};
    expect(mergeResults(before, now, {engines: ['a'], checks: ['one', 'two']})).to.deep.equal({
      a: {root: {...tried({one: 'passed', two: 'passed'}), version: '2'}, account: tried({one: 'failed'})},
    });
  });
});
