import {expect} from 'chai';
import {parseCpuList} from '../../../src/host/cpu.js';
import {atLeast, parseRelease} from '../../../src/host/kernel.js';
import {mountOf, parseMountinfo} from '../../../src/host/mountinfo.js';

describe('mountinfo', () => {
  it('is parsed with optional fields, octal escapes and without sense', () => {
    const text =
      '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root\\134x rw,errors=continue\nrubbish\n37 35 0:3 / /a rw - proc proc rw\n';
    const [first, second] = parseMountinfo(text);
    expect(first).to.deep.include({
      id: 36,
      parent: 35,
      root: '/mnt1',
      point: '/mnt 2',
      type: 'ext3',
      source: '/dev/root\\x',
      options: ['rw', 'noatime'],
    });
    expect(second?.type).to.equal('proc');
    expect(parseMountinfo('')).to.deep.equal([]);
  });

  it('tells which mount a path is on', () => {
    const mounts = parseMountinfo(
      '1 0 8:1 / / rw - xfs a rw\n2 1 8:2 / /data rw - ext4 b rw\n3 1 8:3 / /data rw - nfs c rw\n4 1 8:4 / /database rw - btrfs d rw\n',
    );
    expect(mountOf(mounts, '/data/x')?.type).to.equal('nfs');
    expect(mountOf(mounts, '/database')?.type).to.equal('btrfs');
    expect(mountOf(mounts, '/dat')?.type).to.equal('xfs');
    expect(mountOf([], '/dat')).to.equal(null);
  });
});

describe('small formats', () => {
  it('CPU lists', () => {
    expect(parseCpuList('0-2,5,7-8\n')).to.deep.equal([0, 1, 2, 5, 7, 8]);
    expect(parseCpuList('\n')).to.deep.equal([]);
    expect(parseCpuList('x,3')).to.deep.equal([3]);
  });

  it('kernel releases', () => {
    expect(parseRelease('5.14.0-570.el9.x86_64')).to.deep.equal([5, 14]);
    expect(parseRelease('6.18-rc1')).to.deep.equal([6, 18]);
    expect(parseRelease('')).to.deep.equal([0, 0]);
    expect(atLeast([5, 14], [5, 14])).to.equal(true);
    expect(atLeast([5, 4], [5, 14])).to.equal(false);
    expect(atLeast([6, 0], [5, 14])).to.equal(true);
  });
});
