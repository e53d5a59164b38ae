import {expect} from 'chai';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {asTareError, ERRORS, EXIT, harmlessJson, TareError, TareErrors, type ErrorCode} from '../../src/errors.js';

const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
const codes = Object.keys(ERRORS) as ErrorCode[];
const [, ...parts] = page.split(/^## /m);
const sections = new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).trim()]));

describe('docs/reference/errors.md', () => {
  it('has a section for every code, in the order of the table, and for nothing else', () => {
    expect([...sections.keys()]).to.deep.equal(['Exit status', ...codes]);
  });

  for (const code of codes) {
    it(`says of ${code} how it ends, when it appears, with an example, and what to do`, () => {
      const lines = (sections.get(code) ?? '').split('\n');
      expect(lines).to.have.length.within(4, 6);
      expect(lines[0]).to.match(new RegExp(`^Exit status ${ERRORS[code].exit}\\b`));
      expect(lines.filter((line) => line.startsWith('Example: `'))).to.have.length(1);
      for (const line of lines) expect(line, 'one sentence per line').to.match(/^\S.*[.]$/);
    });
  }

  it('has every exit status in its table', () => {
    const rows = [...(sections.get('Exit status') ?? '').matchAll(/^\| (\d+) \|/gm)].map(([, status]) => Number(status));
    expect(rows.sort((a, b) => a - b)).to.deep.equal(Object.values(EXIT).sort((a, b) => a - b));
  });
});

describe('JSON for a terminal', () => {
  it('has escapes for what steers a terminal or ends a line, and is read as the same', () => {
    const value = {'a\u009b': 'b\u007f\u200b\u202e\u2028\u2029\u{e0001}é😀'};
    const text = harmlessJson(JSON.stringify(value));
    expect(text).to.equal('{"a\\u009b":"b\\u007f\\u200b\\u202e\\u2028\\u2029\\udb40\\udc01é😀"}');
    expect(JSON.parse(text)).to.deep.equal(value);
  });
});

describe('coded errors', () => {
  it('are refusals with 126 and nothing else', () => {
    for (const code of codes) expect(ERRORS[code].exit === EXIT.refused, code).to.equal(ERRORS[code].kind === 'refused');
    for (const code of codes) expect(Object.values(EXIT), code).to.include(ERRORS[code].exit);
  });

  it('are one line with all that is known', () => {
    const error = new TareError('WORK_DIRECTORY', {
      message: 'no\nsuch',
      where: 'a.yaml',
      found: 'x\r\n y',
      allowed: 'z',
      remedy: 'make it',
    });
    expect(error.message).to.equal('a.yaml: no such; found: x  y; allowed: z; make it');
    expect(error).to.include({exit: 125, kind: 'input', name: 'TareError', code: 'WORK_DIRECTORY'});
    expect(new TareError('INTERNAL', {message: 'x'}).message).to.equal('x');
  });

  it('have no control characters, and an end: what others wrote is in them', () => {
    const {message} = new TareError('IMAGE_BROKEN', {
      message: 'the name \u001b[31m\u202e\ta',
      found: 'x'.repeat(1 << 20),
      remedy: 'fetch it',
    });
    expect(message).to.match(/^the name \?\[31m\? a; found: x+…; fetch it$/);
    expect(message).to.have.length.lessThan(3000);
  });

  it('keep what caused them, and only that', () => {
    const cause = new Error('why');
    expect(new TareError('INTERNAL', {message: 'x', cause}).cause).to.equal(cause);
    expect('cause' in new TareError('INTERNAL', {message: 'x'})).to.equal(false);
  });

  it('of one document come together, and end as the first', () => {
    const errors = new TareErrors([new TareError('DEVICE_FORBIDDEN', {message: 'a'}), new TareError('INTERNAL', {message: 'b'})]);
    expect(errors).to.include({message: 'a\nb', exit: 126, name: 'TareErrors'});
    expect(new TareErrors([]).exit).to.equal(125);
  });

  it('are made of anything that was thrown: an error without a code is a defect', () => {
    const coded = new TareError('NOT_BUILT', {message: 'x'});
    const several = new TareErrors([coded]);
    expect(asTareError(coded)).to.equal(coded);
    expect(asTareError(several)).to.equal(several);
    const defect = asTareError(new TypeError('oh'));
    expect(defect).to.include({code: 'INTERNAL', exit: 125});
    expect(defect.message)
      .to.match(/^TypeError: oh \| .*; please report it$/)
      .and.not.include('\n');
    const unread = Object.assign(new Error('EIO: i/o error, read'), {code: 'EIO', syscall: 'read', path: fileURLToPath(import.meta.url)});
    expect(asTareError(unread)).to.include({code: 'NOT_BUILT', exit: 125});
    expect(asTareError(Object.assign(unread, {path: '/etc/passwd'}))).to.include({code: 'INTERNAL'});
    expect(asTareError('text').message).to.equal('text; please report it');
    const bare = new Error('no stack');
    delete bare.stack;
    expect(asTareError(bare).message).to.equal('no stack; please report it');
  });
});
