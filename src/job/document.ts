/** Documents that people or programs hand to Tare: text to a value that fits its schema, or every reason why it does not. */

import type {ErrorObject} from 'ajv';
import {ifPossible, TareError} from '../errors.js';
import type {JobDocument} from '../schema/generated/job-1.js';
import type {Plan} from '../schema/generated/plan-1.js';
import type {PolicyDocument} from '../schema/generated/policy-1.js';
import type {UsageRecord} from '../schema/generated/record-2.js';
import {at} from './at.js';
import {Problems} from './problems.js';
import {show} from './show.js';
import {violations} from './violations.js';
import {readYaml} from './yaml.js';

/** Kinds of documents and what they are once checked. */
export interface Documents {
  job: JobDocument;
  policy: PolicyDocument;
  plan: Plan;
  record: UsageRecord;
}

/** Name of a kind of document. */
export type Kind = keyof Documents;

interface Validator {
  default: {(data: unknown): boolean; errors?: ErrorObject[] | null};
}

/** Loaded when first needed: the plan's validator alone is a quarter of a megabyte of code. */
const VALIDATORS: Readonly<Record<Kind, () => Promise<Validator>>> = {
  job: () => import('../schema/generated/job-1.validator.js'),
  policy: () => import('../schema/generated/policy-1.validator.js'),
  plan: () => import('../schema/generated/plan-1.validator.js'),
  record: () => import('../schema/generated/record-2.validator.js'),
};

/** What a document says that it is. */
const SCHEMAS: Readonly<Record<Kind, string>> = {
  job: 'tare/job/v1',
  policy: 'tare/policy/v1',
  plan: 'tare/plan/v1',
  record: 'tare/record/v2',
};

const MIB = 2 ** 20;
/** Characters. People write short documents; a plan holds the job's whole environment, which the kernel lets grow to megabytes. */
const LONGEST: Readonly<Record<Kind, number>> = {job: MIB, policy: MIB, plan: 16 * MIB, record: 16 * MIB};

interface Written<K extends Kind> {
  text: string;
  file: string;
  kind: K;
  /** What another version wrote, as this one has it; absent: that is refused. */
  migrate?: (value: unknown) => unknown;
}

/** Parses a document, JSON or YAML, and checks it against its schema. @throws TareError or TareErrors with what is wrong */
export async function parseDocument<K extends Kind>({text, file, kind, migrate = (value) => value}: Written<K>): Promise<Documents[K]> {
  refuseGarbage(text, file, LONGEST[kind]);
  return checkDocument(migrate(readJson(text, kind) ?? (await readAny(text, file, kind))), {file, kind});
}

/** Checks a document that is parsed already. The value must be a tree, without `undefined`. */
export async function checkDocument<K extends Kind>(value: unknown, {file, kind}: {file: string; kind: K}): Promise<Documents[K]> {
  refuseOtherKind(value, file, kind);
  const validate = (await VALIDATORS[kind]()).default;
  if (!validate(value)) {
    const problems = new Problems();
    for (const error of violations(validate.errors ?? [], file)) problems.add(error);
    problems.throwIfAny();
  }
  return value as Documents[K];
}

/** Plans and records are written by programs, many at a time: JSON needs no YAML parser, unless there is something to complain of. */
function readJson(text: string, kind: Kind): unknown {
  if (kind === 'job' || kind === 'policy' || /__proto__|\\u005f/i.test(text)) return undefined;
  return ifPossible((): unknown => JSON.parse(text)) ?? undefined;
}

async function readAny(text: string, file: string, kind: Kind): Promise<unknown> {
  const value = await readYaml(text, file, (pointer) => kind === 'job' && /^(\/applications\/\d+)?\/environment\//.test(pointer));
  if (value === null)
    throw new TareError('DOCUMENT_SYNTAX', {
      message: 'the document is empty',
      where: `${file}:1:1`,
      allowed: `a map with schema: ${SCHEMAS[kind]}`,
    });
  return value;
}

function refuseGarbage(text: string, file: string, longest: number): void {
  if (text.length > longest) {
    throw new TareError('DOCUMENT_UNREADABLE', {
      message: 'the document is too long',
      where: file,
      found: `${text.length} characters`,
      allowed: `${longest} characters`,
    });
  }
  // U+FFFD is what bytes that are not UTF-8 have become.

  const offset = text.search(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]/);
  if (offset < 0) return;
  const before = text.slice(0, offset).split('\n');
  throw new TareError('DOCUMENT_UNREADABLE', {
    message: 'the document is not text',
    where: `${file}:${before.length}:${(before.at(-1) ?? '').length + 1}`,
    found: `the character U+${text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, '0')}`,
    allowed: 'text in UTF-8, or in UTF-16 with a byte order mark',
  });
}

function refuseOtherKind(value: unknown, file: string, kind: Kind): void {
  const allowed = SCHEMAS[kind];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TareError('DOCUMENT_KIND', {
      message: `not a ${kind}`,
      where: at(file, ''),
      found: show(value),
      allowed: `a map with schema: ${allowed}`,
    });
  }
  const found = Object.hasOwn(value, 'schema') ? (value as {schema: unknown}).schema : undefined;
  if (found === allowed) return;
  const [, otherKind, version] = /^tare\/([a-z]+)\/v(\d+)$/.exec(String(found)) ?? [];
  throw new TareError('DOCUMENT_KIND', {
    message:
      found === undefined
        ? `the kind of document is missing`
        : otherKind === kind
          ? `version ${version ?? ''} of the ${kind} document`
          : `not a ${kind}`,
    where: at(file, '/schema'),
    found: show(found),
    allowed,
    remedy: found === undefined ? `begin the document with schema: ${allowed}` : undefined,
  });
}
