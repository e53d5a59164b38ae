import {expect} from 'chai';
import {holderOf} from '../../../src/host/taken-ids.js';
import {mapOf, mapText} from '../../../src/plan/machine-ids.js';

describe('ids of small machines', () => {
  const range = {start: 1_000_000, count: 1000};

  it('the range in its order, but for the account’s own', () => {
    expect(mapText(mapOf(range, []))).to.equal('0 1000000 1000\n');
    expect(mapText(mapOf(range, [500]))).to.equal('0 1000000 500\n500 500 1\n501 1000501 499\n');
    expect(mapText(mapOf(range, [999, 1, 1, 2]))).to.equal('0 1000000 1\n1 1 1\n2 2 1\n3 1000003 996\n999 999 1\n');
    expect(mapText(mapOf(range, [1000, 70_000]))).to.equal('0 1000000 1000\n1000 1000 1\n70000 70000 1\n');
  });

  it('each id inside and outside is in it once', () => {
    for (const own of [[1], [998, 999, 1000], [5, 7, 6, 123_456]]) {
      const inside = mapOf(range, own).flatMap(({inside: first, count}) => Array.from({length: count}, (_, index) => first + index));
      const outside = mapOf(range, own).flatMap(({outside: first, count}) => Array.from({length: count}, (_, index) => first + index));
      expect(new Set(inside).size).to.equal(inside.length);
      expect(new Set(outside).size).to.equal(outside.length);
      expect(inside.length).to.equal(1000 + own.filter((id) => id >= 1000).length);
    }
  });

  const holder = (files: Record<string, string>): string | null => holderOf(range, (path) => files[path] ?? '');

  it('the holder of such an id is named', () => {
    expect(holder({})).to.equal(null);
    expect(holder({'/etc/passwd': 'root:x:0:0::/:/bin/sh\nlow:x:999999:1::/:\nhigh:x:1001000:1::/:\n\n+::::::\n'})).to.equal(null);
    expect(holder({'/etc/passwd': 'carol:x:1000999:1::/:\n'})).to.equal('carol (1000999) in /etc/passwd');
    expect(holder({'/etc/group': 'many:x:1000000:\n'})).to.equal('many (1000000) in /etc/group');
    expect(holder({'/etc/subuid': 'alice:100000:65536\nbob:999000:1001\n'})).to.equal('bob (1001 from 999000) in /etc/subuid');
    expect(holder({'/etc/subgid': 'root:1000000:65536\nalice:999000:1000\n'})).to.equal(null);
  });
});
