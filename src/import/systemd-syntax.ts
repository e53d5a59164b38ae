/** The syntax of systemd's files: sections, `Key=value`, comments and continued lines (systemd.syntax(7)), and words in values. */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import type {Origin} from './draft.js';
import {cut, readLines, type Line} from './lines.js';
import {visible} from './secret.js';

/** A setting; a continued line is joined. */
export interface Setting {
  section: string;
  name: string;
  value: string;
  /** The place of its value. */
  at: string;
  /** The place of its name. */
  origin: Origin;
}

/** Words of one value. */
const MOST_WORDS = 10_000;

/**
 * All settings of a file. What systemd passes over with a warning (a line without `=`, one outside of a section) is an error here, since
 * it was meant to say something. Sections and names that begin with `X-` are others' own, and passed over as systemd does.
 * @throws TareError DOCUMENT_UNREADABLE for what is no text
 */
export function readSettings(text: string, file: string, problems: Problems): Setting[] {
  const settings: Setting[] = [];
  let section: string | null = null;
  for (const line of joined(readLines(text.replace(/^\ufeff/, ''), file))) {
    const {text: written, place} = line;
    const start = written.search(/\S/);
    if (start < 0) continue;
    if (written[start] === '[') {
      section = /^\[([^[\]]+)\]$/.exec(written.trim())?.[1] ?? null;
      if (section === null) problems.add(syntax('a header of a section that does not end', place(start), written.trim(), '[Section]'));
      // one error for the header, none for what is below it
      section ??= 'X-';
      continue;
    }
    const equals = written.indexOf('=');
    const name = written.slice(start, Math.max(equals, start)).trim();
    if (name === '') problems.add(syntax('a line that is no setting', place(start), written.trim(), 'Key=value'));
    else if (section === null)
      problems.add(syntax('a setting before the first section', place(start), name, '[Exec], [Files] or [Network] above it'));
    else if (!section.startsWith('X-') && !name.startsWith('X-')) settings.push(settingOf(line, {section, name, start, equals}));
  }
  return settings;
}

function settingOf({text, place}: Line, where: {section: string; name: string; start: number; equals: number}): Setting {
  const {section, name, start, equals} = where;
  const behind = text.slice(equals + 1);
  const value = behind.trim();
  const shown = visible(name, value);
  const gap = value === '' ? 0 : behind.indexOf(value);
  return {
    section,
    name,
    value,
    at: place(equals + 1 + gap),
    origin: {at: place(start), as: cut(shown === null ? name : `${name}=${shown}`)},
  };
}

/** Lines that end in a backslash go on in the next one that is no comment; the backslash becomes a space. */
function joined(lines: readonly Line[]): Line[] {
  const whole: Line[] = [];
  let parts: {line: Line; texts: string[]} | null = null;
  for (const line of lines) {
    if (/^\s*[#;]/.test(line.text)) continue;
    const goesOn = (/\\*$/.exec(line.text)?.[0].length ?? 0) % 2 === 1;
    const text = goesOn ? `${line.text.slice(0, -1)} ` : line.text;
    if (parts === null) parts = {line, texts: [text]};
    else parts.texts.push(text);
    if (goesOn) continue;
    whole.push({...parts.line, text: parts.texts.join('')});
    parts = null;
  }
  if (parts !== null) whole.push({...parts.line, text: parts.texts.join('')});
  return whole;
}

const syntax = (message: string, where: string, found: string, allowed: string): TareError =>
  new TareError('DOCUMENT_SYNTAX', {message, where, found: show(found), allowed});

/**
 * Words between blanks; single and double quotes keep blanks. Backslashes stay, as in the lists of .nspawn files.
 * @throws TareError DOCUMENT_SYNTAX for a quote that does not end, or too many words
 */
export function wordsOf(value: string, where: string): string[] {
  const words: string[] = [];
  const pattern = /\s*((?:'[^']*'|"[^"]*"|[^\s'"]+)+)/y;
  while (pattern.lastIndex < value.length) {
    const before = pattern.lastIndex;
    const word = pattern.exec(value)?.[1];
    if (word === undefined) {
      if (value.slice(before).trim() === '') break;
      throw syntax('a quote that does not end', where, value.slice(before).trim(), 'a second quote of the same kind');
    }
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
    if (words.length > MOST_WORDS) throw syntax('too many words', where, `more than ${MOST_WORDS}`, `${MOST_WORDS} words`);
  }
  return words;
}

/** Parts between colons; `\:` is a colon of a part. At most so many: the last has the rest. */
export function partsOf(value: string, most: number): string[] {
  const parts = [''];
  for (const [one] of value.matchAll(/\\.|[^\\]|\\$/gsu)) {
    if (one === ':' && parts.length < most) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${one.length > 1 && one.startsWith('\\') ? one.slice(1) : one}`);
  }
  return parts;
}

/** A truth value. @throws TareError DOCUMENT_INVALID */
export function truthOf({name, value, at}: Setting, others: readonly string[] = []): boolean {
  if (/^(1|yes|y|true|t|on)$/i.test(value)) return true;
  if (/^(0|no|n|false|f|off)$/i.test(value)) return false;
  const allowed = ['yes or no', ...others].join(', ');
  throw new TareError('DOCUMENT_INVALID', {message: `${name} is no truth value`, where: at, found: show(value), allowed});
}
