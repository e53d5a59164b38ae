/** Records of another version, as this one reads them. Pure. */

import type {UsageRecord} from '../schema/generated/record-2.js';

type Tree = Record<string, unknown>;

/** What version 1 calls otherwise, by where it is. The figures below these keys have kept their names. */
const NAMES = {
  record: new Map([
    ['net', 'usage'],
    ['within', 'parent'],
    ['parts', 'children'],
  ]),
  usage: new Map([['net', 'usage']]),
  outcome: new Map([['whose', 'limitScope']]),
  wrapper: new Map([
    ['front', 'shim'],
    ['brain', 'supervisor'],
  ]),
};
const SCHEMA: UsageRecord['schema'] = 'tare/record/v2';

/**
 * A record of version 1 as one of version 2.
 * @param value as it was read: nothing of it need be as its schema has it
 * @returns what is no record of version 1 as it is: a later version is refused by the check of the schema
 */
export function migrateRecord(value: unknown): unknown {
  if (!isTree(value) || value['schema'] !== 'tare/record/v1') return value;
  const record = change(renamed(value, NAMES.record), {
    wrapper: migrateWrapper,
    tare: (tare) => change(tare, {processes: (list) => each(list, (one) => change(one, {name: processName}))}),
    applications: (list) => each(list, migrateApplication),
    children: migrateChildren,
    outcome: (outcome) => renamed(outcome, NAMES.outcome),
    flags: (list) => (Array.isArray(list) ? list.map(flagName).sort() : list),
  }) as Tree;
  return {...record, schema: SCHEMA, choices: null};
}

/** The processes that will end an attempt; also in files beside records, which say no version. */
export const migrateWrapper = (wrapper: unknown): unknown => renamed(wrapper, NAMES.wrapper);

/** Renames the keys of one application of a record of version 1. */
export const migrateApplication = (application: unknown): unknown =>
  change(renamed(application, NAMES.usage), {outcome: (outcome) => renamed(outcome, NAMES.outcome)});

/** Renames the keys of the list of children of a record of version 1. */
export const migrateChildren = (children: unknown): unknown =>
  change(children, {
    trust: (trust) => (trust === 'told' ? 'self-reported' : trust),
    list: (list) => each(list, (child) => renamed(child, NAMES.usage)),
  });

const flagName = (flag: unknown): unknown => (flag === 'brain-lost' ? 'supervisor-lost' : flag);

const processName = (name: unknown): unknown => (typeof name === 'string' ? (NAMES.wrapper.get(name) ?? name) : name);

/** A JSON object. */
export const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Elements of a list migrated. */
export const each = (value: unknown, migrate: (one: unknown) => unknown): unknown => (Array.isArray(value) ? value.map(migrate) : value);

/** A copy with other names for some keys, in the same order. */
const renamed = (value: unknown, names: ReadonlyMap<string, string>): unknown =>
  isTree(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [names.get(key) ?? key, inner])) : value;

/** A copy with the values of some keys migrated, where these are there. */
export function change(value: unknown, migrations: Readonly<Record<string, (inner: unknown) => unknown>>): unknown {
  if (!isTree(value)) return value;
  const changed = Object.entries(migrations).flatMap(([key, migrate]) => (Object.hasOwn(value, key) ? [[key, migrate(value[key])]] : []));
  return {...value, ...(Object.fromEntries(changed) as Tree)};
}
