import {expect} from 'chai';
import {
  colonPath,
  csvField,
  fstabField,
  lxcValue,
  propertyWord,
  shellLines,
  shellWord,
  shellWords,
  xmlComment,
  xmlHolds,
  xmlPart,
  xmlText,
} from '../../../src/equivalent/quote.js';

describe('texts as formats read them', () => {
  it('a word for a shell is plain, in single quotes, or on one line with escapes', () => {
    const words: [text: string, written: string][] = [
      ['/usr/bin/env', '/usr/bin/env'],
      ['--size=1', '--size=1'],
      ['', "''"],
      ['a b', "'a b'"],
      ['$HOME `x` "q"', `'$HOME \`x\` "q"'`],
      ["it's", "'it'\\''s'"],
      ['=cmd', "'=cmd'"],
      ['~', "'~'"],
      ['#no', "'#no'"],
      ['é', "'é'"],
      ['a\nb', "$'a\\nb'"],
      ["tab\t'\\", "$'tab\\t\\'\\\\'"],
      ['\u0001\u007f', "$'\\x01\\x7f'"],
      ['a\u009bb', "$'a\\xc2\\x9bb'"],
      ['\u202e\u2028', "$'\\xe2\\x80\\xae\\xe2\\x80\\xa8'"],
      ['\ud800', "$'\\xef\\xbf\\xbd'"],
    ];
    for (const [text, written] of words) expect(shellWord(text), JSON.stringify(text)).to.equal(written);
    expect(shellWords(['a', 'b c'])).to.equal("a 'b c'");
    expect(
      shellLines([
        ['a', 'b'],
        ['--c', 'd e'],
      ]),
    ).to.equal("a b \\\n  --c 'd e'");
  });

  it('XML has references for what it reads otherwise, and no control characters', () => {
    expect(xmlText('<a href="b">&\'\n\t\r')).to.equal('&#60;a href=&#34;b&#34;&#62;&#38;&#39;&#10;&#9;&#13;');
    expect(xmlText('\u009b\u202e\u2029\u{e0001}\u007f')).to.equal('&#155;&#8238;&#8233;&#917505;&#127;');
    expect([xmlHolds('é\n\t😀'), xmlHolds('\u0001'), xmlHolds('\ufffe'), xmlHolds('\ud800')]).to.deep.equal([true, false, false, false]);
    expect(xmlPart('a\u0001b😀')).to.equal('ab😀');
    for (const text of ['--', 'a---b', 'ends-', '->', '-->']) expect(xmlComment(text), text).to.not.match(/--|-$/);
  });

  it('separators of a format stay in the text', () => {
    expect(csvField('source=/a,"b"')).to.equal('"source=/a,""b"""');
    expect(csvField('source=/a:b')).to.equal('source=/a:b');
    expect(colonPath('/a:b\\c')).to.equal('/a\\:b\\\\c');
    expect(propertyWord('/a b:c"d\\')).to.equal('"/a b:c\\"d\\\\"');
    expect(propertyWord('/a')).to.equal('/a');
    expect(fstabField('/a b\\c\td\n#')).to.equal('/a\\040b\\134c\\011d\\012#');
    for (const path of ['#a/b', '/a\rb', '/a\u009bb', '/a\u200bb', '/a\u2028b']) expect(fstabField(path), path).to.equal(null);
  });

  it('a value of LXC is one line, and keeps the spaces at its ends', () => {
    expect(lxcValue('A=b c')).to.equal('A=b c');
    expect(lxcValue('A=b ')).to.equal('"A=b "');
    expect(lxcValue('A=b\nlxc.hook.start = /evil')).to.equal(null);
    for (const text of ['a\rb', 'a\u001bb', 'a\u009bb', 'a\u202eb', 'a\u2028b']) expect(lxcValue(text), text).to.equal(null);
    expect(lxcValue('A=b\tc')).to.equal('A=b\tc');
  });
});
