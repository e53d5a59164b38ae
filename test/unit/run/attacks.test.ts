import {expect} from 'chai';
import {ENGINES} from '../../../src/plugins.js';
import {triedFor} from '../../../src/run/try-attacks.js';
import {BUBBLEWRAP, CRUN, facts, policy, RUNC, type Parts} from '../plan/build.js';

const tried = (
  pattern: 'ulimit++' | 'vm-lite',
  document: NonNullable<Parts['policy']> = {},
  engines = [BUBBLEWRAP, CRUN, RUNC],
): string[] =>
  triedFor(pattern, {facts: facts({engines}), policy: policy(document), engines: ENGINES}).map(
    ({engine, path, how}) => `${engine.name} ${path ?? how}`,
  );

describe('engines that doctor attacks', () => {
  it('are all that a job can have here, by the default order, the policy or a rule', () => {
    expect(tried('ulimit++')).to.deep.equal(['bubblewrap /usr/bin/bwrap']);
    expect(tried('ulimit++', {engines: ['crun', 'bubblewrap']})).to.deep.equal(['crun /usr/bin/crun', 'bubblewrap /usr/bin/bwrap']);
    const rules = [{name: 'theirs', match: {vo: ['a']}, engines: ['bubblewrap', 'crun']}];
    expect(tried('ulimit++', {rules})).to.deep.equal(['bubblewrap /usr/bin/bwrap', 'crun /usr/bin/crun']);
    expect(tried('vm-lite')).to.deep.equal(['crun /usr/bin/crun', 'runc /usr/bin/runc']);
  });

  it('are not those that this node cannot use; where there is none, the first says why', () => {
    const old = {...CRUN, version: '1.8'};
    expect(tried('ulimit++', {engines: ['crun', 'bubblewrap']}, [BUBBLEWRAP, old])).to.deep.equal(['bubblewrap /usr/bin/bwrap']);
    expect(tried('ulimit++', {engines: ['crun']}, [old])).to.deep.equal(['crun crun 1.8 is too old, 1.16 is the least']);
    expect(tried('vm-lite', {engines: ['bubblewrap']})).to.deep.equal([]);
  });
});
