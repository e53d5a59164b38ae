/** What ajv found wrong, as errors for people: one per place, without the noise of alternatives that were not meant. */

import type {ErrorObject} from 'ajv';
import {TareError} from '../errors.js';
import {at, below, parentOf} from './at.js';
import {explain, type Finding} from './explain.js';

/** Turns ajv's errors into errors of Tare, one for each place in the file. */
export function violations(errors: readonly ErrorObject[], file: string): TareError[] {
  const findings = withoutMissingTwins(withoutAlternatives(errors).map(explain));
  const byPointer = new Map<string, Finding>();
  for (const finding of findings) if (!byPointer.has(finding.pointer)) byPointer.set(finding.pointer, finding);
  return [...byPointer.values()].map(
    ({pointer, message, found, allowed, remedy}) =>
      new TareError('DOCUMENT_INVALID', {where: at(file, pointer), message, found, allowed, remedy}),
  );
}

/** Leaves out errors of alternatives that were not meant: ajv reports those of each alternative. */
function withoutAlternatives(errors: readonly ErrorObject[]): ErrorObject[] {
  let left: ErrorObject[] = [];
  for (const error of errors) {
    // The inner error of a bad key says nothing that the outer one does not.
    if (error.propertyName !== undefined) continue;
    if (error.keyword !== 'oneOf' && error.keyword !== 'anyOf') {
      left.push(error);
      continue;
    }
    const inside = left.filter((other) => isWithin(other.instancePath, error.instancePath));
    left = left.filter((other) => !inside.includes(other));
    left.push(...(meant(inside, error) ?? [{...error, params: {alternatives: inside}}]));
  }
  return left;
}

/** The complaints about the alternative that was meant; null when that cannot be told. */
function meant(inside: readonly ErrorObject[], error: ErrorObject): ErrorObject[] | null {
  const tag = inside.find(({keyword, instancePath}) => keyword === 'const' && parentOf(instancePath) === error.instancePath);
  if (tag !== undefined) {
    const tags = inside.filter(({keyword, instancePath}) => keyword === 'const' && instancePath === tag.instancePath);
    const key = tag.instancePath.slice(error.instancePath.length + 1);
    if (tags.length === (error.schema as unknown[]).length) {
      return [{...tag, keyword: 'enum', params: {allowedValues: tags.map(({params}) => params.allowedValue as unknown)}}];
    }
    return inside.filter((other) => !tags.includes(other) && speaksOf(other, key, (error.data as Record<string, unknown>)[key]));
  }
  const agreed = inside.filter((other) => other.keyword === 'required' && countOf(inside, other) === (error.schema as unknown[]).length);
  if (agreed.length > 0) return agreed;
  const written = withTheirKeys(inside, error);
  if (written.length > 0) return written;
  const deeper = inside.filter((other) => explain(other).pointer !== error.instancePath);
  return deeper.length > 0 ? deeper : null;
}

/** The complaints about what is in alternatives of which no key is missing; none where each lacks one. */
function withTheirKeys(inside: readonly ErrorObject[], {schemaPath, instancePath}: ErrorObject): ErrorObject[] {
  const alternativeOf = (other: ErrorObject): string | null =>
    other.schemaPath.startsWith(`${schemaPath}/`) ? (other.schemaPath.slice(schemaPath.length + 1).split('/')[0] ?? null) : null;
  const lacking = new Set(inside.filter((other) => other.keyword === 'required' && other.instancePath === instancePath).map(alternativeOf));
  if (lacking.size === 0) return [];
  return inside.filter((other) => explain(other).pointer !== instancePath && !lacking.has(alternativeOf(other)));
}

/** How many alternatives miss the same key. */
function countOf(errors: readonly ErrorObject[], {instancePath, params}: ErrorObject): number {
  return errors.filter((other) => other.instancePath === instancePath && other.params.missingProperty === params.missingProperty).length;
}

/** Whether a complaint comes from the alternative with this tag; one about a single property does not say, and is kept. */
function speaksOf({parentSchema}: ErrorObject, key: string, tag: unknown): boolean {
  const properties = parentSchema?.properties as Record<string, {const?: unknown}> | undefined;
  return properties === undefined || properties[key]?.const === tag;
}

const isWithin = (pointer: string, outer: string): boolean => pointer === outer || pointer.startsWith(`${outer}/`);

/** A misspelt key is one mistake, although the right one is missing then. */
function withoutMissingTwins(findings: readonly Finding[]): Finding[] {
  const meantKeys = new Set(findings.flatMap(({pointer, meant: key}) => (key === undefined ? [] : [below(parentOf(pointer) ?? '', key)])));
  return findings.filter(({missing, pointer}) => missing !== true || !meantKeys.has(pointer));
}
