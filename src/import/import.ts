/** A foreign description to what is printed of it: a job and a fragment of a policy that Tare accepts, each value with its origin. */

import {TareError, TareErrors} from '../errors.js';
import {below, parentOf} from '../job/at.js';
import {checkDocument} from '../job/document.js';
import {jobFromDocument} from '../job/load.js';
import {show} from '../job/show.js';
import {policyFromDocuments} from '../policy/load.js';
import type {JobDocument} from '../schema/generated/job-1.js';
import type {PolicyDocument} from '../schema/generated/policy-1.js';
import type {Draft, Field, Leaving, Limit, Origin, Proposal} from './draft.js';
import type {Foreign} from './format.js';
import {formatOf} from './formats.js';

/** What was made of a description. */
export interface Imported {
  format: string;
  file: string;
  job: JobDocument;
  /** null: nothing is proposed. */
  policy: PolicyDocument | null;
  /** Origins of the job's values, by JSON pointer. */
  taken: ReadonlyMap<string, Origin>;
  /** Origins of the policy's values, by JSON pointer, each with what the description asks for. */
  proposed: ReadonlyMap<string, Proposal>;
  left: readonly Leaving[];
}

/** Characters of a description. */
const LONGEST = 2 ** 20;

/**
 * Reads a description. What comes out fits the schemas, and can be loaded.
 * @param format its name; null: it is recognised
 * @throws TareError, TareErrors with the place in the description
 */
export async function importDescription(foreign: Foreign, format: string | null): Promise<Imported> {
  refuseGarbage(foreign);
  const {name, read} = formatOf(foreign.text, foreign.file, format);
  const draft = await read(foreign);
  const {document, taken} = jobOf(draft);
  const left = [...draft.left];
  const {document: policy, proposed} = policyOf(draft, left);
  const job = await placed(taken, foreign.file, async () => {
    const checked = await checkDocument(document, {file: DOCUMENT, kind: 'job'});
    jobFromDocument(checked, {file: DOCUMENT, callerDirectory: '/', ...(checked.command === undefined ? {command: ['/bin/true']} : {})});
    return checked;
  });
  const origins = new Map([...proposed].map(([pointer, {origin}]) => [pointer, origin]));
  const checkedPolicy = await placed(origins, foreign.file, async () => {
    const checked = await checkDocument(policy, {file: DOCUMENT, kind: 'policy'});
    policyFromDocuments([{file: DOCUMENT, document: checked}]);
    return checked;
  });
  return {
    format: name,
    file: foreign.file,
    job,
    policy: proposed.size === 0 ? null : checkedPolicy,
    taken,
    proposed,
    left: byPlace(left, foreign.file),
  };
}

/** In the order of lines; those of included files, and of no line, come as they were found. */
function byPlace(left: readonly Leaving[], file: string): Leaving[] {
  const numbers = ({origin: {at}}: Leaving): [number, number] | null => {
    const [, line, column] = (at.startsWith(`${file}:`) ? /^:(\d+):(\d+)$/.exec(at.slice(file.length)) : null) ?? [];
    return line === undefined ? null : [Number(line), Number(column)];
  };
  const keyed = left.map((leaving) => ({leaving, key: numbers(leaving)}));
  const here = keyed
    .flatMap(({leaving, key}) => (key === null ? [] : [{leaving, key}]))
    .sort((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1]);
  return [...here, ...keyed.filter(({key}) => key === null)].map(({leaving}) => leaving);
}

/** The name of what was made, in places that are put into words of the description then. */
const DOCUMENT = 'document';

/** An error in what was made is one in the description, at the value's origin. */
async function placed<T>(origins: ReadonlyMap<string, Origin>, file: string, check: () => Promise<T>): Promise<T> {
  const moved = (error: TareError): TareError => {
    const {where, ...details} = error.details;
    let pointer: string | null = where?.startsWith(`${DOCUMENT}#`) === true ? where.slice(DOCUMENT.length + 1) : '';
    while (pointer !== null && !origins.has(pointer)) pointer = parentOf(pointer);
    const origin = pointer === null ? undefined : origins.get(pointer);
    return new TareError(error.code, {...details, where: origin === undefined ? file : `${origin.at} ${origin.as}`});
  };
  try {
    return await check();
  } catch (error) {
    if (error instanceof TareErrors) throw new TareErrors(error.errors.map(moved));
    throw error instanceof TareError ? moved(error) : error;
  }
}

function refuseGarbage({text, file}: Foreign): void {
  if (text.length > LONGEST)
    throw new TareError('DOCUMENT_UNREADABLE', {message: 'the description is too long', where: file, allowed: `${LONGEST} characters`});
  // U+FFFD is what bytes that are not UTF-8 have become
  const offset = text.search(/[\0-\x08\x0b\x0e-\x1f\x7f\ufffd]/);
  if (offset < 0) return;
  const before = text.slice(0, offset).split('\n');
  throw new TareError('DOCUMENT_UNREADABLE', {
    message: 'the description is not text',
    where: `${file}:${before.length}:${(before.at(-1) ?? '').length + 1}`,
    found: `the character U+${text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, '0')}`,
    allowed: 'text in UTF-8, or in UTF-16 with a byte order mark',
  });
}

/** Fields in the order in which people read them; environment and limits have values of their own. */
const FIELDS: readonly (Field | 'environment' | 'limits')[] = [
  'name',
  'pattern',
  'image',
  'filesystem',
  'init',
  'services',
  'command',
  'firstProcess',
  'applications',
  'primary',
  'onFailure',
  'onOom',
  'output',
  'workDirectory',
  'environment',
  'limits',
  'network',
  'cvmfs',
  'vo',
  'queue',
];
const LIMITS: readonly Limit[] = [
  'cores',
  'pinCores',
  'nice',
  'memory',
  'memoryHigh',
  'swap',
  'processes',
  'wallTime',
  'cpuTime',
  'openFiles',
  'coreSize',
  'scratch',
];

