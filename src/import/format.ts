/** What a format of foreign descriptions has to have, to be read. */

import {TareError} from '../errors.js';
import {show} from '../job/show.js';
import type {Draft} from './draft.js';

/** A description that another tool wrote, as it was found. */
export interface Foreign {
  text: string;
  /** Its name for people, in front of every place. */
  file: string;
  /** The absolute path of the directory that it lies in; null or absent: it has none, or that is not known. */
  directory?: string | null;
  /** The text of another file that it names, relative to it; null: there is none, or it cannot be read. */
  read: (path: string) => string | null;
  /** The one of several descriptions in the file that is meant, such as a service of a compose file; null: the only one. */
  part: string | null;
}

/** A format: how it is recognised and read. */
export interface Format {
  /** The name of `tare import --format`. */
  name: string;
  /** What it is, for help. */
  title: string;
  /** Whether a text is of this format, by its beginning or its file's name; no two formats say so of one text. */
  recognises: (text: string, file: string) => boolean;
  /** @throws TareError DOCUMENT_SYNTAX, DOCUMENT_INVALID, QUANTITY_INVALID with the place; TareErrors of several */
  read: (foreign: Foreign) => Draft | Promise<Draft>;
}

/** For formats with one description in a file. @throws TareError DOCUMENT_INVALID when a part is named */
export function refusePart({part, file}: Foreign): void {
  if (part === null) return;
  throw new TareError('DOCUMENT_INVALID', {
    message: 'there is one description in it, and no parts',
    where: file,
    found: show(part),
    remedy: 'leave out --part',
  });
}
