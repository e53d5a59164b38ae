import {expect} from 'chai';
import {explainHeld, parseHeld} from '../../../src/supervise/held.js';
import {mostFiles} from '../../../src/supervise/scratch.js';
import {MIB} from '../plan/build.js';

const lines = (values: Readonly<Record<string, number | string>>): string =>
  [...Object.entries(values).map(([key, value]) => `${key}\t${String(value)}`), 'end', ''].join('\n');

describe('what is held without being mapped', () => {
  it('is added up; what is mapped besides is taken off, of the largest first', () => {
    const held = parseHeld(lines({tmpfs: 10 * MIB, memfd: 50 * MIB, pipes: 3 * MIB, mapped: 55 * MIB, cpu: 7}));
    expect(held?.ways).to.include({tmpfs: 5 * MIB, memfd: 0, sysv: 0, pipes: 3 * MIB});
    expect(held).to.include({bytes: 8 * MIB, cpuUs: 7});
  });

  it('never takes off sockets, pipes and page tables', () => {
    expect(parseHeld(lines({tables: 9 * MIB, sockets: MIB, mapped: 99 * MIB}))?.bytes).to.equal(10 * MIB);
  });

  it('is unknown when the answer has no end', () => {
    expect(parseHeld('tmpfs\t5\n')).to.equal(null);
    expect(parseHeld('')).to.equal(null);
  });

  it('is explained by its largest ways', () => {
    const held = parseHeld(lines({memfd: 10 * MIB, pipes: 20 * MIB, tables: 4096}));
    expect(held === null ? null : explainHeld(held)).to.equal('20 MiB in pipes, 10 MiB in memfds');
  });

  it('has each deleted file', () => {
    expect([...(parseHeld('deleted\t1/a/0\t4096\ndeleted\t1/b/0\t0\nend\n')?.deleted ?? [])]).to.deep.equal([
      ['1/a/0', 4096],
      ['1/b/0', 0],
    ]);
  });

  it('says what could not be looked at', () => {
    expect(parseHeld('unseen\tsysv\nunseen\tpipes\nend\n')?.unseen).to.deep.equal(['sysv', 'pipes']);
  });
});

describe('files that a limit on scratch allows', () => {
  for (const [bytes, files] of [
    [4096, 1000],
    [8 * MIB, 2048],
    [Infinity, Infinity],
  ] as const)
    it(`${String(bytes)} bytes: ${String(files)}`, () => {
      expect(mostFiles(bytes)).to.equal(files);
    });
});
