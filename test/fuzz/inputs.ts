/** Inputs that are nearly good: seeds of fixtures/fuzz/TARGET with a few changes. fast-check makes them, from a seed of its own, and shrinks. */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import fc from 'fast-check';

const FOLDER = fileURLToPath(new URL('../../fixtures/fuzz/', import.meta.url));
const MOST_BYTES = 16 * 1024;
/** What numbers go wrong at, and texts at other texts. */
const HARD = [
  ...['0', '-1', '00', '1e300', '1e-7', 'NaN', 'Infinity', '0x10', '4294967296', '9007199254740993', '999999999999', '９'],
  ...[
    '',
    ' ',
    '\0',
    '\n',
    '\r\n',
    '\t',
    '\u{1f600}',
    '\u202e',
    '\ufeff',
    '"',
    "'",
    '\\',
    '/',
    '../',
    '=',
    ':',
    ',',
    '(x',
    ')',
    '%s',
    '{',
    '[',
    '}',
    ']',
  ],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'null', 'true', '[]', '{}', '- &a [*a, *a]'],
];

export interface Seed {
  name: string;
  bytes: Buffer;
}

export function seedsOf(target: string): Seed[] {
  const folder = join(FOLDER, target);
  return readdirSync(folder)
    .sort()
    .map((name) => ({name, bytes: readFileSync(join(folder, name))}));
}

interface Change {
  kind: 'insert' | 'replace' | 'remove' | 'repeat' | 'other';
  at: number;
  length: number;
  text: string;
}

export function inputsFor(target: string, words: readonly string[]): fc.Arbitrary<Buffer> {
  const seeds = seedsOf(target).map(({bytes}) => bytes);
  const change: fc.Arbitrary<Change> = fc.record({
    kind: fc.constantFrom('insert', 'replace', 'remove', 'repeat', 'other'),
    at: fc.nat(MOST_BYTES),
    length: fc.nat(24),
    text: fc.oneof(fc.constantFrom(...HARD, ...words), fc.string({maxLength: 4, unit: 'binary'})),
  });
  const seed = fc.nat(seeds.length - 1);
  return fc
    .tuple(seed, seed, fc.array(change, {maxLength: 5}))
    .map(([one, other, changes]) =>
      changes.reduce((bytes, each) => apply(bytes, each, seeds[other] ?? bytes), seeds[one] ?? Buffer.alloc(0)),
    );
}

function apply(bytes: Buffer, {kind, at, length, text}: Change, other: Buffer): Buffer {
  const begin = bytes.length === 0 ? 0 : at % (bytes.length + 1);
  const end = Math.min(bytes.length, begin + length);
  const [head, middle, tail] = [bytes.subarray(0, begin), bytes.subarray(begin, end), bytes.subarray(end)];
  const fresh: Record<Change['kind'], Buffer[]> = {
    insert: [head, Buffer.from(text), middle, tail],
    replace: [head, Buffer.from(text), tail],
    remove: [head, tail],
    repeat: [head, ...Array<Buffer>(Math.max(1, length)).fill(middle), tail],
    other: [head, other.subarray(at % (other.length + 1))],
  };
  return Buffer.concat(fresh[kind]).subarray(0, MOST_BYTES);
}
