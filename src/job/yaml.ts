/**
 * YAML 1.2 (and so JSON) text to a plain value. The `yaml` package is loaded only when there is YAML to read: that takes 50 ms
 * where it is not bundled, as long as Node itself.
 */

import type {Document, ErrorCode, LineCounter, YAMLError} from 'yaml';
import {TareError} from '../errors.js';
import {compose, DEEPEST, type Yaml} from './compose.js';
import {Problems} from './problems.js';

/** More would scroll the first, which is usually the cause of the others, off the screen. */
const MOST_ERRORS = 5;

/** Messages for errors that the library's own words do not explain. */
const WORDS: Partial<Record<ErrorCode, {message: string; remedy?: string}>> = {
  TAB_AS_INDENT: {message: 'a tab as indentation', remedy: 'indent with spaces'},
  MULTIPLE_DOCS: {message: 'more than one document in the file', remedy: 'keep one document, without --- or ... after it'},
  NON_STRING_KEY: {message: 'a key that is not text'},
  TAG_RESOLVE_FAILED: {message: 'a tag, which these documents do not have', remedy: 'remove the word that begins with !'},
};

/**
 * Parses YAML 1.2.
 * @param plain is told of each value without quotes; absent: nobody asks
 * @throws TareError DOCUMENT_SYNTAX, TareErrors of several
 */
export async function readYaml(
  text: string,
  file: string,
  asWritten: (pointer: string) => boolean,
  plain?: (pointer: string, source: string) => void,
): Promise<unknown> {
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const place = (offset: number): string => {
    const {line, col} = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const document = parse(yaml, text, file, lines);
  if (document.directives.yaml.version !== '1.2') {
    throw new TareError('DOCUMENT_SYNTAX', {
      message: 'another version of YAML',
      where: place(0),
      found: document.directives.yaml.version,
      allowed: '1.2',
    });
  }
  const problems = new Problems();
  // A missing bracket is complained of once for each that is open.
  const byOffset = new Map([...document.errors, ...document.warnings].reverse().map((error) => [error.pos[0], error]));
  for (const error of [...byOffset.values()].reverse().slice(0, MOST_ERRORS)) problems.add(asSyntaxError(error, place));
  problems.throwIfAny();
  const value = compose(document.contents, {yaml, file, place, asWritten, plain, problems});
  problems.throwIfAny();
  return value;
}

function parse({parseDocument}: Yaml, text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    // uniqueKeys is off because it is quadratic: compose() looks for duplicates.
    return parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false,
      resolveKnownTags: false,
      logLevel: 'error',
    });
  } catch (cause) {
    // The parser is recursive, and so is the engine's regular expression: either may run out of stack.
    const {line, column} = deepest(text);
    throw new TareError('DOCUMENT_SYNTAX', {
      message: 'nested too deeply',
      where: `${file}:${line}:${column}`,
      allowed: `${DEEPEST} levels`,
      cause,
    });
  }
}

function asSyntaxError({code, message, pos}: YAMLError, place: (offset: number) => string): TareError {
  return new TareError('DOCUMENT_SYNTAX', {message, where: place(pos[0]), ...WORDS[code]});
}

/** The place at which a text gets too deep for the parser: the bracket too many, else the line that is indented most. */
function deepest(text: string): {line: number; column: number} {
  let open = 0;
  let widest = {line: 1, column: 0};
  for (const [index, line] of text.split('\n').entries()) {
    const indented = line.search(/[^\s-]|$/) + 1;
    if (indented > widest.column) widest = {line: index + 1, column: indented};
    for (let column = 0; column < line.length; column++) {
      if ('[{'.includes(line[column] ?? '')) open++;
      else if (']}'.includes(line[column] ?? '')) open--;
      if (open > DEEPEST) return {line: index + 1, column: column + 1};
    }
  }
  return widest;
}
