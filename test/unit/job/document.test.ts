import {expect} from 'chai';
import {TareError, TareErrors} from '../../../src/errors.js';
import {checkDocument, parseDocument, type Kind} from '../../../src/job/document.js';

const HEAD = 'schema: tare/job/v1\ncommand: [run]\n';

async function errorsOf(text: string, kind: Kind = 'job'): Promise<readonly TareError[]> {
  try {
    await parseDocument({text, file: 'f', kind});
  } catch (error) {
    if (error instanceof TareErrors) return error.errors;
    if (error instanceof TareError) return [error];
    throw error;
  }
  return [];
}
const messagesOf = async (text: string, kind: Kind = 'job'): Promise<string[]> => (await errorsOf(text, kind)).map(({message}) => message);

describe('parseDocument', () => {
  it('reads YAML, JSON, a byte order mark and Windows line ends alike', async () => {
    const expected = {schema: 'tare/job/v1', command: ['run']};
    for (const text of [HEAD, JSON.stringify(expected), `\ufeff${HEAD}`, HEAD.replaceAll('\n', '\r\n'), `---\n${HEAD}...\n`]) {
      expect(await parseDocument({text, file: 'f', kind: 'job'})).to.deep.equal(expected);
    }
  });

  it("keeps the environment's numbers as they were written, and only those", async () => {
    const text = `${HEAD}environment: {A: 1.10, B: 0x10, C: 1e400, D: .nan, E: 12345678901234567890, F: "7", G: null}\nlimits: {memory: 0x10}\n`;
    const {environment, limits} = await parseDocument({text, file: 'f', kind: 'job'});
    expect(environment).to.deep.equal({A: '1.10', B: '0x10', C: '1e400', D: '.nan', E: '12345678901234567890', F: '7', G: null});
    expect(limits).to.deep.equal({memory: 16});
  });

  it('keys that are numbers or words of YAML are text', async () => {
    expect(await messagesOf(`${HEAD}1: x\nnull: y\n`)).to.deep.equal([
      'f#/1: an unknown key; found: "1"; allowed: schema, name, pattern, command, applications, primary, onFailure, onOom, output, workDirectory, environment, limits, firstProcess, network, identity, devices, writable, filesystem, image, init, services, cvmfs, user, vo, queue',
      'f#/null: an unknown key; found: "null"; allowed: schema, name, pattern, command, applications, primary, onFailure, onOom, output, workDirectory, environment, limits, firstProcess, network, identity, devices, writable, filesystem, image, init, services, cvmfs, user, vo, queue',
    ]);
  });

  it('says all that is wrong at once, one message for each place', async () => {
    const text = `${HEAD}limits: {memory: -1, cores: 0, wallTime: []}\ndevices: [x, x]\nnetwork: hots\n`;
    expect((await errorsOf(text)).map(({details: {where}}) => where)).to.have.members([
      'f#/limits/memory',
      'f#/limits/cores',
      'f#/limits/wallTime',
      'f#/devices/0',
      'f#/devices/1',
      'f#/network',
    ]);
  });

  it('stops at fifty messages', async () => {
    const text = `${HEAD}${Array.from({length: 500}, (_, i) => `k${i}: 1`).join('\n')}`;
    expect(await errorsOf(text)).to.have.length(50);
  });

  it('escapes keys in pointers', async () => {
    expect((await errorsOf(`${HEAD}"a/b~c": 1\n`))[0]?.details.where).to.equal('f#/a~1b~0c');
  });

  it('refuses what is too long before it looks at it', async () => {
    expect(await messagesOf('['.repeat(2 ** 20 + 1))).to.deep.equal([
      'f: the document is too long; found: 1048577 characters; allowed: 1048576 characters',
    ]);
    expect(await errorsOf(`${HEAD}#${'x'.repeat(2 ** 20 - HEAD.length - 1)}`)).to.deep.equal([]);
  });

  it('64 levels are allowed and 65 are not', async () => {
    // The schema has no such depth: what it says of 64 levels is that they are of the wrong type.
    expect((await errorsOf(`${HEAD}name: ${'['.repeat(63)}x${']'.repeat(63)}`))[0]?.code).to.equal('DOCUMENT_INVALID');
    expect((await errorsOf(`${HEAD}name: ${'['.repeat(64)}x${']'.repeat(64)}`))[0]?.code).to.equal('DOCUMENT_SYNTAX');
  });

  it('says where a text that overflows the parser gets deep', async () => {
    const staircase = Array.from({length: 1400}, (_, i) => `${' '.repeat(i)}a:`).join('\n');
    // a parser that the engine has compiled meanwhile needs less of the stack, and comes to the place where it is too deep for us
    expect(await messagesOf(staircase))
      .to.have.length(1)
      .and.to.have.nested.property('[0]')
      .that.matches(/^f:(?:1400:1400|66:66): nested too deeply; allowed: 64 levels$/);
    expect(await messagesOf(`a: [[], {}]\nb: ${'['.repeat(1e5)}`)).to.deep.equal(['f:2:68: nested too deeply; allowed: 64 levels']);
  }).timeout(10_000);

  it('takes linear time for many keys', async () => {
    // The library's own check for duplicates takes 25 s for this.
    const began = performance.now();
    await errorsOf(Array.from({length: 40_000}, (_, i) => `k${i}: 1`).join('\n'));
    expect(performance.now() - began).to.be.below(8000);
  }).timeout(20_000);

  it('reports the first few syntax errors, in the order of the text', async () => {
    const places = (await errorsOf(`${HEAD}${'x: @\n'.repeat(20)}`)).map(({details: {where}}) => where);
    expect(places).to.deep.equal([3, 4, 5, 6, 7].map((line) => `f:${line}:4`));
  });

  it('an alias repeats its value', async () => {
    const {environment} = await parseDocument({text: `${HEAD}name: &n deep\nenvironment: &e {A: *n}\n`, file: 'f', kind: 'job'});
    expect(environment).to.deep.equal({A: 'deep'});
  });

  it('pollutes no prototype', async () => {
    await errorsOf('{"schema": "tare/record/v2", "__proto__": {"polluted": 1}, "\\u005f_proto__": {"polluted": 1}}', 'record');
    expect(({} as {polluted?: number}).polluted).to.equal(undefined);
    expect(await messagesOf('{"schema": "tare/record/v2", "\\u005f_proto__": 1}', 'record')).to.deep.equal([
      'f:1:30: a key that no document may have; found: "__proto__"',
    ]);
  });

  it('a misspelt key is one mistake, though the right one is missing', async () => {
    expect(await messagesOf('schema: tare/job/v1\ncommnad: [run]')).to.have.length(1);
    // Not related: two mistakes.
    expect(await messagesOf('schema: tare/job/v1\nzzzzzzz: [run]\nyyyyyyy: 1')).to.have.length(2);
  });

  it('a record that is no JSON is told where', async () => {
    expect((await errorsOf('{"schema": "tare/record/v2",,}', 'record'))[0]?.details.where).to.match(/^f:1:\d+$/);
    expect((await errorsOf('null', 'record'))[0]?.message).to.equal(
      'f:1:1: the document is empty; allowed: a map with schema: tare/record/v2',
    );
  });
});

