/** Whether ids are in use on this node: by an account or a group, or as subordinate ids of a user (subuid(5), subgid(5)). */

import {readFileSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import type {IdRange} from './facts.js';

/** Root may map any, and what it keeps for containers it may keep for these. */
const OWN = ['root', '0'];

/** The first holder that is found, in words; null: none. @param read a file's text, empty where there is none */
export function holderOf({start, count}: IdRange, read: (path: string) => string = textOf): string | null {
  const overlaps = (first: number, many: number): boolean => first < start + count && start < first + many;
  for (const path of ['/etc/passwd', '/etc/group'])
    for (const [name = '', , id] of fieldsOf(read(path)))
      if (id !== undefined && id !== '' && overlaps(Number(id), 1)) return `${name} (${id}) in ${path}`;
  for (const path of ['/etc/subuid', '/etc/subgid'])
    for (const [who = '', first, many] of fieldsOf(read(path)))
      if (!OWN.includes(who) && overlaps(Number(first), Number(many))) return `${who} (${many ?? ''} from ${first ?? ''}) in ${path}`;
  return null;
}

const fieldsOf = (text: string): string[][] => text.split('\n').map((line) => line.trim().split(':'));

const textOf = (path: string): string => ifPossible(() => readFileSync(path, 'utf8')) ?? '';
