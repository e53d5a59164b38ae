/** The lines of a text file that another tool wrote, with their places. */

import {TareError} from '../errors.js';

/** Characters. */
const LONGEST = 2 ** 20;
/** People and tools write some hundred. */
const MOST_LINES = 10_000;
/** Characters of a setting in the account of where a value came from. */
const LONGEST_ORIGIN = 60;

/** A line, without its end. */
export interface Line {
  text: string;
  /** From 1. */
  number: number;
  /** `FILE:LINE:COLUMN` of one of its characters, counted from 0. */
  place: (index: number) => string;
}

/** The lines of a file; CR LF counts as LF. @throws TareError DOCUMENT_UNREADABLE for what is no text or too long */
export function readLines(text: string, file: string): Line[] {
  const tooLong = (found: number, most: number, what: string): TareError =>
    new TareError('DOCUMENT_UNREADABLE', {
      message: 'the file is too long',
      where: file,
      found: `${found} ${what}`,
      allowed: `${most} ${what}`,
    });
  if (text.length > LONGEST) throw tooLong(text.length, LONGEST, 'characters');
  const lines = text.split(/\r?\n/);
  if (lines.length > MOST_LINES) throw tooLong(lines.length, MOST_LINES, 'lines');
  return lines.map((line, index) => {
    const number = index + 1;
    const place = (at: number): string => `${file}:${number}:${at + 1}`;
    // U+FFFD is what bytes that are not UTF-8 have become
    const garbage = line.search(/[\0-\x08\x0a-\x1f\x7f\ufffd]/);
    if (garbage >= 0)
      throw new TareError('DOCUMENT_UNREADABLE', {
        message: 'the file is not text',
        where: place(garbage),
        found: `the character U+${line.charCodeAt(garbage).toString(16).toUpperCase().padStart(4, '0')}`,
        allowed: 'text in UTF-8, or in UTF-16 with a byte order mark',
      });
    return {text: line, number, place};
  });
}

/** A text on one line, cut to the length that an account of origins has. */
export const cut = (text: string): string => (text.length <= LONGEST_ORIGIN ? text : `${text.slice(0, LONGEST_ORIGIN - 1)}…`);
