import {readFileSync, readdirSync} from 'node:fs';
import {expect} from 'chai';
import type {TareErrors} from '../../../src/errors.js';
import {parseDocument} from '../../../src/job/document.js';
import {BUILTIN} from '../../../src/policy/builtin.js';
import {policyFromDocuments} from '../../../src/policy/load.js';
import {mergePolicies, type PolicyPart} from '../../../src/policy/merge.js';
import type {Policy} from '../../../src/policy/policy.js';

const root = new URL('../../../', import.meta.url);
async function part(file: string, text: string): Promise<PolicyPart> {
  return {file, document: await parseDocument({text, file, kind: 'policy'})};
}
async function policyOf(...texts: string[]): Promise<Policy> {
  return policyFromDocuments(await Promise.all(texts.map((text, index) => part(`${index}.yaml`, `schema: tare/policy/v1\n${text}`))));
}
const from = (source: string, at: string, value: unknown): object => ({value, provenance: {source, at}});

describe('example policies', () => {
  for (const folder of ['fixtures/policies/good/', 'configs/policies/']) {
    const files = readdirSync(new URL(folder, root)).filter((file) => /\.(yaml|json)$/.test(file));
    it(`${folder} is not empty`, () => expect(files.length).to.be.at.least(3));
    for (const file of files) {
      it(`${folder}${file} holds together, alone and over a site's policy`, async () => {
        const one = await part(file, readFileSync(new URL(folder + file, root), 'utf8'));
        const site = await part('small-site.yaml', readFileSync(new URL('fixtures/policies/good/small-site.yaml', root), 'utf8'));
        expect(policyFromDocuments([one]).files).to.deep.equal([file]);
        expect(policyFromDocuments([site, one]).maxima.cores).to.not.equal(undefined);
      });
    }
  }
});

