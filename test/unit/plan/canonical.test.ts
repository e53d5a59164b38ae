import {expect} from 'chai';
import fc from 'fast-check';
import {canonicalJson} from '../../../src/plan/canonical.js';

/** The same value, with the keys of all its objects set in the opposite order. */
function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(reversed);
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe('canonical JSON', () => {
  it('has keys in code unit order, also those that look like numbers', () => {
    expect(canonicalJson({b: 1, a: {é: null, z: [2, undefined, 'x']}, gone: undefined})).to.equal(
      '{"a":{"z":[2,null,"x"],"é":null},"b":1}',
    );
    expect(canonicalJson({b: 1, 10: 2, 9: 3, '-': 4, '1e2': 5})).to.equal('{"-":4,"10":2,"1e2":5,"9":3,"b":1}');
    expect(canonicalJson({deep: [{2: 1, 10: 2}], a: 0})).to.equal('{"a":0,"deep":[{"10":2,"2":1}]}');
    expect(canonicalJson(JSON.parse('{"__proto__":{"x":1},"a":2}'))).to.equal('{"__proto__":{"x":1},"a":2}');
    expect([null, undefined, 'ü"', 1.5, true].map(canonicalJson)).to.deep.equal(['null', 'null', '"ü\\""', '1.5', 'true']);
  });

  it('is the same text for equal values, and the values can be read from it', () => {
    fc.assert(
      fc.property(fc.jsonValue({noUnicodeString: false}), (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(reversed(value))).to.equal(text);
        expect(JSON.parse(text)).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
