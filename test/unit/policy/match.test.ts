import {expect} from 'chai';
import {parseDocument} from '../../../src/job/document.js';
import {jobFromDocument} from '../../../src/job/load.js';
import {liesIn, matchesGlob, matchesPathGlob} from '../../../src/policy/glob.js';
import {policyFromDocuments} from '../../../src/policy/load.js';
import {applyRules, covers, type Subject} from '../../../src/policy/match.js';
import type {Policy, Rule} from '../../../src/policy/policy.js';
import {refusals} from '../../../src/policy/refusals.js';

async function policyOf(text: string): Promise<Policy> {
  return policyFromDocuments([
    {file: 'p', document: await parseDocument({text: `schema: tare/policy/v1\n${text}`, file: 'p', kind: 'policy'})},
  ]);
}
const subject = (given: Partial<Subject> = {}): Subject => ({vo: null, user: 'u', queue: null, pattern: 'ulimit++', ...given});

describe('globs', () => {
  const rows: [string, string, boolean][] = [
    ['a', 'a', true],
    ['a', 'ab', false],
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything/at all', true],
    ['a*', 'a', true],
    ['*a', 'ba', true],
    ['*a', 'ab', false],
    ['a*b', 'ab', true],
    ['a*b', 'axxb', true],
    ['a*b', 'a', false],
    ['ab*ba', 'aba', false],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['*bb*bb*', 'bbb', false],
    ['*bb*bb*', 'bbbb', true],
    ['a*b*b', 'ab', false],
    ['**', 'x', true],
    ['slot*@wn-*', 'slot1_2@wn-07.example.org', true],
    ['A', 'a', false],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
    ['a?', 'ab', false],
  ];
  for (const [pattern, text, expected] of rows)
    it(`${pattern} ${expected ? 'fits' : 'does not fit'} "${text}"`, () => expect(matchesGlob(pattern, text)).to.equal(expected));

  it('agrees with a regular expression on every short text', () => {
    const words = (letters: string, length: number): string[] =>
      length === 0 ? [''] : ['', ...words(letters, length - 1).flatMap((word) => Array.from(letters).map((letter) => letter + word))];
    let fitting = 0;
    for (const pattern of new Set(words('ab*', 4))) {
      const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
      for (const text of new Set(words('ab', 5))) {
        expect(matchesGlob(pattern, text), `${pattern} on ${text}`).to.equal(expression.test(text));
        if (expression.test(text)) fitting++;
      }
    }
    expect(fitting).to.be.above(500);
  });

  it('has no bad case', () => {
    const began = performance.now();
    expect(matchesGlob('a*'.repeat(2000) + 'b', 'a'.repeat(100_000))).to.equal(false);
    expect(performance.now() - began).to.be.below(500);
  });

  const paths: [string, string, boolean][] = [
    ['/dev/nvidia*', '/dev/nvidia0', true],
    ['/dev/nvidia*', '/dev/nvidia-caps/nvidia-cap1', false],
    ['/dev/dri/*', '/dev/dri/card0', true],
    ['/dev/dri/*', '/dev/dri', false],
    ['/dev/*/x', '/dev/a/x', true],
    ['/dev/*/x', '/dev/a/b/x', false],
    ['/dev/fuse', '/dev/fuse', true],
    ['/dev/*', '/dev/../etc', false],
  ];
  for (const [pattern, path, expected] of paths)
    it(`${pattern} ${expected ? 'fits' : 'does not fit'} ${path}`, () => expect(matchesPathGlob(pattern, path)).to.equal(expected));

  const inside: [string, string, boolean][] = [
    ['/a', '/a', true],
    ['/a/b', '/a', true],
    ['/ab', '/a', false],
    ['/a/b', '/a/', true],
    ['/a', '/a/', true],
    ['/', '/a', false],
    ['/x', '/', true],
  ];
  for (const [directory, outer, expected] of inside)
    it(`${directory} ${expected ? 'lies' : 'does not lie'} in ${outer}`, () => expect(liesIn(directory, outer)).to.equal(expected));
});