describe('checkDocument', () => {
  const messages = async (value: unknown, kind: Kind): Promise<string[]> => {
    try {
      await checkDocument(value, {file: 'f', kind});
    } catch (error) {
      return error instanceof TareErrors ? error.errors.map(({message}) => message) : [(error as TareError).message];
    }
    return [];
  };
  const about = async (value: unknown, kind: Kind, pointer: string): Promise<string[]> =>
    (await messages(value, kind)).filter((message) => message.startsWith(`f#${pointer}`));

  for (const value of [null, 7, 'text', [], undefined]) {
    it(`${JSON.stringify(value)} is no document`, async () => expect((await messages(value, 'plan'))[0]).to.include('f: not a plan'));
  }

  it('names the kind that a document is', async () => {
    expect(await messages({schema: 'tare/plan/v1'}, 'record')).to.deep.equal([
      'f#/schema: not a record; found: "tare/plan/v1"; allowed: tare/record/v2',
    ]);
    expect(await messages({schema: 12}, 'record')).to.deep.equal(['f#/schema: not a record; found: 12; allowed: tare/record/v2']);
    expect(await messages({schema: 'tare/record/v9'}, 'record')).to.deep.equal([
      'f#/schema: version 9 of the record document; found: "tare/record/v9"; allowed: tare/record/v2',
    ]);
  });

  it('a step of a plan is judged as the step it says it is', async () => {
    const steps = [{op: 'cgroup.creat'}, {op: 'cgroup.enable', directory: 1, controllers: [], because: 'b', extra: 1}, {}];
    const found = await about({schema: 'tare/plan/v1', steps}, 'plan', '/steps/');
    expect(found.filter((message) => message.startsWith('f#/steps/0'))).to.have.length(1);
    expect(found[0]).to.include('f#/steps/0/op: not one of the allowed values').and.include('did you mean cgroup.create?');
    const second = found.filter((message) => message.startsWith('f#/steps/1')).join('\n');
    expect(second)
      .to.include('/steps/1/directory: the wrong type')
      .and.include('/steps/1/extra: an unknown key')
      .and.not.include('missing')
      .and.not.include('/op');
    expect(found.filter((message) => message.startsWith('f#/steps/2') && message.includes('/op: op is missing'))).to.have.length(1);
    expect(found.filter((message) => message.startsWith('f#/steps/2')).length).to.be.below(4);
  });

  it('of alternatives the one is meant whose keys are there', async () => {
    const ready = (written: object): Promise<string[]> =>
      about({schema: 'tare/job/v1', applications: [{name: 'a', command: ['x'], ready: written}]}, 'job', '/applications');
    const pointer = 'f#/applications/0/ready';
    expect(await ready({port: 0})).to.deep.equal([`${pointer}/port: too small; found: 0; allowed: 1 or more`]);
    expect(await ready({file: ''})).to.deep.equal([`${pointer}/file: empty text; found: ""; allowed: one character or more`]);
    expect((await ready({})).map((message) => message.split(':')[0])).to.deep.equal([`${pointer}/file`, `${pointer}/port`]);
  });

  it('a list that is too long', async () => {
    const applications = Array.from({length: 65}, (_, i) => ({name: `a${String(i)}`, command: ['x']}));
    expect(await about({schema: 'tare/job/v1', applications}, 'job', '/applications')).to.deep.equal([
      'f#/applications: too many elements; found: 65; allowed: 64 or less',
    ]);
  });

  it('alternatives that tell nothing apart are listed', async () => {
    expect(await about({schema: 'tare/record/v2', watch: 'x'}, 'record', '/watch')).to.deep.equal([
      'f#/watch: not one of the allowed values; found: "x"; allowed: a map, or null',
    ]);
  });

  it('a rule for which there are no words is quoted', async () => {
    const found = await about({schema: 'tare/record/v2', recordId: 'no-uuid'}, 'record', '/recordId');
    expect(found).to.have.length(1);
    expect(found[0]).to.include('found: "no-uuid"');
  });
});