function jobOf({fields, environment, limits}: Draft): {document: Record<string, unknown>; taken: Map<string, Origin>} {
  const document: Record<string, unknown> = {schema: 'tare/job/v1'};
  const taken = new Map<string, Origin>();
  const inner = (name: string, values: Iterable<readonly [string, {value: unknown; origin: Origin}]>): void => {
    const map: Record<string, unknown> = {};
    for (const [key, {value, origin}] of values) {
      refuseName(key, origin);
      map[key] = value;
      taken.set(below(`/${name}`, key), origin);
    }
    if (Object.keys(map).length > 0) document[name] = map;
  };
  for (const name of FIELDS) {
    if (name === 'environment') inner(name, environment);
    else if (name === 'limits')
      inner(
        name,
        LIMITS.flatMap((limit) => (limits.has(limit) ? [[limit, limits.get(limit)] as never] : [])),
      );
    else {
      const found = fields.get(name);
      if (found === undefined) continue;
      document[name] = found.value;
      taken.set(`/${name}`, found.origin);
    }
  }
  return {document, taken};
}

/** A map of JavaScript takes this key for its prototype. */
function refuseName(name: string, {at, as}: Origin): void {
  if (name !== '__proto__') return;
  throw new TareError('DOCUMENT_INVALID', {message: 'a name that no document may have', where: `${at} ${as}`, found: show(name)});
}

/** Keys of a policy whose value is a list: what is asked for is added. */
const LISTS: ReadonlySet<string> = new Set([
  'patterns',
  'network',
  'devices',
  'writable',
  'run',
  'filesystem',
  'images',
  'credentials',
  'cvmfs.allowed',
  'cvmfs.required',
  'identity.address',
  'identity.pools',
  'imageStore.places',
]);

/** Proposals as one document. Of two values for one key the later counts, and the earlier is left. */
function policyOf({proposals}: Draft, left: Leaving[]): {document: Record<string, unknown>; proposed: Map<string, Proposal>} {
  const document: Record<string, unknown> = {schema: 'tare/policy/v1'};
  const proposed = new Map<string, Proposal>();
  const inLists = new Map<string, Proposal>();
  for (const proposal of withPools(literal(proposals, left), left)) {
    const {key, value, origin} = proposal;
    const name = key.at(-1) ?? '';
    const map = key
      .slice(0, -1)
      .reduce<Record<string, unknown>>((outer, part) => (outer[part] ??= {}) as Record<string, unknown>, document);
    const pointer = key.reduce(below, '');
    if (LISTS.has(key.join('.'))) {
      const list = (map[name] ??= []) as unknown[];
      for (const element of Array.isArray(value) ? (value as unknown[]) : [value]) {
        const id = `${pointer} ${JSON.stringify(element)}`;
        const earlier = inLists.get(id);
        if (earlier === undefined) proposed.set(below(pointer, list.push(element) - 1), {...proposal, value: element});
        else left.push({origin, because: `${earlier.origin.at} asks for the same`});
        inLists.set(id, earlier ?? proposal);
      }
      continue;
    }
    const earlier = proposed.get(pointer);
    const isSame = JSON.stringify(earlier?.value) === JSON.stringify(value);
    if (earlier !== undefined)
      left.push({origin: earlier.origin, because: `${origin.at} asks for ${isSame ? 'the same' : `another ${key.join('.')}`}`});
    map[name] = value;
    proposed.set(pointer, proposal);
  }
  return {document, proposed};
}

/** Keys whose values are patterns: a name with a * in it would allow others too. */
const PATTERNS: readonly string[] = ['images', 'devices', 'cvmfs.allowed'];
/** Patterns that readers themselves propose, for GPUs; the built-in policy has them. */
const MEANT: readonly unknown[] = ['/dev/nvidia*', '/dev/dri/*'];

function literal(proposals: readonly Proposal[], left: Leaving[]): Proposal[] {
  return proposals.flatMap((proposal) => {
    if (!PATTERNS.includes(proposal.key.join('.'))) return [proposal];
    const all = [proposal.value].flat();
    const value = all.filter((each) => typeof each !== 'string' || !each.includes('*') || MEANT.includes(each));
    for (const each of all)
      if (!value.includes(each))
        left.push({origin: proposal.origin, because: `in ${proposal.key.join('.')} of a policy a * would allow others too`});
    return value.length === 0 ? [] : [{...proposal, value}];
  });
}

/** A policy with a kind of address that needs a pool, and without one, is none: that kind is left. */
function withPools(proposals: readonly Proposal[], left: Leaving[]): Proposal[] {
  const pools = proposals.flatMap(({key, value}) => (key.join('.') === 'identity.pools' ? [value].flat() : [])) as {kind?: unknown}[];
  return proposals.flatMap((proposal) => {
    if (proposal.key.join('.') !== 'identity.address') return [proposal];
    const kinds = [proposal.value].flat();
    const without = kinds.filter((kind) => (kind === 'bridge' || kind === 'macvlan') && !pools.some((pool) => pool.kind === kind));
    for (const kind of without) {
      const because = `an address of kind ${String(kind)} needs a pool of the policy, of which the description names no addresses`;
      left.push({origin: proposal.origin, because});
    }
    const value = kinds.filter((kind) => !without.includes(kind));
    return value.length === 0 ? [] : [{...proposal, value}];
  });
}