describe('applyRules', () => {
  const text = `
maxima: {memory: 2GiB, cores: 4}
network: [host, none]
rules:
  - {name: guests, match: {user: [guest*]}, refuse: no guests}
  - {name: production, match: {vo: [atlas, cms], queue: ["prod*"]}, maxima: {memory: 8GiB}, mode: observe, network: [none], enforcement: {memory: kernel}}
  - {name: vms, match: {pattern: [vm-lite]}, grace: 1m, box: required, devices: [], writable: [/vm], patterns: [vm-lite]}
  - {name: any vo, match: {vo: ["*"]}, maxima: {cores: 1}}`;

  const rows: [Partial<Subject>, string | null][] = [
    [{}, null],
    [{user: 'guest7'}, 'guests'],
    [{user: 'guest7', vo: 'atlas', queue: 'prod'}, 'guests'],
    [{vo: 'atlas', queue: 'prod-long'}, 'production'],
    [{vo: 'cms', queue: 'prod'}, 'production'],
    [{vo: 'cms', queue: 'analysis'}, 'any vo'],
    [{queue: 'prod'}, null],
    [{vo: 'cms'}, 'any vo'],
    [{pattern: 'vm-lite'}, 'vms'],
    [{pattern: 'vm-lite', vo: 'x'}, 'vms'],
    [{user: null}, null],
    [{vo: ''}, 'any vo'],
  ];
  for (const [given, expected] of rows)
    it(`${JSON.stringify(given)}: ${expected}`, async () =>
      expect(applyRules(await policyOf(text), subject(given)).rule).to.equal(expected));

  it('without a rule the policy is as it was', async () => {
    const policy = await policyOf(text);
    expect(applyRules(policy, subject())).to.deep.equal({policy, rule: null, refusal: null});
  });

  it('sets what the rule says and leaves the rest', async () => {
    const policy = await policyOf(text);
    const before = structuredClone(policy);
    const {policy: set, refusal} = applyRules(policy, subject({vo: 'atlas', queue: 'prod'}));
    expect(refusal).to.equal(null);
    const value = (given: unknown, at: string, source = 'policy'): object => ({value: given, provenance: {source, at: `p#/rules/1${at}`}});
    expect(set).to.deep.equal({
      ...policy,
      maxima: {cores: policy.maxima.cores, memory: value(2 ** 33, '/maxima/memory', 'policy.maxima')},
      mode: value('observe', '/mode'),
      network: value(['none'], '/network'),
      enforcement: {...policy.enforcement, memory: value('kernel', '/enforcement/memory')},
    });
    expect(policy).to.deep.equal(before);
  });

  it('gives the reason of a refusal, and where it is written', async () => {
    expect(applyRules(await policyOf(text), subject({user: 'guest'})).refusal).to.deep.equal({
      value: 'no guests',
      provenance: {source: 'policy', at: 'p#/rules/0/refuse'},
    });
  });

  it('a rule that covers another matches every job that the other does', async () => {
    const match = (given: Partial<Rule['match']>): Rule['match'] => ({vo: null, user: null, queue: null, pattern: null, ...given});
    const matches = [
      match({}),
      match({vo: ['*']}),
      match({vo: ['a*']}),
      match({vo: ['atlas', 'cms']}),
      match({vo: ['atlas']}),
      match({user: ['a*b']}),
      match({user: ['a*c*b']}),
      match({pattern: ['ulimit++']}),
      match({vo: ['atlas'], pattern: ['ulimit++', 'vm-lite']}),
    ];
    const policy = await policyOf('');
    const fits = (one: Rule['match'], job: Subject): boolean =>
      applyRules({...policy, rules: [{name: 'r', at: '', match: one, refuse: null, set: {}}]}, job).rule !== null;
    const jobs = [null, 'atlas', 'cms', 'x'].flatMap((vo) =>
      ['ab', 'acb', 'z'].flatMap((user) => (['ulimit++', 'vm-lite', 'quotas++'] as const).map((pattern) => subject({vo, user, pattern}))),
    );
    const pairs = matches
      .flatMap((first) => matches.map((second) => [first, second] as const))
      .filter(([first, second]) => covers(first, second));
    expect(pairs.length).to.be.above(matches.length);
    for (const [first, second] of pairs)
      for (const job of jobs) if (fits(second, job)) expect(fits(first, job), JSON.stringify([first, second, job])).to.equal(true);
  });
});

describe('refusals', () => {
  const check = async (job: string, policy: string, pattern: Subject['pattern'] = 'ulimit++'): Promise<string[]> => {
    const document = await parseDocument({text: `schema: tare/job/v1\ncommand: [run]\n${job}`, file: 'j', kind: 'job'});
    const asked = jobFromDocument(document, {file: 'j', callerDirectory: '/'});
    return refusals(asked, pattern, applyRules(await policyOf(policy), subject({vo: asked.vo, pattern}))).map(
      ({code, message}) => `${code} ${message}`,
    );
  };

  it('a job that asks for nothing special is not refused', async () => expect(await check('', '')).to.deep.equal([]));
  it('nor a job that asks for what is allowed', async () => {
    expect(
      await check(
        'network: none\ndevices: [/dev/nvidia0, /dev/dri/card0]\nwritable: [/data/x/y, /scratch]',
        'writable: [/data, /scratch/]',
      ),
    ).to.deep.equal([]);
  });
  it('all that is forbidden is said at once', async () => {
    expect(
      await check(
        'network: none\ndevices: [/dev/sda]\nwritable: [/database]\npattern: ulimit++',
        'network: [host]\npatterns: [quotas++, vm-lite]\nwritable: [/data]',
      ),
    ).to.deep.equal([
      'PATTERN_FORBIDDEN j#/pattern: the policy does not allow the pattern; found: ulimit++; allowed: quotas++ or vm-lite (p#/patterns)',
      'NETWORK_FORBIDDEN j#/network: the policy does not allow the network; found: none; allowed: host (p#/network)',
      'DEVICE_FORBIDDEN j#/devices/0: the policy does not allow the device; found: "/dev/sda"; allowed: /dev/fuse, /dev/nvidia*, /dev/dri/*, /dev/kfd (builtin)',
      'WRITABLE_FORBIDDEN j#/writable/0: the policy does not allow writing there; found: "/database"; allowed: /data (p#/writable)',
    ]);
  });
  it('where nothing is allowed, it says so', async () => {
    expect(await check('writable: [/x]', '')).to.deep.equal([
      'WRITABLE_FORBIDDEN j#/writable/0: the policy does not allow writing there; found: "/x"; allowed: none (builtin)',
    ]);
  });
  it('a rule refuses before anything else is looked at', async () => {
    expect(await check('vo: x\nnetwork: none', 'network: [host]\nrules: [{name: r, match: {vo: [x]}, refuse: not here}]')).to.deep.equal([
      'POLICY_REFUSED p#/rules/0/refuse: the rule "r" refuses the job: not here',
    ]);
  });
});
