/** How a word of a command line names one of several jobs: the one rule of all commands that take an id or a name. Nothing here looks at the node. */

import {TareError} from '../errors.js';

/** What a job can be called by. */
export interface Named {
  /** Of its box and of its record. */
  ids: readonly string[];
  name: string | null;
}

/** Hexadecimal digits and hyphens: what the beginning of an id can be. */
const ID_TEXT = /^[0-9a-f][0-9a-f-]*$/;
/** A whole id: 16 digits of a box, or the UUID of a record (RFC 9562), in either case of letters. */
const WHOLE_ID = /^(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/**
 * Those that a word means: the one whose id it is; else all whose id begins so, and all of that name. A word that is the beginning of one's id and
 * the name of another means both: a command that ends a job must not guess. A word in the form of a whole id is never a name: else a user who
 * names a job like the id of one that has ended would get what was meant for that one.
 * @returns none: the word means nothing; more than one: it is ambiguous
 */
export function choose<T extends Named>(jobs: Iterable<T>, word: string): T[] {
  const exact: T[] = [];
  const others: T[] = [];
  const isId = ID_TEXT.test(word);
  const canBeName = word !== '' && !WHOLE_ID.test(word);
  for (const job of jobs) {
    if (isId && job.ids.includes(word)) exact.push(job);
    else if ((isId && job.ids.some((id) => id.startsWith(word))) || (canBeName && job.name === word)) others.push(job);
  }
  return exact.length === 1 ? exact : [...exact, ...others];
}

const MOST_SHOWN = 8;

/** @param shown each of those that are meant, in words, in the order in which they are to be listed */
export const ambiguous = (word: string, what: string, shown: readonly string[]): TareError =>
  new TareError('BOX_AMBIGUOUS', {
    message: `several ${what} have an id that begins with ${word}, or that name`,
    found: shown.slice(0, MOST_SHOWN).join(', ') + (shown.length > MOST_SHOWN ? ` and ${shown.length - MOST_SHOWN} more` : ''),
    remedy: 'give more of the id',
  });
