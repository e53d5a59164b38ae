import {expect} from 'chai';
import {addressOf, hasChoice, proxiesIn, withDeadLast} from '../../../src/cvmfs/proxies.js';

describe('proxies of a client', () => {
  const [a, b, c] = ['http://a:3128', 'http://b:3128', 'http://c:3128'] as const;
  const order = (proxies: string, ...dead: string[]): string => withDeadLast(proxies, new Set(dead));

  it('what does not answer comes after the others of its group, and a whole group after all', () => {
    expect(order(`${a}|${b};DIRECT`)).to.equal(`${a}|${b};DIRECT`);
    expect(order(`${a}|${b}|${c};DIRECT`, b)).to.equal(`${a}|${c};${b};DIRECT`);
    expect(order(`${a}|${b};${c};DIRECT`, a, b)).to.equal(`${c};DIRECT;${a}|${b}`);
    expect(order(`${a};${b}`, a, b)).to.equal(`${a};${b}`);
    expect(order('auto;DIRECT')).to.equal('auto;DIRECT');
  });

  it('addresses of proxies and servers; DIRECT, auto and texts that are no address have none', () => {
    expect(addressOf(a)).to.deep.equal({host: 'a', port: 3128});
    expect(addressOf('squid.example.org:80')).to.deep.equal({host: 'squid.example.org', port: 80});
    expect(addressOf('http://[2001:db8::1]:3128/')).to.deep.equal({host: '2001:db8::1', port: 3128});
    expect(addressOf('https://server/cvmfs/x')).to.deep.equal({host: 'server', port: 443});
    for (const text of ['DIRECT', 'auto', '', 'http://', 'http://a:b']) expect(addressOf(text), text).to.equal(null);
    expect(proxiesIn(`${a}|${b};DIRECT;${a}`)).to.deep.equal([a, b]);
    expect([hasChoice(a), hasChoice(`${a};DIRECT`)]).to.deep.equal([false, true]);
  });
});
