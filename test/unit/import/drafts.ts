/** Drafts of descriptions that other tools wrote, as tests look at them. */
import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import fc from 'fast-check';
import {ifPossible, TareError, TareErrors} from '../../../src/errors.js';
import type {Draft} from '../../../src/import/draft.js';
import type {Foreign, Format} from '../../../src/import/format.js';
import {FORMATS} from '../../../src/import/formats.js';
import {checkDocument} from '../../../src/job/document.js';
import {jobFromDocument} from '../../../src/job/load.js';
import {runsOf} from '../../support/need.js';

const root = new URL('../../../fixtures/import/', import.meta.url);

/** A fixture, as a command hands it to a reader. Files that it names lie beside it. */
export function fixture(folder: string, name: string, part: string | null = null): Foreign {
  const beside = new URL(`${folder}/`, root);
  return {
    text: readFileSync(new URL(name, beside), 'utf8'),
    file: name,
    read: (path) => ifPossible(() => readFileSync(new URL(path, beside), 'utf8')),
    part,
  };
}

/** A text that no file has; it names no other. */
export const written = (text: string, file: string, part: string | null = null): Foreign => ({text, file, part, read: () => null});

/** What a draft holds: values without their origins, and the names of what it leaves. */
export function plain({fields, limits, environment, proposals, left}: Draft) {
  const values = (map: ReadonlyMap<string, {value: unknown}>): Record<string, unknown> =>
    Object.fromEntries([...map].map(([name, {value}]) => [name, value]));
  return {
    fields: values(fields),
    limits: values(limits),
    environment: values(environment),
    proposals: proposals.map(({key, value}) => `${key.join('.')} ${JSON.stringify(value)}`),
    left: left.map(({origin}) => origin.as),
  };
}

/** Every draft is a job that its schema allows, and each of its proposals a policy. */
export async function expectValid(draft: Draft): Promise<void> {
  const {fields, limits, environment} = plain(draft);
  const document = await checkDocument(
    {schema: 'tare/job/v1', ...fields, ...(draft.limits.size > 0 ? {limits} : {}), ...(draft.environment.size > 0 ? {environment} : {})},
    {file: 'draft', kind: 'job'},
  );
  if (draft.fields.has('command') || draft.fields.has('applications'))
    jobFromDocument(document, {file: 'draft', callerDirectory: '/home/u'});
  for (const {key, value} of draft.proposals) {
    const policy = [...key].reverse().reduce<unknown>((inner, name) => ({[name]: inner}), value) as object;
    await checkDocument({schema: 'tare/policy/v1', ...policy}, {file: 'draft', kind: 'policy'});
  }
  for (const {origin, because} of [...draft.left, ...draft.proposals]) {
    expect(because, because).to.match(/^\S/);
    expect(origin.at, origin.at).to.match(/^.+/);
    expect(origin.as.length, origin.as).to.be.within(1, 300);
  }
}

/** The errors of a text, each with its place. */
export async function errorsOf(format: Format, foreign: Foreign): Promise<TareError[]> {
  try {
    const draft = await format.read(foreign);
    expect.fail(`it was read: ${JSON.stringify(plain(draft))}`);
  } catch (error) {
    if (error instanceof TareErrors) return [...error.errors];
    if (error instanceof TareError) return [error];
    throw error;
  }
}

/** Every text is recognised as one format only. */
export function expectRecognised(format: Format, {text, file}: Foreign): void {
  const names = FORMATS.filter((one) => one.recognises(text, file)).map(({name}) => name);
  expect(names, file).to.deep.equal([format.name]);
}

/** Changes of texts: parts that are gone, twice there, or strange. */
const change = fc.record({
  at: fc.double({min: 0, max: 1, noNaN: true}),
  length: fc.nat(40),
  text: fc.oneof(
    fc.constantFrom(
      '',
      '"',
      "'",
      '\\',
      '\n',
      '{',
      '}',
      '[',
      ']',
      ':',
      ': ',
      '- ',
      '=',
      ',',
      '-',
      '--',
      '$',
      '${',
      '&a ',
      '*a',
      '<<: ',
      '0',
      '-1',
      '9'.repeat(30),
      '/',
      '..',
      ' ',
      '\t',
      '\0',
      '\ufffd',
      'null',
      'true',
    ),
    fc.string({maxLength: 12}),
  ),
});

/** However a fixture is changed, a reader makes a valid draft of it or says what is wrong. */
export async function expectRobust(format: Format, fixtures: readonly Foreign[], runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...fixtures), fc.array(change, {minLength: 1, maxLength: 6}), async (foreign, changes) => {
      let {text} = foreign;
      for (const {at, length, text: inserted} of changes) {
        const offset = Math.floor(at * text.length);
        text = text.slice(0, offset) + inserted + text.slice(offset + length);
      }
      let draft: Draft;
      try {
        draft = await format.read({...foreign, text});
      } catch (error) {
        if (error instanceof TareError || error instanceof TareErrors) return;
        throw error;
      }
      await expectValid(draft);
    }),
    {numRuns: runsOf(runs)},
  );
}
