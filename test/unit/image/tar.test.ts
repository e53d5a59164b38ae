/** Archives as a stream, cut into pieces of every length; what is no archive, or not a whole one. */
import {expect} from 'chai';
import {TarError, TarReader, type TarEntry} from '../../../src/image/tar.js';
import {tar, type Member} from '../../support/images.js';

function read(archive: Buffer, piece = archive.length): {entry: TarEntry; text: string; ended: boolean}[] {
  const found: {entry: TarEntry; text: string; ended: boolean}[] = [];
  const reader = new TarReader({
    entry: (entry) => {
      const one = {entry, text: '', ended: false};
      found.push(one);
      return (part) => {
        if (part === null) one.ended = true;
        else one.text += part.toString('latin1');
      };
    },
  });
  for (let at = 0; at < archive.length; at += piece) reader.feed(archive.subarray(at, at + piece));
  reader.end();
  return found;
}

/** With the header at `at` changed, and a checksum that is right again. */
function changed(archive: Buffer, at: number, change: (header: Buffer) => void): Buffer {
  const header = archive.subarray(at, at + 512);
  change(header);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return archive;
}

/** One record of pax, with its length. */
function record(text: string): string {
  const rest = ` ${text}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${String(length)}${rest}`;
}

const LONG = `${'directory/'.repeat(30)}ü`;
const MEMBERS: Member[] = [
  {path: 'd/', type: '5', mode: 0o1777},
  {path: 'd/f', content: 'x'.repeat(1000), mode: 0o4755},
  {path: 'empty'},
  {path: 'l', type: '2', target: '../x'},
  {path: LONG, content: 'long'},
  {path: 'far', type: '2', target: LONG},
  {path: 'h', type: '1', target: 'd/f'},
  {path: 'dev', type: '3'},
];

