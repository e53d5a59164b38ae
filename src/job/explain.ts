/** Turns one error of ajv into a message in terms of the document. */

import type {ErrorObject} from 'ajv';
import type {ErrorDetails} from '../errors.js';
import {below} from './at.js';
import {LIMIT_NAMES} from './job.js';
import {either, show, typeWord} from './show.js';
import {suggest} from './suggest.js';

/** One violation of a schema in words. */
export interface Finding extends Omit<ErrorDetails, 'where' | 'cause'> {
  pointer: string;
  /** The key that a misspelt one was meant to be. */
  meant?: string | undefined;
  missing?: true;
}

type Words = Omit<Finding, 'pointer' | 'found'> & {pointer?: string; found?: string};

const EXPLAIN: Readonly<Record<string, (error: ErrorObject) => Words>> = {
  type: ({params, data}) => ({message: 'the wrong type', ...types([params.type].flat() as string[], data)}),
  const: ({params}) => ({message: 'not the expected value', allowed: show(params.allowedValue)}),
  enum: ({params, data}) => {
    const values = params.allowedValues as unknown[];
    const near =
      typeof data === 'string'
        ? suggest(
            data,
            values.filter((value) => typeof value === 'string'),
          )
        : null;
    return {
      message: 'not one of the allowed values',
      allowed: values.map(word).join(', '),
      remedy: near === null ? undefined : `did you mean ${near}?`,
    };
  },
  required: ({instancePath, params}) => {
    const key = params.missingProperty as string;
    return {pointer: below(instancePath, key), message: `${key} is missing`, found: 'nothing', missing: true};
  },
  additionalProperties: ({instancePath, params, parentSchema}) => {
    const key = params.additionalProperty as string;
    const names = Object.keys((parentSchema?.properties as object | undefined) ?? {});
    const near = suggest(key, names);
    return {
      pointer: below(instancePath, key),
      message: 'an unknown key',
      found: show(key),
      allowed: names.join(', '),
      remedy: near === null ? misplaced(key, names) : `did you mean ${near}?`,
      meant: near ?? undefined,
    };
  },
  propertyNames: ({instancePath, params, schema}) => {
    const key = params.propertyName as string;
    return {pointer: below(instancePath, key), message: 'not a name that can be used here', found: show(key), allowed: described(schema)};
  },
  pattern: ({parentSchema, params}) => ({
    message: 'not as it must be written',
    allowed: described(parentSchema) ?? `text that matches ${String(params.pattern)}`,
  }),
  minimum: ({params}) => ({message: 'too small', allowed: `${String(params.limit)} or more`}),
  exclusiveMinimum: ({params}) => ({message: 'too small', allowed: `more than ${String(params.limit)}`}),
  maximum: ({params}) => ({message: 'too large', allowed: `${String(params.limit)} or less`}),
  minLength: () => ({message: 'empty text', allowed: 'one character or more'}),
  maxLength: ({params}) => ({message: 'text too long', allowed: `${String(params.limit)} characters`}),
  minItems: ({params}) => ({message: 'too few elements', allowed: `${String(params.limit)} or more`}),
  maxItems: ({params, data}) => ({
    message: 'too many elements',
    found: String((data as unknown[]).length),
    allowed: `${String(params.limit)} or less`,
  }),
  minProperties: ({params, parentSchema}) => ({
    message: 'an empty map',
    allowed: `${String(params.limit)} or more of ${Object.keys((parentSchema?.properties as object | undefined) ?? {}).join(', ')}`,
  }),
  uniqueItems: ({instancePath, params, data}) => {
    const index = Math.max(params.i as number, params.j as number);
    const found = show((data as unknown[])[index]);
    return {
      pointer: below(instancePath, index),
      message: 'the same element twice',
      found,
      allowed: 'each element once',
      remedy: 'remove one of the two',
    };
  },
  oneOf: alternatives,
  anyOf: alternatives,
};

/** Puts one of ajv's errors into words. */
export function explain(error: ErrorObject): Finding {
  const words = EXPLAIN[error.keyword]?.(error) ?? {message: error.message ?? error.keyword};
  return {pointer: error.instancePath, found: show(error.data), ...words};
}

/** No alternative fits, and nothing tells which was meant: all that would have been allowed. */
function alternatives({params}: ErrorObject): Words {
  const inside = ((params.alternatives as ErrorObject[] | undefined) ?? []).map(explain);
  const remedy = inside.find((finding) => finding.remedy?.startsWith('did you mean'))?.remedy;
  return {message: 'not one of the allowed values', allowed: inside.flatMap(({allowed}) => allowed ?? []).join(', or '), remedy};
}

function types(allowed: readonly string[], data: unknown): {allowed: string; remedy?: string | undefined} {
  const scalar = typeof data === 'number' || typeof data === 'boolean';
  const remedies: readonly [boolean, string][] = [
    [data === null, 'give it a value, or leave the key out'],
    [scalar && allowed.includes('string'), 'write it in quotes'],
    [typeof data === 'string' && allowed.includes('array'), 'write it as a list, one element each'],
  ];
  return {allowed: either(allowed.map(typeWord)), remedy: remedies.find(([applies]) => applies)?.[1]};
}

/** A limit that was written beside the limits and not among them. */
function misplaced(key: string, names: readonly string[]): string | undefined {
  const homes = ['limits', 'defaults', 'maxima'].filter((name) => names.includes(name));
  const limit = suggest(key, LIMIT_NAMES);
  return homes.length === 0 || limit === null ? undefined : `${limit} belongs below ${either(homes)}`;
}

const described = (schema: unknown): string | undefined => (schema as {description?: string} | undefined)?.description;

const word = (value: unknown): string => (typeof value === 'string' ? value : show(value));
