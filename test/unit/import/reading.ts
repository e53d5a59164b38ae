/** What tests of the readers have in common. */
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import fc from 'fast-check';
import {TareError, TareErrors} from '../../../src/errors.js';
import {importDescription, type Imported} from '../../../src/import/import.js';
import {renderJob, renderPolicy} from '../../../src/import/render.js';
import type {Format} from '../../../src/import/format.js';
import {FORMATS} from '../../../src/import/formats.js';
import {parseDocument} from '../../../src/job/document.js';
import {runsOf} from '../../support/need.js';

export const FIXTURES = fileURLToPath(new URL('../../../fixtures/import/', import.meta.url));

/** Names of the descriptions of a format, and their texts: files of its folder, and a config.json in a folder below it. */
export function fixtures(format: string): {name: string; text: string}[] {
  const folder = join(FIXTURES, format);
  return readdirSync(folder, {withFileTypes: true})
    .map((entry) => (entry.isFile() ? entry.name : join(entry.name, 'config.json')))
    .filter((name) => existsSync(join(folder, name)))
    .map((name) => ({name, text: readFileSync(join(folder, name), 'utf8')}));
}

/** The format of a name. */
export function formatOf(name: string): Format {
  const format = FORMATS.find((one) => one.name === name);
  if (format === undefined) throw new Error(`no format ${name}`);
  return format;
}

/** @param files what the description can name */
export function importText(
  text: string,
  format: string | null,
  file = 'F',
  files: Readonly<Record<string, string>> = {},
): Promise<Imported> {
  const read = (path: string): string | null => (Object.hasOwn(files, path) ? (files[path] ?? null) : null);
  return importDescription({text, file, part: null, read}, format);
}

/** Proposals as `KEY VALUE PLACE`, without reasons. */
export const proposalsOf = ({proposed}: Imported): string[] =>
  [...proposed.values()].map(({key, value, origin: {at}}) => `${key.join('.')} ${JSON.stringify(value)} ${at}`);

/** What was left, as `PLACE NAME`. */
export const leftOf = ({left}: Imported): string[] => left.map(({origin: {at, as}}) => `${at} ${as}`);

/** Origins of the job's values, as `POINTER PLACE`. */
export const takenOf = ({taken}: Imported): string[] => [...taken].map(([pointer, {at}]) => `${pointer} ${at}`);

/** All places that anything is said of. */
export function placesOf({taken, proposed, left}: Imported): Set<string> {
  return new Set([
    ...[...taken.values()].map(({at}) => at),
    ...[...proposed.values()].map(({origin}) => origin.at),
    ...left.map(({origin}) => origin.at),
  ]);
}

/** The message of the error that comes of it. */
export const messageOf = (imported: Promise<Imported>): Promise<string> =>
  imported.then(
    () => 'no error',
    (error: unknown) => (error as Error).message,
  );

/** The messages with which reading fails. */
export async function errorsOf(text: string, format: string, files: Readonly<Record<string, string>> = {}): Promise<string[]> {
  try {
    await importText(text, format, 'F', files);
  } catch (error) {
    if (error instanceof TareErrors) return error.errors.map(({message}) => message);
    if (error instanceof TareError) return [error.message];
    throw error;
  }
  return [];
}

/** What is printed is read as the same again, and no line of it is more than one. */
export async function checkPrinted(imported: Imported): Promise<void> {
  const texts = [await renderJob(imported), await renderPolicy(imported)] as const;
  expect(await parseDocument({text: texts[0], file: 'job', kind: 'job'})).to.deep.equal(imported.job);
  expect(await parseDocument({text: texts[1], file: 'policy', kind: 'policy'})).to.deep.equal(
    imported.policy ?? {schema: 'tare/policy/v1'},
  );
  for (const text of texts) expect(text.replaceAll('\n', '')).not.to.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
}

/** A description with pieces cut out, doubled, put elsewhere, or replaced by what readers stumble over. */
const mutated = (texts: readonly string[]): fc.Arbitrary<string> =>
  fc
    .record({
      text: fc.constantFrom(...texts),
      cuts: fc.array(
        fc.record({
          from: fc.double({min: 0, max: 1, noNaN: true}),
          length: fc.nat({max: 40}),
          by: fc.oneof(
            fc.constantFrom(
              '',
              '-1',
              '0',
              '99999999999999999999999',
              'NaN',
              '__proto__',
              '../..',
              '\u2028',
              '\u202e',
              '\u0085',
              '# x',
              '\n',
              '=',
              '<',
              '&x;',
              ' ',
              '"',
              "'",
              'ü𝒳',
            ),
            fc.string({unit: 'binary', maxLength: 8}),
          ),
        }),
        {minLength: 1, maxLength: 4},
      ),
    })
    .map(({text, cuts}) =>
      cuts.reduce((all, {from, length, by}) => {
        const start = Math.floor(from * all.length);
        return all.slice(0, start) + by + all.slice(start + length);
      }, text),
    );

/** Whatever becomes of a description: what is printed is a job, or an error of Tare's has a place. */
export async function neverCrashes(format: string, texts: readonly string[], runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(mutated(texts), async (text) => {
      let imported: Imported;
      try {
        imported = await importText(text, format);
      } catch (error) {
        const errors = error instanceof TareErrors ? error.errors : [error];
        for (const each of errors) {
          if (!(each instanceof TareError)) throw each;
          expect(each.details.where).to.match(/^F/);
        }
        return;
      }
      await checkPrinted(imported);
    }),
    {numRuns: runsOf(runs)},
  );
}
