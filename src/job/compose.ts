/**
 * YAML nodes to plain values, by our own walk: the library's check for duplicate keys takes minutes on 100 000 keys, and its
 * conversion follows an alias into itself. Everything that would surprise later is refused here, with its place.
 */

import type * as yaml from 'yaml';
import type {Node} from 'yaml';
import {TareError} from '../errors.js';
import {at, below} from './at.js';
import type {Problems} from './problems.js';
import {show} from './show.js';

/** Levels of maps and lists that a document may have. */
export const DEEPEST = 64;
/** Nodes that aliases may add; a document that a person wrote needs a few dozen. */
const MOST_FROM_ALIASES = 1000;

/** The module of the package yaml, which is loaded only when a document needs it. */
export type Yaml = typeof yaml;

/** What turns a parsed YAML document into values. */
export interface Composer {
  yaml: Yaml;
  file: string;
  /** Line and column of an offset in the text. */
  place: (offset: number) => string;
  /** Numbers at these pointers stay as they were written: `VERSION: 1.10` is not 1.1. */
  asWritten: (pointer: string) => boolean;
  /** Is told of each value without quotes, as it is written. Absent: nobody asks. */
  plain?: ((pointer: string, source: string) => void) | undefined;
  problems: Problems;
}

/** Turns YAML nodes into plain values, with bounds on depth and aliases. Wrong values go to `problems`. @throws TareError DOCUMENT_SYNTAX */
export function compose(root: Node | null, composer: Composer): unknown {
  const {isAlias, isMap, isScalar, isSeq} = composer.yaml;
  const anchors = new Map<string, Node>();
  const open = new Set<Node>();
  let fromAliases = 0;

  const syntax = (node: unknown, message: string, found?: string, allowed?: string): TareError =>
    new TareError('DOCUMENT_SYNTAX', {message, where: composer.place((node as Node | null)?.range?.[0] ?? 0), found, allowed});

  const walk = (node: unknown, pointer: string, depth: number, aliased: boolean): unknown => {
    if (aliased && ++fromAliases > MOST_FROM_ALIASES)
      throw syntax(node, 'aliases repeat too much', undefined, `${MOST_FROM_ALIASES} repeated values`);
    if (depth > DEEPEST) throw syntax(node, 'nested too deeply', undefined, `${DEEPEST} levels`);
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target === undefined) throw syntax(node, 'an alias without its anchor', `*${node.source}`);
      if (open.has(target)) throw syntax(node, 'an alias that contains itself', `*${node.source}`);
      return walk(target, pointer, depth, true);
    }
    if (!isMap(node) && !isSeq(node)) {
      if (!isScalar(node)) return null;
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
      if (node.type === 'PLAIN' && node.source !== undefined) composer.plain?.(pointer, node.source);
      return scalar(node.value, node.source, pointer, composer);
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
    open.add(node);
    const value = isSeq(node)
      ? node.items.map((item, index) => walk(item, below(pointer, index), depth + 1, aliased))
      : map(node.items, pointer, depth, aliased);
    open.delete(node);
    return value;
  };

  const map = (
    pairs: readonly {key: unknown; value: unknown}[],
    pointer: string,
    depth: number,
    aliased: boolean,
  ): Record<string, unknown> => {
    const result: Record<string, unknown> = {};
    for (const {key: node, value} of pairs) {
      const key = isScalar(node) ? String(node.value) : '';
      if (key === '__proto__') throw syntax(node, 'a key that no document may have', show(key));
      if (Object.hasOwn(result, key)) composer.problems.add(syntax(node, 'the same key twice in one map', show(key)));
      result[key] = walk(value, below(pointer, key), depth + 1, aliased);
    }
    return result;
  };

  return walk(root, '', 0, false);
}

function scalar(value: unknown, source: string | undefined, pointer: string, {file, asWritten, problems}: Composer): unknown {
  const refuse = (message: string, allowed: string, remedy?: string): void =>
    problems.invalid({
      message,
      where: at(file, pointer),
      found: source === undefined ? show(value) : show(source).slice(1, -1),
      allowed,
      remedy,
    });
  if (typeof value === 'string' && value.includes('\0')) refuse('a NUL character', 'text that a program can be given');
  if (typeof value !== 'number') return value;
  if (asWritten(pointer) && source !== undefined) return source;
  if (!Number.isFinite(value)) refuse('not a finite number', 'a finite number');
  else if (Number.isInteger(value) && !Number.isSafeInteger(value))
    refuse('a number too large to be exact', 'less than 2^53', 'write it in quotes if it is text');
  return value;
}
