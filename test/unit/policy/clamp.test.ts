import {expect} from 'chai';
import type {LimitName, Valued} from '../../../src/job/job.js';
import {resolveLimit, type LimitSources} from '../../../src/policy/clamp.js';

const GIB = 2 ** 30;
const of =
  (source: Valued<number>['provenance']['source']) =>
  (value: number): Valued<number> => ({value, provenance: {source, at: source}});
const [job, flag, standard, maximum, slot, builtin] = [
  of('job'),
  of('flag'),
  of('policy.defaults'),
  of('policy.maxima'),
  of('slot'),
  of('builtin'),
];
const none: LimitSources = {asked: null, policyDefault: null, maximum: null, slot: null};

type Expected = [value: number | null, source: string, clamped: boolean, because: string];
const rows: [string, LimitName, Partial<LimitSources>, Expected][] = [
  ['nothing known', 'memory', {}, [null, 'builtin', false, 'the job asks for none, and neither the policy nor the slot has a limit']],
  ['the wish', 'memory', {asked: job(4 * GIB)}, [4 * GIB, 'job', false, 'asked for 4 GiB']],
  ['a flag', 'wallTime', {asked: flag(5400e6)}, [5400e6, 'flag', false, 'asked for 1h30m']],
  [
    'the wish before default and slot',
    'memory',
    {asked: job(GIB), policyDefault: standard(2 * GIB), maximum: maximum(8 * GIB), slot: slot(4 * GIB)},
    [GIB, 'job', false, 'asked for 1 GiB'],
  ],
  [
    'the default before the slot',
    'memory',
    {policyDefault: standard(2 * GIB), slot: slot(4 * GIB)},
    [2 * GIB, 'policy.defaults', false, "the job asks for none, the policy's default is 2 GiB"],
  ],
  ['the slot', 'cores', {slot: slot(8)}, [8, 'slot', false, 'the job asks for none, the slot has 8 cores']],
  [
    'only a maximum',
    'processes',
    {maximum: maximum(500)},
    [500, 'policy.maxima', false, "the job asks for none, the policy's maximum is 500"],
  ],
  [
    'the wish above the maximum',
    'memory',
    {asked: job(4 * GIB), maximum: maximum(2 * GIB)},
    [2 * GIB, 'policy.maxima', true, "asked for 4 GiB, the policy's maximum is 2 GiB"],
  ],
  ['the wish at the maximum', 'memory', {asked: job(2 * GIB), maximum: maximum(2 * GIB)}, [2 * GIB, 'job', false, 'asked for 2 GiB']],
  [
    'the wish above the slot',
    'cores',
    {asked: job(4), maximum: maximum(8), slot: slot(1)},
    [1, 'slot', true, 'asked for 4 cores, the slot has 1 core'],
  ],
  [
    'above both, the slot less',
    'memory',
    {asked: job(9 * GIB), maximum: maximum(8 * GIB), slot: slot(4 * GIB)},
    [4 * GIB, 'slot', true, 'asked for 9 GiB, the slot has 4 GiB'],
  ],
  [
    'above both, the maximum less',
    'memory',
    {asked: job(9 * GIB), maximum: maximum(4 * GIB), slot: slot(8 * GIB)},
    [4 * GIB, 'policy.maxima', true, "asked for 9 GiB, the policy's maximum is 4 GiB"],
  ],
  [
    'the default above the slot',
    'memory',
    {policyDefault: standard(4 * GIB), slot: slot(2 * GIB)},
    [2 * GIB, 'slot', false, "the job asks for none, the policy's default is 4 GiB, the slot has 2 GiB"],
  ],
  [
    'the slot above the maximum',
    'cores',
    {slot: slot(16), maximum: maximum(8)},
    [8, 'policy.maxima', false, "the job asks for none, the slot has 16 cores, the policy's maximum is 8 cores"],
  ],
  ['swap is none', 'swap', {}, [0, 'builtin', false, 'the job asks for none, the built-in default is 0 B']],
  [
    'swap by the built-in policy',
    'swap',
    {policyDefault: builtin(0), maximum: maximum(GIB)},
    [0, 'builtin', false, 'the job asks for none, the built-in default is 0 B'],
  ],
  [
    'swap clamped to nothing',
    'swap',
    {asked: job(GIB), maximum: maximum(0)},
    [0, 'policy.maxima', true, "asked for 1 GiB, the policy's maximum is 0 B"],
  ],
  ['no pinning', 'pinCores', {asked: job(0)}, [0, 'job', false, 'asked for no']],
  ['pinning stays though the maximum says no', 'pinCores', {asked: job(1), maximum: maximum(0)}, [1, 'job', false, 'asked for yes']],
  [
    'pinning forced on a wish',
    'pinCores',
    {asked: job(0), maximum: maximum(1)},
    [1, 'policy.maxima', true, "asked for no, the policy's maximum is yes"],
  ],
  [
    'pinning forced by the maximum',
    'pinCores',
    {maximum: maximum(1)},
    [1, 'policy.maxima', false, "the job asks for none, the policy's maximum is yes"],
  ],
  [
    'a nice value that is asked for',
    'nice',
    {asked: job(7), policyDefault: standard(3), maximum: maximum(9)},
    [7, 'job', false, 'asked for 7'],
  ],
  [
    'nicer than the maximum',
    'nice',
    {asked: job(12), policyDefault: standard(3), maximum: maximum(9)},
    [9, 'policy.maxima', true, "asked for 12, the policy's maximum is 9"],
  ],
  [
    'nice by default',
    'nice',
    {policyDefault: standard(3)},
    [3, 'policy.defaults', false, "the job asks for none, the policy's default is 3"],
  ],
  ['less nice than the default', 'nice', {asked: job(0), policyDefault: standard(3)}, [0, 'job', false, 'asked for 0']],
  [
    'a maximum alone sets no nice value',
    'nice',
    {maximum: maximum(9)},
    [null, 'builtin', false, 'the job asks for none, and the policy has no default'],
  ],
  ['pinning wished and forced', 'pinCores', {asked: flag(1), maximum: maximum(1)}, [1, 'flag', false, 'asked for yes']],
];

describe('resolveLimit', () => {
  for (const [name, limit, sources, [value, source, clamped, because]] of rows) {
    it(name, () => {
      expect(resolveLimit(limit, {...none, ...sources})).to.deep.equal({
        value,
        asked: sources.asked?.value ?? null,
        clamped,
        provenance: {source, at: source},
        because,
      });
    });
  }

  it('never gives more than the maximum or the slot, nor less than the least of all that is known', () => {
    const choices = [null, 0, 1, 2, 3];
    for (const a of choices)
      for (const d of choices)
        for (const m of choices)
          for (const s of choices) {
            const some = (make: (value: number) => Valued<number>, value: number | null): Valued<number> | null =>
              value === null ? null : make(value);
            const {value, clamped} = resolveLimit('cores', {
              asked: some(job, a),
              policyDefault: some(standard, d),
              maximum: some(maximum, m),
              slot: some(slot, s),
            });
            const wish = a ?? d ?? s;
            const known = [wish, m, s].filter((one) => one !== null);
            expect(value).to.equal(known.length === 0 ? null : Math.min(...known));
            expect(clamped).to.equal(a !== null && value !== a);
          }
  });
});