describe('a tar archive', () => {
  const whole = tar(MEMBERS);
  for (const piece of [1, 7, 511, 512, 513, 4096, whole.length])
    it(`in pieces of ${String(piece)} bytes`, () => {
      const found = read(whole, piece);
      expect(found.map(({entry: {path, kind}}) => `${kind} ${path}`)).to.deep.equal([
        'directory d/',
        'file d/f',
        'file empty',
        'symlink l',
        `file ${LONG}`,
        'symlink far',
        'hardlink h',
        'other dev',
      ]);
      expect(found.map(({text}) => text.length)).to.deep.equal([0, 1000, 0, 0, 4, 0, 0, 0]);
      expect(found.every(({ended}) => ended)).to.equal(true);
      expect([found[1]?.entry.mode, found[3]?.entry.target, found[5]?.entry.target]).to.deep.equal([0o4755, '../x', LONG]);
    });
  it('is refused without a valid time', () => {
    const pax = (mtime: string): Member => ({path: 'pax', type: 'x', content: record(`mtime=${mtime}`)});
    const timeOf = (mtime: string) => read(tar([pax(mtime), {path: 'f'}])).find(({entry}) => entry.path === 'f')?.entry.mtime;
    expect([timeOf('1700000000.25'), timeOf('-1.5')]).to.deep.equal([1_700_000_000.25, -1.5]);
    for (const wrong of ['1e300', 'Infinity', '', '0x10', '9'.repeat(400)])
      expect(() => timeOf(wrong)).to.throw(TarError, 'invalid time field');
  });
  it('says where contents lie', () => {
    const offset = read(whole)[1]?.entry.offset ?? 0;
    expect(whole.toString('latin1', offset, offset + 3)).to.equal('xxx');
  });
  it('names and targets of GNU tar', () => {
    const gnu = tar([
      {path: '././@LongLink', type: 'L', content: `${LONG}\0`},
      {path: 'short', content: 'x'},
    ]);
    expect(read(gnu).map(({entry}) => entry.path)).to.deep.equal([LONG]);
  });
  it('is over at its first block of zeros, whatever follows', () => {
    expect(read(Buffer.concat([whole, Buffer.from('what follows')]))).to.have.length(MEMBERS.length);
  });
  it('is over at its first block of zeros, also where entries follow', () => {
    expect(read(Buffer.concat([whole, tar([{path: 'hidden'}])]))).to.have.length(MEMBERS.length);
  });
  it('goes on after an empty header of pax, in pieces or not', () => {
    const files = ['a', 'b', 'c'].map((path) => ({path, content: 'x'.repeat(600)}));
    const archive = tar([{path: 'x', type: 'x'}, ...files]);
    for (const piece of [512, archive.length])
      expect(read(archive, piece).map(({entry: {path}, text}) => `${path} ${String(text.length)}`)).to.deep.equal([
        'a 600',
        'b 600',
        'c 600',
      ]);
  });
  it('takes nothing from a global header', () => {
    const global = changed(tar([{path: 'g', type: 'x', content: record('size=1') + record('path=other')}]), 0, (header) => {
      header.write('g', 156);
    });
    const follows = tar([
      {path: 'x', type: 'x', content: record('comment=none')},
      {path: 'a', content: 'x'.repeat(600)},
    ]);
    expect(read(Buffer.concat([global.subarray(0, 1024), follows])).map(({entry: {path, size}}) => [path, size])).to.deep.equal([
      ['a', 600],
    ]);
  });
  it('has links without content, whatever size they say', () => {
    const link = tar([
      {path: 'x', type: 'x', content: record('size=512')},
      {path: 'l', type: '2', target: 't'},
      {path: 'a', content: 'x'},
    ]);
    expect(read(link).map(({entry: {path, size}}) => [path, size])).to.deep.equal([
      ['l', 0],
      ['a', 1],
    ]);
  });
  it('has names with a newline', () => {
    expect(read(tar([{path: 'x', type: 'x', content: record('path=a\nb')}, {path: 'a'}])).map(({entry}) => entry.path)).to.deep.equal([
      'a\nb',
    ]);
  });
  const bad: [string, Buffer, RegExp][] = [
    ['nothing', Buffer.alloc(0), /empty/],
    ['no archive', Buffer.from('#!/bin/sh\n'.repeat(100)), /no tar archive|octal field/],
    ['cut off in a header', whole.subarray(0, 300), /in the middle/],
    ['cut off in a content', whole.subarray(0, 1300), /in the middle/],
    ['a wrong checksum', Buffer.concat([Buffer.from('X'), whole.subarray(1)]), /checksum/],
    ['a name of megabytes', tar([{path: 'x', type: 'L', content: 'x'.repeat(2 << 20)}]), /megabyte/],
    ['a header of pax that is none', tar([{path: 'x', type: 'x', content: '99999 path=x\n'}, {path: 'y'}]), /pax/],
    ['a header of pax whose lengths go nowhere', tar([{path: 'x', type: 'x', content: '0 path=x\n'}, {path: 'y'}]), /pax/],
    ['a time that no file can have', tar([{path: 'x', type: 'x', content: '15 mtime=1e300\n'}, {path: 'y'}]), /invalid time field/],
    ['a size that is no number', tar([{path: 'x', type: 'x', content: '11 size=-1\n'}, {path: 'y'}]), /no number/],
    ['a size that begins as a number', tar([{path: 'x', type: 'x', content: '11 size=9x\n'}, {path: 'y'}]), /no number/],
    ['a mode that begins as a number', changed(tar([{path: 'x'}]), 0, (header) => header.write('7z\0', 100, 'latin1')), /octal field/],
    ['a negative size', changed(tar([{path: 'x'}]), 0, (header) => header.fill(0xff, 124, 136)), /negative or too large/],
    ['a size of 88 bits', changed(tar([{path: 'x'}]), 0, (header) => header.fill(0x80, 124, 136)), /too large/],
    ['a size of 95 bits', changed(tar([{path: 'x'}]), 0, (header) => header.fill(0xbf, 124, 136)), /negative or too large/],
    [
      'a name with a negative size',
      changed(tar([{path: 'x', type: 'L'}]), 0, (header) => header.fill(0xff, 124, 136)),
      /negative or too large/,
    ],
  ];
  for (const [what, archive, message] of bad)
    it(`refused: ${what}`, () => {
      expect(() => read(archive)).to.throw(TarError, message);
    });
});
