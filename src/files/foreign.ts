/** Reads descriptions that other tools wrote, and the files that they name: regular files of a bounded size, or standard input to its end. */

import {constants, fstatSync, statSync, type Stats} from 'node:fs';
import {dirname, resolve} from 'node:path/posix';
import {ifPossible, TareError} from '../errors.js';
import {withFile} from '../record/durable.js';
import {readToEnd, STANDARD_INPUT, STDIN} from './bounded.js';
import {unreadable} from './documents.js';

/** Bytes of a description, or of a file that it names. */
const LARGEST = 1024 * 1024;
/** Files that one description may name. */
const MOST_FILES = 100;

/** A description as it was found. */
export interface ForeignText {
  text: string;
  /** Its name for people. */
  file: string;
  /** The absolute path of its directory; of standard input the caller's. */
  directory: string;
  /** The text of a file that it names, relative to it; null: it cannot be read, or is no file, or too large, or one of too many. */
  read: (path: string) => string | null;
}

/**
 * Reads a description.
 * @param file `-` for standard input
 * @throws TareError DOCUMENT_UNREADABLE
 */
export function readForeign(file: string): ForeignText {
  const isInput = file === '-';
  const name = isInput ? STANDARD_INPUT : file;
  const directory = resolve(isInput ? '.' : dirname(file));
  let files = 0;
  const read = (path: string): string | null => {
    if (path === '' || path.includes('\0') || ++files > MOST_FILES) return null;
    return ifPossible(() => readFile(resolve(directory, path), path));
  };
  try {
    return {text: isInput ? readToEnd(STDIN, bounds(name)) : readFile(file, name), file: name, directory, read};
  } catch (error) {
    throw error instanceof TareError ? error : unreadable(name, 'description', error);
  }
}

const bounds = (name: string): {name: string; what: string; most: number} => ({name, what: 'description', most: LARGEST});

/** A named pipe must not hang us, and some devices do something when they are opened. @throws TareError DOCUMENT_UNREADABLE, Error of the system */
function readFile(path: string, name: string): string {
  const check = (stats: Stats): void => {
    if (!stats.isFile()) throw new TareError('DOCUMENT_UNREADABLE', {message: 'the description is not a file', where: name});
  };
  check(statSync(path));
  return withFile(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY, (descriptor) => {
    check(fstatSync(descriptor)); // it may be another one now
    return readToEnd(descriptor, bounds(name));
  });
}
