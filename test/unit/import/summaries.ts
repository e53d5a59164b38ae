/** Drafts of readers in short, for tests that compare all of one. */
import {TareError, TareErrors} from '../../../src/errors.js';
import type {Draft} from '../../../src/import/draft.js';
import type {Format} from '../../../src/import/format.js';

/** A draft in short. */
export interface Summary {
  fields: Record<string, unknown>;
  limits: Record<string, unknown>;
  environment: Record<string, unknown>;
  /** The way to a key of the policy, and its value. */
  proposals: [string, unknown][];
}

/** Reads a text. @param files what it can name */
export const read = async (format: Format, text: string, file: string, files: Record<string, string> = {}): Promise<Draft> =>
  format.read({text, file, read: (path) => files[path] ?? null, part: null});

/** A draft in short. */
export function summary({fields, limits, environment, proposals}: Draft): Summary {
  const values = (map: ReadonlyMap<string, {value: unknown}>): Record<string, unknown> =>
    Object.fromEntries([...map].map(([name, {value}]) => [name, value]));
  return {
    fields: values(fields),
    limits: values(limits),
    environment: values(environment),
    proposals: proposals.map(({key, value}) => [key.join('.'), value]),
  };
}

/** What was left, by the settings as they stand in the file: the reasons. */
export function reasons({left}: Draft): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const {origin, because} of left) (found[origin.as] ??= []).push(because);
  return found;
}

/** All places that a draft knows of. */
export function placesOf({fields, limits, environment, proposals, left}: Draft): Set<string> {
  const taken = [...fields.values(), ...limits.values(), ...environment.values(), ...proposals, ...left];
  return new Set(taken.map(({origin}) => origin.at));
}

/** The errors of a text that cannot be read. */
export async function errorsOf(format: Format, text: string, file: string): Promise<readonly TareError[]> {
  try {
    await read(format, text, file);
  } catch (error) {
    if (error instanceof TareErrors) return error.errors;
    if (error instanceof TareError) return [error];
    throw error;
  }
  throw new Error('nothing was refused');
}
