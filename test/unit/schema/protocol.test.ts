import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import fc from 'fast-check';
import * as protocol from '../../../src/schema/generated/protocol.js';

interface Field {
  name: string;
  type?: string;
  of?: string;
  record?: string;
  group?: string;
  words?: string[];
  word?: string;
  empty?: string;
  optional?: string;
}

interface KeyRow {
  key: string;
  name: string;
  prefix?: string;
  separator?: string;
  value: {name: string; type: string; optional?: boolean}[];
}

interface Table {
  types: Record<string, {number: [number, number]}>;
  records: Record<string, Field[]>;
  groups: Record<string, Field[]>;
  links: Record<string, unknown>;
  frames: {name: string; tag: string; links: string[]; fields: Field[]}[];
  launch: KeyRow[];
}

const table = JSON.parse(readFileSync(new URL('../../../src/schema/protocol.json', import.meta.url), 'utf8')) as Table;

type Told = Record<string, unknown>;
type Raw = protocol.RawFrame;
const functions = protocol as unknown as Record<string, (told: never) => unknown>;
const capital = (name: string): string => `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
const encode = (link: string, told: Told): Raw => functions[`encode${capital(link)}`]!(told as never) as Raw;
const decode = (link: string, raw: Raw): Told => functions[`decode${capital(link)}`]!(raw as never) as Told;

/** What a frame can carry. */
const text = fc.string({unit: 'grapheme'}).map((one) => one.replaceAll('\0', ''));
const numberOf = (type: string): fc.Arbitrary<number> => {
  const [min, max] = table.types[type]!.number;
  return fc.oneof(fc.constantFrom(min, max), fc.integer({min, max: Math.min(max, 2 ** 31)}));
};
const status = fc.oneof(
  fc.nat(255).map((code) => code << 8),
  fc.tuple(fc.integer({min: 1, max: 64}), fc.constantFrom(0, 0x80)).map(([signal, core]) => signal | core),
);
const ending = fc.oneof(
  fc.tuple(fc.constant('status'), status),
  fc.tuple(fc.constant('code'), fc.nat(255)),
  fc.tuple(fc.constant('signal'), fc.integer({min: 1, max: 64})),
);

function valueOf(field: Field): fc.Arbitrary<unknown> {
  const {type = '', empty} = field;
  if (field.record !== undefined) return fieldsOf(table.records[field.record]!);
  if (field.group !== undefined) return fieldsOf(table.groups[field.group]!);
  if (type in table.types) return empty === undefined ? numberOf(type) : fc.option(numberOf(type));
  switch (type) {
    case 'status':
      return status;
    case 'ending':
      return ending;
    case 'octal':
      return fc.nat(0o777);
    case 'flag':
      return fc.boolean();
    case 'word':
      return fc.constantFrom(...field.words!);
    case 'numbers':
      return fc.array(numberOf(field.of!));
    case 'rest':
    case 'counted':
      return fc.array(text);
    case 'path':
      return text.map((one) => `/${one}`);
    case 'text':
      return text;
    default:
      throw new Error(`the test has no values of the type ${type}`);
  }
}

const fieldsOf = (fields: readonly Field[]): fc.Arbitrary<Told> =>
  fc.record(Object.fromEntries(fields.map((field) => [field.name, valueOf(field)])));

/** What is optional is left out from the end on: on the wire it has no name. */
function frameOf({name, fields}: Table['frames'][number]): fc.Arbitrary<Told> {
  const optional = fields.filter((field) => field.optional !== undefined).map((field) => field.name);
  return fc.tuple(fieldsOf(fields), fc.nat(optional.length)).map(([told, given]) => {
    const left = optional.slice(given);
    return {name, ...Object.fromEntries(Object.entries(told).filter(([field]) => !left.includes(field)))};
  });
}

describe('frames of the protocol', () => {
  for (const frame of table.frames)
    for (const link of frame.links)
      it(`${link}: ${frame.name} is the same when it is written and read`, () => {
        fc.assert(
          fc.property(frameOf(frame), (told) => {
            const raw = encode(link, told);
            expect(raw.tag).to.equal(frame.tag);
            expect(decode(link, raw)).to.deep.equal(told);
          }),
          {numRuns: 50},
        );
      });

  it('with a field too few are refused', () => {
    for (const frame of table.frames) {
      const most = frame.fields.filter(({type}) => type !== 'rest' && type !== 'numbers');
      if (most.length === 0 || most.some(({optional}) => optional !== undefined)) continue;
      for (const link of frame.links)
        fc.assert(
          fc.property(fieldsOf(frame.fields), (told) => {
            const {tag, strings} = encode(link, {name: frame.name, ...told, environment: []});
            if (frame.name === 'quit') return; // as many as their kind says
            expect(() => decode(link, {tag, strings: strings.slice(0, -1)}), frame.name).to.throw(/there is no/);
          }),
          {numRuns: 20},
        );
    }
  });

  it('with a value that a field cannot have are refused', () => {
    const bad: [string, string, string[]][] = [
      ['shimToSupervisor', 'K', ['15']],
      ...['', ' 1', '1 ', '1.0', '1e3', '0x1', '+1', '-1', '65', '9007199254740993'].map((one): [string, string, string[]] => [
        'shimToSupervisor',
        'N',
        [one],
      ]),
      ['shimToSupervisor', 'X', ['1', '2']],
      ['shimToSupervisor', 'X', ['1', '2', '0']],
      ['shimToSupervisor', 'X', ['1', '1024', '1']],
      ['shimToSupervisor', 'F', ['exec', '', 'text']],
      ['shimToSupervisor', 'E', ['', '1', '1', '1', '1', '1', '1', '1']],
      ['shimToSupervisor', 'E', ['65', '1', '1', '1', '1', '1', '1', '1']],
      ['shimToSupervisor', 'E', ['65536', '1', '1', '1', '1', '1', '1', '1']],
      ['shimToSupervisor', 'B', ['0', '0', '0', '0', '0', 'text', 'memory']],
      ['supervisorToShim', 'S', ['']],
      ['supervisorToShim', 'C', ['0']],
      ['supervisorToShim', 'Q', ['fate', '0']],
      ['supervisorToShim', 'Q', ['code', '256']],
      ['supervisorToShim', 'Q', ['signal', '0']],
      ['supervisorToShim', 'Q', ['status']],
      ['shimToInit', 'D', ['1', 'x']],
    ];
    for (const [link, tag, strings] of bad.slice(1))
      expect(() => decode(link, {tag, strings}), `${tag} ${strings.join()}`).to.throw(/frame/);
    expect(decode('shimToSupervisor', {tag: 'K', strings: ['15']}), 'an unknown tag').to.deep.equal({name: 'unknown', tag: 'K'});
  });

  it('of a later version, with a field more, are read as far as they are known', () => {
    expect(decode('shimToSupervisor', {tag: 'N', strings: ['15', 'later']})).to.deep.equal({name: 'noted', signal: 15});
  });
});

describe('keys of a launch', () => {
  const builders = protocol.launchKey as unknown as Record<string, (value?: unknown) => string>;
  const wordOf = (type: string): fc.Arbitrary<unknown> => {
    if (type in table.types) return numberOf(type);
    if (type === 'ids') return fc.array(numberOf('id'), {minLength: 1});
    if (type === 'amount') return fc.oneof(fc.nat(), fc.constant('unlimited'));
    return fc.stringMatching(/^[a-z/]{1,9}$/);
  };
  const read = (type: string, word: string): unknown => {
    if (type === 'ids') return word.split(',').map(Number);
    return type in table.types || (type === 'amount' && word !== 'unlimited') ? Number(word) : word;
  };

  for (const {key, name, prefix = '', separator = ' ', value} of table.launch)
    it(`${name} is ${key}, and what it says can be read again`, () => {
      const [only] = value;
      const words = fc.record(Object.fromEntries(value.map((each) => [each.name, wordOf(each.type)])));
      fc.assert(
        fc.property(words, (told) => {
          const string = value.length === 1 ? builders[name]!(told[only!.name]) : builders[name]!(told);
          expect(string.slice(0, 1 + prefix.length)).to.equal(key + prefix);
          const said = string.slice(1 + prefix.length);
          const parts = value.length > 1 ? said.split(separator) : value.length === 1 ? [said] : [];
          expect(value.length === 0 ? said : '').to.equal('');
          expect(Object.fromEntries(value.map((each, at) => [each.name, read(each.type, parts[at] ?? '')]))).to.deep.equal(told);
        }),
        {numRuns: 30},
      );
    });

  it('leave out what need not be said', () => {
    expect(protocol.launchKey.parts({path: '/p'})).to.equal('T/p');
    expect(protocol.launchKey.parts({uid: 1, gid: 2, path: '/p'})).to.equal('T1 2 /p');
    expect(protocol.launchKey.identity({uid: 1, gid: 2, groups: []})).to.equal('U1 2 ');
  });
});
