import {expect} from 'chai';
import {withoutControls} from '../../../src/commands/shared/plain-bytes.js';

const clean = (...pieces: Buffer[]): string => {
  const pass = withoutControls();
  return Buffer.concat(pieces.map(pass)).toString('latin1');
};

describe('output of another account on root’s terminal', () => {
  it('steers nothing, and is as long as it was', () => {
    expect(clean(Buffer.from('a\tb\n\u001B]0;x\u0007\u007F\r'))).to.equal('a\tb\n?]0;x???');
  });

  it('keeps its letters, and no control of two bytes, also where a piece ends between them', () => {
    expect(clean(Buffer.from('é\u00A0'))).to.equal(Buffer.from('é\u00A0').toString('latin1'));
    expect(clean(Buffer.from([0xc2, 0x9b]))).to.equal('\u00C2?');
    expect(clean(Buffer.from([0x61, 0xc2]), Buffer.from([0x9b, 0x62]))).to.equal('a\u00C2?b');
  });

  it('is not changed in the place that it came from', () => {
    const bytes = Buffer.from('\u001B');
    clean(bytes);
    expect(bytes[0]).to.equal(0x1b);
  });
});