describe('policyFromDocuments', () => {
  it('no file, and a file that says nothing, are the built-in policy', async () => {
    expect(policyFromDocuments([])).to.deep.equal(BUILTIN);
    expect(await policyOf('')).to.deep.equal({...BUILTIN, files: ['0.yaml']});
  });

  it('swap has a built-in default; which others there are is compared with the schema in full.test.ts', () => {
    expect(BUILTIN.defaults).to.deep.equal({swap: from('builtin', 'builtin', 0)});
  });

  it('every key', async () => {
    const policy = await part('k.yaml', readFileSync(new URL('fixtures/policies/good/required-kernel.yaml', root), 'utf8')).then((one) =>
      policyFromDocuments([one]),
    );
    const at = (pointer: string, value: unknown): object => from('policy', `k.yaml#${pointer}`, value);
    expect(policy.box).to.deep.equal(at('/box', 'required'));
    expect(policy.enforcement).to.deep.equal({
      cores: at('/enforcement/cores', 'kernel'),
      memory: at('/enforcement/memory', 'kernel'),
      processes: at('/enforcement/processes', 'kernel'),
      wallTime: BUILTIN.enforcement.wallTime,
      cpuTime: BUILTIN.enforcement.cpuTime,
      scratch: BUILTIN.enforcement.scratch,
    });
    expect(policy.reserveBytes).to.deep.equal(at('/reserve/memory', 128 * 2 ** 20));
    expect(policy.maxima).to.deep.equal({
      memory: from('policy.maxima', 'k.yaml#/maxima/memory', 2 ** 36),
      pinCores: from('policy.maxima', 'k.yaml#/maxima/pinCores', 1),
    });
    expect(policy.graceUs).to.deep.equal(at('/grace', 0));
    expect([policy.network, policy.devices, policy.credentials]).to.deep.equal([
      at('/network', ['none', 'host']),
      at('/devices', []),
      at('/credentials', ['X509_USER_PROXY']),
    ]);
    expect(policy.identity).to.deep.equal({
      ...BUILTIN.identity,
      user: at('/identity/user', 'griduser'),
      allowRoot: at('/identity/allowRoot', false),
    });
    expect(policy.directories).to.deep.equal({
      state: at('/directories/state', '/var/lib/tare'),
      spools: at('/directories/spool', ['/var/spool/tare']),
      scratch: at('/directories/scratch', '/scratch/tare-%u'),
      exporters: null,
      sealed: null,
      node: null,
      log: at('/directories/log', '/var/log/tare/tare.log'),
    });
    expect(policy.killSwitch).to.deep.equal(at('/killSwitch', '/run/tare.off'));
  });

  it('a later file lies over an earlier one key by key, and each value keeps its file', async () => {
    const policy = await policyOf(
      'site: {name: A, infrastructure: EGI}\nmaxima: {memory: 8GiB, cores: 4}\ndevices: [/dev/fuse, /dev/kfd]\nlog: {level: info}\nenforcement: {memory: kernel}',
      'site: {name: B}\nmaxima: {memory: 4GiB}\ndevices: []\nlog: {format: json}\nenforcement: {cores: watched}\nwritable: [/data]\ndebug: {pauseAt: [enter-joined]}',
    );
    expect(policy.site).to.deep.equal({name: 'B', infrastructure: 'EGI', description: null});
    expect(policy.maxima).to.deep.equal({
      memory: from('policy.maxima', '1.yaml#/maxima/memory', 2 ** 32),
      cores: from('policy.maxima', '0.yaml#/maxima/cores', 4),
    });
    expect(policy.devices).to.deep.equal(from('policy', '1.yaml#/devices', []));
    expect(policy.writable).to.deep.equal(from('policy', '1.yaml#/writable', ['/data']));
    expect(policy.log).to.deep.equal({level: 'info', format: 'json'});
    expect([policy.enforcement.memory, policy.enforcement.cores]).to.deep.equal([
      from('policy', '0.yaml#/enforcement/memory', 'kernel'),
      from('policy', '1.yaml#/enforcement/cores', 'watched'),
    ]);
    expect([policy.pauseAt, policy.files]).to.deep.equal([['enter-joined'], ['0.yaml', '1.yaml']]);
  });

  it('rules are appended, and known by their place in their own file', async () => {
    const policy = await policyOf(
      'rules: [{name: a, match: {vo: [a]}, refuse: no}]',
      'box: required',
      'rules: [{match: {vo: [b]}, grace: 5s, defaults: {cores: 2}}, {match: {vo: [c], pattern: [vm-lite]}, enforcement: {cpuTime: none}}]',
    );
    expect(policy.rules).to.deep.equal([
      {
        name: 'a',
        at: '0.yaml#/rules/0',
        match: {vo: ['a'], user: null, queue: null, pattern: null},
        refuse: from('policy', '0.yaml#/rules/0/refuse', 'no'),
        set: {},
      },
      {
        name: 'rule 2',
        at: '2.yaml#/rules/0',
        match: {vo: ['b'], user: null, queue: null, pattern: null},
        refuse: null,
        set: {
          graceUs: from('policy', '2.yaml#/rules/0/grace', 5e6),
          defaults: {cores: from('policy.defaults', '2.yaml#/rules/0/defaults/cores', 2)},
        },
      },
      {
        name: 'rule 3',
        at: '2.yaml#/rules/1',
        match: {vo: ['c'], user: null, queue: null, pattern: ['vm-lite']},
        refuse: null,
        set: {enforcement: {cpuTime: from('policy', '2.yaml#/rules/1/enforcement/cpuTime', 'none')}},
      },
    ]);
  });

  it('the mode is one value, replaced as a whole', async () => {
    const modes = ['mode: observe', 'mode: {observe: {share: 0.1}}', 'mode: {observe: {slots: [a]}}', 'mode: enforce'];
    const last = async (count: number): Promise<unknown> => (await policyOf(...modes.slice(0, count))).mode;
    expect(await last(1)).to.deep.equal(from('policy', '0.yaml#/mode', 'observe'));
    expect(await last(2)).to.deep.equal(from('policy', '1.yaml#/mode', {observe: {share: 0.1, slots: []}}));
    expect(await last(3)).to.deep.equal(from('policy', '2.yaml#/mode', {observe: {share: null, slots: ['a']}}));
    expect(await last(4)).to.deep.equal(from('policy', '3.yaml#/mode', 'enforce'));
  });

  it('merging changes none of its documents', async () => {
    const parts = [
      await part('a', 'schema: tare/policy/v1\nmaxima: {cores: 1}\nrules: [{match: {}}]'),
      await part('b', 'schema: tare/policy/v1\nmaxima: {cores: 2}\nrules: [{match: {vo: [x]}}]'),
    ];
    const before = structuredClone(parts);
    const {locate} = mergePolicies(parts);
    expect(parts).to.deep.equal(before);
    expect([locate('/maxima/cores'), locate('/rules/1/match/vo/0'), locate('/nothing'), locate('')]).to.deep.equal([
      'b#/maxima/cores',
      'b#/rules/0/match/vo/0',
      'builtin',
      'builtin',
    ]);
  });
});

