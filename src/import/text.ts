/** What a text of another tool must be at least, before it is looked at. */

import {TareError} from '../errors.js';

/** Characters; as many as a job descriptor may have. */
const LONGEST = 2 ** 20;

/** Refuses what is too long or no text. @param what it is, for messages @throws TareError DOCUMENT_UNREADABLE with the place */
export function refuseUnreadable(text: string, file: string, what: string): void {
  if (text.length > LONGEST)
    throw new TareError('DOCUMENT_UNREADABLE', {
      message: `${what} is too long`,
      where: file,
      found: `${text.length} characters`,
      allowed: `${LONGEST} characters`,
    });
  // U+FFFD is what bytes that are not UTF-8 have become
  const offset = text.search(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]/);
  if (offset < 0) return;
  const before = text.slice(0, offset).split('\n');
  throw new TareError('DOCUMENT_UNREADABLE', {
    message: `${what} is not text`,
    where: `${file}:${before.length}:${(before.at(-1) ?? '').length + 1}`,
    found: `the character U+${text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, '0')}`,
    allowed: 'text in UTF-8, or in UTF-16 with a byte order mark',
  });
}
