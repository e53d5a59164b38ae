/** The lines of an OpenVZ container's configuration: `PARAMETER="value"` (ctid.conf(5)). */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import type {Draft, Origin} from './draft.js';
import {cut, readLines, type Line} from './lines.js';
import {visible} from './secret.js';

/** A parameter of the container. */
export interface Setting {
  name: string;
  value: string;
  /** The place of its value. */
  at: string;
  /** The place of its name. */
  origin: Origin;
}

/** What is read from the configuration, and where to. */
export interface Container {
  draft: Draft;
  problems: Problems;
  /** By name; of a name that comes twice the one that vzctl takes. */
  settings: ReadonlyMap<string, Setting>;
}

/**
 * All settings of a file. vzctl skips lines that it cannot read, with a warning; here each is an error, since it was meant to say something.
 * A comment behind the closing quote is no part of a value.
 * @throws TareError DOCUMENT_UNREADABLE for what is no text
 */
export function readSettings(text: string, file: string, problems: Problems): Setting[] {
  return readLines(text, file).flatMap((line) => problems.attempt(() => settingIn(line)) ?? []);
}

function settingIn({text, place}: Line): Setting | null {
  const start = text.search(/\S/);
  if (start < 0 || text[start] === '#') return null;
  const equals = text.indexOf('=', start);
  const name = equals < 0 ? '' : text.slice(start, equals);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw new TareError('DOCUMENT_SYNTAX', {
      message: equals < 0 ? 'a line without =' : 'no name of a parameter',
      where: place(start),
      found: show(equals < 0 ? text.trim() : name),
      allowed: 'PARAMETER="value", without blanks around the =, or # and a comment',
    });
  const value = valueIn(text.slice(equals + 1), place(equals + 1));
  const shown = visible(name, value);
  return {name, value, at: place(equals + 1), origin: {at: place(start), as: cut(shown === null ? name : `${name}="${shown}"`)}};
}

/** vzctl takes backslashes away first, then all between the first and the last quote. */
function valueIn(written: string, where: string): string {
  const value = written.replaceAll(/\\(.?)/g, '$1').trimEnd();
  if (!value.startsWith('"')) return value;
  const end = value.lastIndexOf('"');
  if (end === 0)
    throw new TareError('DOCUMENT_SYNTAX', {message: 'a value whose quote does not end', where, found: show(value), allowed: '"value"'});
  const behind = value.slice(end + 1).trim();
  if (behind !== '' && !behind.startsWith('#'))
    throw new TareError('DOCUMENT_SYNTAX', {
      message: 'text behind a value',
      where,
      found: show(behind),
      allowed: '"value" and nothing else',
    });
  return value.slice(1, end);
}
