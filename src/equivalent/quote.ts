/** Texts as shells and configuration formats read them: each function gives what the format reads back as the text. */

/** Words that no shell changes. */
const PLAIN = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;
/** What steers a terminal, turns the text or ends a line there: control and format characters, separators of lines and paragraphs. */
const STEERS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const ALL_THAT_STEERS = new RegExp(STEERS, 'gu');
/** The same, and halves of surrogate pairs, which no text file holds. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/u;
const NAMED: Readonly<Record<string, string>> = {'\n': '\\n', '\t': '\\t', '\r': '\\r', '\\': '\\\\', "'": "\\'"};

/**
 * A word for a shell. One with control or format characters is written as `$'…'`, which bash, ksh, zsh and POSIX.1-2024 read, so that a word never
 * spans lines; each other word is plain or in single quotes (XCU, 2.2).
 */
export function shellWord(text: string): string {
  if (PLAIN.test(text)) return text;
  if (!CONTROL.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const escaped = Array.from(text, (character) => NAMED[character] ?? (CONTROL.test(character) ? byteEscapes(character) : character));
  return `$'${escaped.join('')}'`;
}

const byteEscapes = (character: string): string =>
  [...new TextEncoder().encode(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');

/** Words of a command, as a shell reads them. */
export const shellWords = (words: readonly string[]): string => words.map(shellWord).join(' ');

/** A command of several lines: each option stands on its own, after the program. The words of each option are given together. */
export const shellLines = (groups: readonly (readonly string[])[]): string => groups.map(shellWords).join(' \\\n  ');

/** Whether XML 1.0 can hold a text (section 2.2, Char). */
export const xmlHolds = (text: string): boolean =>
  !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);

/** A text without what XML 1.0 cannot hold. */
export const xmlPart = (text: string): string => Array.from(text).filter(xmlHolds).join('');

/**
 * A text in an element or an attribute of XML. Line ends and tabs are references, since a parser changes them else (XML 1.0, 2.11 and 3.3.3),
 * and so is what steers a terminal.
 */
export const xmlText = (text: string): string =>
  text.replaceAll(/[&<>"'\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `&#${String(character.codePointAt(0))};`);

/** A text in a comment of XML, which holds no `--` and does not end with `-` (XML 1.0, 2.5). */
export const xmlComment = (text: string): string => text.replaceAll(/-(?=-)/g, '- ').replace(/-$/, '- ');

/** A text on one line, for a comment: nothing in it ends the line, or steers a terminal. */
export const oneLine = (text: string): string => text.replaceAll(ALL_THAT_STEERS, '\ufffd');

/** A field of a line of CSV, as `--mount` of docker, podman and apptainer reads it (RFC 4180). */
export const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** A path in an option of systemd-nspawn(1), where `:` separates and a backslash escapes. */
export const colonPath = (text: string): string => text.replaceAll(/[\\:]/g, '\\$&');

/** A word in a property of systemd-run(1), where spaces and `:` separate, and quotes hold a word together (systemd.syntax(7)). */
export const propertyWord = (text: string): string => (/[\s:"'\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text);

/**
 * A path in an entry of LXC's mounts, where spaces separate. It knows four escapes (getmntent(3)): space, tab, line end and backslash. null: it
 * cannot be written, since it begins with `#`, or holds another character that steers a terminal.
 */
export function fstabField(text: string): string | null {
  const escaped = text.replaceAll(/[ \t\n\\]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return escaped.startsWith('#') || STEERS.test(escaped) ? null : escaped;
}

/**
 * A value of an LXC configuration, which is one line, without spaces at its ends unless it is in quotes. It has no escapes; null: it cannot be
 * written, since it holds a character other than a tab that ends the line or steers a terminal.
 */
export function lxcValue(text: string): string | null {
  if (STEERS.test(text.replaceAll('\t', ''))) return null;
  return /^[\s"']|\s$/.test(text) ? `"${text}"` : text;
}
