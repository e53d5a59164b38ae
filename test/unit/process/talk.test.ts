import {expect} from 'chai';
import {encodeFrame, FrameReader} from '../../../src/process/channel.js';
import {parseHello, type Hello} from '../../../src/process/hello.js';
import {decodeShimToSupervisor, type RawFrame} from '../../../src/schema/generated/protocol.js';

const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
};
const raw = (body: string): Buffer => Buffer.concat([header(Buffer.byteLength(body)), Buffer.from(body)]);

describe('frames', () => {
  const frames: RawFrame[] = [
    {tag: 'G', strings: []},
    {tag: 'H', strings: ['']},
    {tag: 'L', strings: ['', '', '']},
    {tag: 'B', strings: ['0', 'Zürich 😀', 'a\nb', '']},
    {tag: 'X', strings: ['x'.repeat(300)]},
  ];
  const stream = Buffer.concat(frames.map(encodeFrame));

  it('are a length, a tag and terminated strings', () => {
    expect(encodeFrame({tag: 'K', strings: ['15', '']})).to.deep.equal(Buffer.from('\x05\0\0\0K15\0\0', 'latin1'));
    expect(encodeFrame({tag: 'G', strings: []})).to.deep.equal(Buffer.from('\x01\0\0\0G', 'latin1'));
    expect(encodeFrame({tag: 'e', strings: ['é']})).to.deep.equal(Buffer.from('\x04\0\0\0e\xc3\xa9\0', 'latin1'));
  });

  it('are the same wherever the stream is cut', () => {
    for (let at = 0; at <= stream.length; at++) {
      const reader = new FrameReader();
      expect([...reader.push(stream.subarray(0, at)), ...reader.push(stream.subarray(at))], `cut at ${at}`).to.deep.equal(frames);
    }
  });

  it('are the same byte by byte', () => {
    const reader = new FrameReader();
    const read = [...stream].flatMap((byte) => reader.push(Buffer.of(byte)));
    expect(read).to.deep.equal(frames);
  });

  it('come as soon as they are whole, and not before', () => {
    const reader = new FrameReader();
    const one = encodeFrame({tag: 'K', strings: ['15']});
    expect(reader.push(one.subarray(0, -1))).to.deep.equal([]);
    expect(reader.push(Buffer.concat([one.subarray(-1), one.subarray(0, 3)]))).to.deep.equal([{tag: 'K', strings: ['15']}]);
    expect(reader.push(one.subarray(3))).to.deep.equal([{tag: 'K', strings: ['15']}]);
  });

  it('of nothing, of too much, or without an end are errors', () => {
    const most = 16 * 2 ** 20;
    const bad: [string, Buffer, RegExp][] = [
      ['no tag', header(0), /a frame of 0 bytes/],
      ['one byte too long', header(most + 1), /a frame of 16777217 bytes/],
      ['far too long', header(0xffffffff), /a frame of 4294967295 bytes/],
      ['not terminated', raw('K15'), /frame K is not terminated/],
      ['second string not terminated', raw('Ka\0b'), /frame K is not terminated/],
    ];
    for (const [title, bytes, message] of bad) expect(() => new FrameReader().push(bytes), title).to.throw(message);
  });

  it('of the most that is allowed are read', () => {
    const most = 16 * 2 ** 20;
    const text = 'y'.repeat(most - 2);
    const [frame] = new FrameReader().push(encodeFrame({tag: 'L', strings: [text]}));
    expect(frame?.strings[0]).to.have.length(most - 2);
    expect(new FrameReader().push(header(most))).to.deep.equal([]);
  });
});

describe('the shim’s hello', () => {
  const hello = (...strings: string[]): Hello => parseHello(decodeShimToSupervisor({tag: 'H', strings}));
  const fixed = ['fresh', '', '4711', '123456', '0027', '1'];

  it('has the caller, its arguments and its directory', () => {
    const {environment, ...rest} = hello(...fixed, '3', 'tare', 'run', '', '/work', 'A=1', 'B=x=y', 'C=');
    expect(rest).to.deep.equal({
      state: 'fresh',
      stateDirectory: '',
      shimPid: 4711,
      startedUs: 123456,
      umask: 0o27,
      supervisor: 1,
      argv: ['tare', 'run', ''],
      cwd: '/work',
    });
    expect({...environment}).to.deep.equal({A: '1', B: 'x=y', C: ''});
  });

  it('of a supervisor that follows another', () => {
    for (const state of ['running', 'ended'] as const) {
      expect(hello(state, '/state/boxes/ab', '1', '2', '022', '2', '0', '/')).to.include({
        state,
        stateDirectory: '/state/boxes/ab',
        supervisor: 2,
        cwd: '/',
      });
    }
  });

  it('takes the first of two variables of one name, and ignores entries without =', () => {
    const {environment} = hello(...fixed, '0', '/', 'A=1', 'A=2', 'no equals', '=C:', '__proto__=x', 'constructor=y');
    expect(Object.entries(environment)).to.deep.equal([
      ['A', '1'],
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect('toString' in environment).to.equal(false);
  });

  it('is nothing else', () => {
    const bad: [string[], RegExp][] = [
      [['stale', ...fixed.slice(1), '0', '/'], /state is 'stale'/],
      [[...fixed, '1', 'tare'], /there is no cwd/],
      [fixed, /there is no argv/],
      [[], /there is no state/],
    ];
    for (const [strings, message] of bad) expect(() => hello(...strings), strings.join()).to.throw(message);
    expect(() => parseHello({name: 'noted', signal: 15})).to.throw('no hello from the shim');
  });
});
