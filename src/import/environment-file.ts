/** Files of variables: of `--env-file`, which docker and podman take word for word, and of compose, which knows quotes and variables in them. */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import type {Origin} from './draft.js';
import {interpolate, type Lookup} from './interpolate.js';
import {settingOf} from './options.js';
import {refuseUnreadable} from './text.js';

/** A variable of a file. */
export interface Assignment {
  name: string;
  /** null: the file names it without a value. */
  value: string | null;
  /** A variable in the value of which nothing is known; null: none. */
  unknown: string | null;
  /** `FILE:LINE:COLUMN` */
  at: string;
}

const MOST_LINES = 10_000;
/** Names of variables of a job; no document has the one that JavaScript takes for a prototype. */
export const VARIABLE = /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_.]*$/;

/** How a variable of a file is called: what has no name that a job's variable may have, by its place alone. */
export const calledIn = ({name, at}: Assignment): Origin => ({at, as: VARIABLE.test(name) ? settingOf(name, null) : 'a variable'});

/**
 * Reads lines `NAME=VALUE`, comments and empty lines. What is none of these goes to `problems`.
 * @param lookup what variables in values stand for, in compose's format; null: docker's, in which the value is what stands behind the sign
 * @throws TareError DOCUMENT_UNREADABLE
 */
export function readAssignments(text: string, file: string, lookup: Lookup | null, problems: Problems): Assignment[] {
  refuseUnreadable(text, file, 'the file of variables');
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  if (lines.length > MOST_LINES)
    throw new TareError('DOCUMENT_UNREADABLE', {
      message: 'the file of variables is too long',
      where: file,
      found: `${lines.length} lines`,
      allowed: `${MOST_LINES} lines`,
    });
  const found: Assignment[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const start = line.search(/\S/);
    if (start < 0 || line[start] === '#') continue;
    const at = `${file}:${index + 1}:${start + 1}`;
    // What is in a file that is no such file is not shown.
    const wrong = (message: string, allowed: string): void => problems.invalid({message, where: at, allowed});
    const [, before = '', sign, rest = ''] = /^([^=]*)(=?)(.*)$/.exec(line.slice(start)) ?? [];
    const name = lookup === null ? before : before.replace(/^export\s+/, '').trim();
    if (name === '' || /\s/.test(name)) {
      wrong('not a variable', 'NAME=VALUE');
      continue;
    }
    if (sign === '') found.push({name, value: null, unknown: null, at});
    else if (lookup === null) found.push({name, value: rest, unknown: null, at});
    else {
      const quoted = quotedAt(lines, index, rest.trimStart());
      if (quoted === null) wrong('a quotation that does not end', 'a quotation mark at its end');
      else {
        index += quoted.lines;
        found.push({name, at, ...valueOf(quoted, lookup, at, problems)});
      }
    }
  }
  return found;
}

interface Quoted {
  text: string;
  mark: '"' | "'" | '';
  /** Lines that it goes beyond its first. */
  lines: number;
}

/** The value at the beginning of a text, which goes on in the next lines where it is quoted; null: the quotation does not end. */
function quotedAt(lines: readonly string[], index: number, rest: string): Quoted | null {
  const mark = rest.charAt(0);
  if (mark !== '"' && mark !== "'") {
    const comment = rest.search(/(^|\s)#/);
    return {text: rest.slice(0, comment < 0 ? rest.length : comment).trimEnd(), mark: '', lines: 0};
  }
  let text = '';
  let line = rest.slice(1);
  for (let more = 0; ; more++) {
    for (let offset = 0; offset < line.length; offset++) {
      if (line[offset] === '\\' && offset + 1 < line.length) offset++;
      else if (line[offset] === mark) return {text: text + line.slice(0, offset), mark, lines: more};
    }
    const next = lines[index + more + 1];
    if (next === undefined) return null;
    text += `${line}\n`;
    line = next;
  }
}

const ESCAPED: Readonly<Record<string, string>> = {n: '\n', r: '\r', t: '\t', '\\': '\\', '"': '"', $: '$$'};

function valueOf({text, mark}: Quoted, lookup: Lookup, where: string, problems: Problems): Pick<Assignment, 'value' | 'unknown'> {
  if (mark === "'") return {value: text.replaceAll("\\'", "'"), unknown: null};
  const plain = mark === '' ? text : text.replaceAll(/\\([nrt\\"$])/g, (_, letter: string) => ESCAPED[letter] ?? letter);
  const {value, unknown, fault} = interpolate(plain, lookup);
  // The fault itself names what stands behind the dollar sign.
  if (fault !== null)
    problems.invalid({
      message: 'a variable in a value that is not written as compose has it',
      where,
      allowed: `$NAME, $\{NAME}, $\{NAME:-default}`,
    });
  return {value, unknown};
}