describe('logs', () => {
  it('are kept as the policy has it', async () => {
    expect((await policyOf('logs: {keep: failed, maxSize: 4MiB, totalSize: 1GiB, keepFor: 2d}')).logs).to.deep.equal({
      keep: 'failed',
      maxBytes: 4 * 2 ** 20,
      totalBytes: 2 ** 30,
      forUs: 2 * 86_400e6,
    });
    expect((await policyOf('logs: {keep: all}')).logs).to.deep.equal({...BUILTIN.logs, keep: 'all'});
    expect(await policyOf('logs: {keep: some}').then(() => '', String)).to.match(/none, failed, all/);
    expect(await policyOf('logs: {maxSize: soon}').then(() => '', String)).to.match(/#\/logs\/maxSize: not a size/);
  });
});

describe('contradictions', () => {
  it('between two files, each named', async () => {
    const thrown = await policyOf('defaults: {wallTime: 2d, memory: 4GiB}', 'maxima: {wallTime: 1d, memory: 2GiB}').then(
      () => null,
      (error: unknown) => error,
    );
    expect((thrown as TareErrors).errors.map(({message}) => message)).to.deep.equal([
      '0.yaml#/defaults/memory: the default of memory is above its maximum; found: 4 GiB; allowed: at most 2 GiB (1.yaml#/maxima/memory)',
      '0.yaml#/defaults/wallTime: the default of wallTime is above its maximum; found: 2d; allowed: at most 1d (1.yaml#/maxima/wallTime)',
    ]);
  });

  const refused: [string, RegExp][] = [
    ['rules: [{match: {vo: [a]}, patterns: []}]', /no pattern is left for a job to use, for jobs of the rule "rule 1"/],
    ['rules: [{match: {}, box: required}, {match: {}, box: optional}]', /"rule 2" can never count.*"rule 1"/],
    [
      'rules: [{match: {pattern: [ulimit++, quotas++, vm-lite]}, box: required}, {match: {user: [a]}, box: optional}]',
      /"rule 2" can never count/,
    ],
    ['rules: [{match: {vo: [x, "a*s"]}, box: required}, {match: {vo: ["at*las", x]}, box: optional}]', /"rule 2" can never count/],
    ['identity: {user: "0"}', /run as root/],
    [
      'enforcement: {wallTime: kernel}',
      /#\/enforcement\/wallTime: no kernel has a limit on wall time: .*; found: kernel; allowed: watched, none/,
    ],
    [
      'rules: [{match: {vo: [a]}, enforcement: {cpuTime: kernel}}]',
      /#\/rules\/0\/enforcement\/cpuTime: no kernel has a limit on the CPU time of a process tree: .*, for jobs of the rule "rule 1"/,
    ],
    ['logs: {maxSize: 2GiB}', /^.*logs: more is kept of one job than of all jobs together; found: maxSize 2 GiB, totalSize 256 MiB; /],
  ];
  for (const [text, message] of refused) it(text, async () => expect(await policyOf(text).then(() => '', String)).to.match(message));

  const sound = [
    'defaults: {memory: 2GiB}\nmaxima: {memory: 2GiB}',
    'defaults: {pinCores: true}\nmaxima: {pinCores: false}',
    'maxima: {memory: 32MiB}',
    'enforcement: {wallTime: watched, cpuTime: none}',
    'reserve: {memory: 1GiB}\nmaxima: {memory: 1GiB}',
    'identity: {user: root, allowRoot: true}',
    'logs: {maxSize: 1GiB, totalSize: 1GiB}',
    'rules: [{match: {vo: ["*"]}}, {match: {}}]',
    'rules: [{match: {vo: [a]}}, {match: {vo: [a, b]}}]',
    'rules: [{match: {vo: [a], user: [b]}}, {match: {vo: [a]}}]',
    'rules: [{match: {vo: ["a*"]}}, {match: {vo: ["*a"]}}]',
    'rules: [{match: {pattern: [ulimit++, quotas++]}}, {match: {user: [a]}}]',
    'patterns: [ulimit++]\nrules: [{match: {pattern: [vm-lite]}, patterns: [vm-lite]}]',
    'defaults: {cores: 4}\nrules: [{match: {queue: [short]}, maxima: {cores: 2}}]',
    'patterns: [ulimit++]\nrules: [{match: {pattern: [vm-lite]}, refuse: not here}]',
    'defaults: {memory: 1GiB}\nmaxima: {memory: 2GiB}\nrules: [{match: {vo: [a]}, defaults: {memory: 4GiB}, maxima: {memory: 4GiB}}]',
  ];
  for (const text of sound)
    it(`sound: ${text.replaceAll('\n', '; ')}`, async () => expect(await policyOf(text).then(() => 'sound', String)).to.equal('sound'));
});
