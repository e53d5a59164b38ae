/** Documents of YAML and JSON as trees in which every value knows its place. */

import {ifPossible, TareError} from '../errors.js';
import {at, below} from '../job/at.js';
import {DEEPEST} from '../job/compose.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {readYaml} from '../job/yaml.js';
import type {Origin} from './draft.js';
import {settingOf} from './options.js';
import {refuseUnreadable} from './text.js';

/** A single value. Numbers of YAML stay text, as they were written. */
export interface Leaf {
  kind: 'leaf';
  value: string | number | boolean | null;
  /** `FILE#/json/pointer` */
  at: string;
  /** The text of a value of YAML that has no quotes; absent: it has, or the document is JSON. */
  plain?: string;
  /** What stood in place of the value, where variables were in it. */
  variables?: Variables;
}

/** Variables in a value, and what became of them. */
interface Variables {
  /** The text as it was written. */
  written: string;
  /** One that stands for nothing known, so that the value is of no use; null: none. */
  unknown: string | null;
  /** One whose default was taken; null: none. */
  defaulted: string | null;
  /** Those whose values were put in. */
  known: readonly string[];
}

/** A list of values. */
interface Sequence {
  kind: 'list';
  items: readonly Tree[];
  at: string;
}

/** A map from names to values. */
export interface Branch {
  kind: 'map';
  entries: ReadonlyMap<string, Tree>;
  at: string;
}

/** A value with its place. */
export type Tree = Leaf | Sequence | Branch;

/** Wrong values that are told. */
const MOST_FAULTS = 50;

/**
 * Reads a document that is a map.
 * @throws TareError DOCUMENT_SYNTAX, DOCUMENT_UNREADABLE, DOCUMENT_INVALID with the place; TareErrors of several
 */
export async function readTree(text: string, file: string): Promise<Branch> {
  refuseUnreadable(text, file, 'the document');
  const plain = new Map<string, string>();
  const note = (pointer: string, source: string): void => {
    plain.set(pointer, source);
  };
  const value = readJson(text) ?? (await readYaml(text, file, () => true, note));
  const tree = treeOf(value, {file, plain}, '', 0);
  if (tree.kind !== 'map')
    throw new TareError('DOCUMENT_INVALID', {message: 'the document is not a map', where: file, found: shown(tree), allowed: 'a map'});
  return tree;
}

/** JSON needs no parser of YAML, unless there is something to complain of: of a key that is there twice JSON.parse() takes the last without a word. */
function readJson(text: string): unknown {
  if (!/^\s*\{/.test(text) || /__proto__|\\u005f/i.test(text)) return undefined;
  const value = ifPossible((): unknown => JSON.parse(text));
  return value === null || keysIn(value) !== keysWritten(text) ? undefined : value;
}

/** Strings that a colon follows. @param text JSON without errors */
const keysWritten = (text: string): number =>
  [...text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined).length;

/** Keys of all maps in a value, however deep. */
function keysIn(value: unknown): number {
  let count = 0;
  for (const open: unknown[] = [value]; open.length > 0;) {
    const next = open.pop();
    if (typeof next !== 'object' || next === null) continue;
    const inner: unknown[] = Object.values(next);
    if (!Array.isArray(next)) count += inner.length;
    for (const one of inner) open.push(one);
  }
  return count;
}

interface Written {
  file: string;
  /** By their pointers. */
  plain: ReadonlyMap<string, string>;
}

function treeOf(value: unknown, written: Written, pointer: string, depth: number): Tree {
  const place = at(written.file, pointer);
  if (depth > DEEPEST)
    throw new TareError('DOCUMENT_SYNTAX', {message: 'nested too deeply', where: place.slice(0, 200), allowed: `${DEEPEST} levels`});
  const child = (one: unknown, key: string | number): Tree => treeOf(one, written, below(pointer, key), depth + 1);
  if (Array.isArray(value)) return {kind: 'list', items: value.map(child), at: place};
  if (typeof value === 'object' && value !== null)
    return {kind: 'map', entries: new Map(Object.entries(value).map(([key, one]) => [key, child(one, key)])), at: place};
  if (typeof value === 'string' && value.includes('\0'))
    throw new TareError('DOCUMENT_INVALID', {message: 'a NUL character', where: place, found: show(value), allowed: 'text without it'});
  const plain = written.plain.get(pointer);
  return {kind: 'leaf', value: value as Leaf['value'], at: place, ...(plain === undefined ? {} : {plain})};
}

/** A value as it stands in a message. */
const shown = (tree: Tree): string => (tree.kind === 'leaf' ? show(tree.value) : tree.kind === 'list' ? 'a list' : 'a map');

/** Where a setting came from, with its value where that is a single one. */
export const originOf = (name: string, tree: Tree): Origin => ({
  at: tree.at,
  as: tree.kind === 'leaf' && tree.value !== null ? settingOf(`${name}:`, String(tree.value)) : settingOf(name, null),
});

/** Takes values out of a tree; one of another kind than is asked for goes to `problems`. */
export class TreeReader {
  readonly problems: Problems;
  #faults = 0;

  constructor(problems: Problems) {
    this.problems = problems;
  }

  /** null: it is no map. */
  map(tree: Tree, what: string): Branch | null {
    if (tree.kind === 'map') return tree;
    this.wrong(tree, `${what} is not a map`, 'a map');
    return null;
  }

  /** Nothing where it is no list. */
  list(tree: Tree, what: string): readonly Tree[] {
    if (tree.kind === 'list') return tree.items;
    this.wrong(tree, `${what} is not a list`, 'a list');
    return [];
  }

  /** Text, or a number as text; null: it is neither. */
  text(tree: Tree, what: string): string | null {
    if (tree.kind === 'leaf' && (typeof tree.value === 'string' || typeof tree.value === 'number')) return String(tree.value);
    this.wrong(tree, `${what} is not text`, 'text');
    return null;
  }

  /** Texts of a list; what is none is left out. */
  texts(tree: Tree, what: string): {text: string; tree: Tree}[] {
    return this.list(tree, what).flatMap((one) => {
      const text = this.text(one, `an entry of ${what}`);
      return text === null ? [] : [{text, tree: one}];
    });
  }

  /** A whole number, which may be below 0; larger ones than 2^53 are rounded. null: it is none. */
  whole(tree: Tree, what: string): number | null {
    const value = tree.kind === 'leaf' ? tree.value : null;
    const number =
      typeof value === 'number' ? value : typeof value === 'string' && /^[+-]?\d{1,30}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isInteger(number)) return number;
    this.wrong(tree, `${what} is not a whole number`, 'a whole number');
    return null;
  }

  /** true or false, also as text; null: neither. */
  truth(tree: Tree, what: string): boolean | null {
    if (tree.kind === 'leaf' && (tree.value === true || tree.value === 'true')) return true;
    if (tree.kind === 'leaf' && (tree.value === false || tree.value === 'false')) return false;
    this.wrong(tree, `${what} is neither true nor false`, 'true, false');
    return null;
  }

  /** Tells that a value is not what is allowed. */
  wrong(tree: Tree, message: string, allowed: string, remedy?: string): void {
    // An error costs more than a value, and a person reads a few.
    if (++this.#faults <= MOST_FAULTS) this.problems.invalid({message, where: tree.at, found: shown(tree), allowed, remedy});
  }
}
