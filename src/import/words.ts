/**
 * The words of one command, as a shell would split them (POSIX.1-2017, XCU 2.2 and 2.3): quotes, backslashes and comments. Nothing is
 * expanded and nothing is run. What a shell would expand, or would do besides starting one program, is refused with its place.
 */

import {TareError} from '../errors.js';
import {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {refuseUnreadable} from './text.js';

/** Words of one command; the kernel's limit is on bytes alone, and no person writes as many. */
const MOST_WORDS = 10_000;

/** Faults that are looked for; a person reads a few. */
const MOST_FAULTS = 50;

/** A word of a command, without its quotes. */
export interface Word {
  text: string;
  /** `FILE:LINE:COLUMN` of its first character. */
  at: string;
}

/** What a shell does with a character outside quotes, for messages. */
const REFUSED: Readonly<Record<string, string>> = {
  '|': 'a pipe',
  '&': 'a command in the background, or a second command',
  ';': 'a second command',
  '<': 'a redirection',
  '>': 'a redirection',
  '(': 'a subshell',
  ')': 'a subshell',
  '*': 'a pattern of file names',
  '?': 'a pattern of file names',
  '[': 'a pattern of file names',
  '`': 'the output of a command',
};
/** Of these, what connects commands. */
const CONNECTS = '|&;<>()';
/** What a shell expands a dollar sign with. Quotes count only outside quotes. */
const EXPANDS = /^\$[A-Za-z0-9_{(@*#?$!'"-]/;
const EXPANDS_IN_QUOTES = /^\$[A-Za-z0-9_{(@*#?$!-]/;
/** What a backslash takes its meaning from between double quotes. */
const ESCAPED_IN_QUOTES = '$`"\\';
/** Braces; bash and zsh make several words of those that hold a comma or two dots. */
const BRACES = /^\{([^\s{}'"\\]*)\}/;
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*=/;

/**
 * The words of the only command in a text. Comments and empty lines around it are passed over; a backslash at the end of a line continues it.
 * @throws TareError DOCUMENT_SYNTAX with the place, DOCUMENT_UNREADABLE for what is no text or too long; TareErrors of several
 */
export function readCommand(text: string, file: string): Word[] {
  const lines = text.replaceAll('\r\n', '\n');
  refuseUnreadable(lines, file, 'the command');
  const scanner = new Scanner(lines, file);
  const words = scanner.command();
  scanner.problems.throwIfAny();
  if (words.length === 0)
    throw new TareError('DOCUMENT_SYNTAX', {message: 'there is no command', where: `${file}:1:1`, allowed: 'one command'});
  return words;
}

/**
 * The words of a text that is a command already, such as `command:` of a compose file: quotes and backslashes count, and blanks of any kind
 * are between words. Nothing else has a meaning, but for what would end or connect commands.
 * @param at the place of the whole text, which becomes that of each word
 * @throws TareError DOCUMENT_SYNTAX; TareErrors of several
 */
export function splitWords(text: string, at: string): Word[] {
  const scanner = new Scanner(text, at, true);
  const words = scanner.command();
  scanner.problems.throwIfAny();
  return words;
}

/** Goes over a text once. */
class Scanner {
  readonly problems = new Problems();
  readonly #text: string;
  readonly #file: string;
  /** Whether the whole text is one command, of which nothing is expanded and every word has the same place. */
  readonly #plainText: boolean;
  #offset = 0;
  #line = 1;
  #lineStart = 0;
  /** The word that is being read; null between words. */
  #word: Word | null = null;
  /** Where the last character was refused: `&&` is told once. */
  #refused = -2;
  #faults = 0;

  constructor(text: string, file: string, plainText = false) {
    this.#text = text;
    this.#file = file;
    this.#plainText = plainText;
  }

  command(): Word[] {
    const words: Word[] = [];
    let ended = false;
    while (this.#offset < this.#text.length && this.#faults < MOST_FAULTS) {
      const char = this.#peek();
      if (' \t\n'.includes(char)) {
        this.#endWord(words);
        this.#skip(1);
        if (char === '\n' && words.length > 0 && !this.#plainText) ended = true;
      } else if (char === '#' && this.#word === null && !this.#plainText) {
        this.#skip(this.#lengthTo('\n'));
      } else if (this.#text.startsWith('\\\n', this.#offset)) {
        this.#skip(2);
      } else {
        if (ended && this.#word === null) {
          this.#refuse('a second command', 'one command', 'end a line with a backslash where the next one continues it');
          return words;
        }
        this.#part(char);
      }
      if (words.length > MOST_WORDS) {
        this.#refuse('too many words', `${MOST_WORDS} words`);
        return words;
      }
    }
    this.#endWord(words);
    return words;
  }

  /** One character or one quotation. */
  #part(char: string): void {
    this.#word ??= {text: '', at: this.#place()};
    if (char === "'") this.#singleQuotes();
    else if (char === '"') this.#doubleQuotes();
    else if (char === '\\') this.#backslash();
    else this.#plain(char);
  }

  #singleQuotes(): void {
    const opened = this.#place();
    this.#skip(1);
    const length = this.#lengthTo("'");
    this.#take(length);
    this.#close(opened);
  }

  #doubleQuotes(): void {
    const opened = this.#place();
    this.#skip(1);
    while (this.#offset < this.#text.length && this.#peek() !== '"' && this.#faults < MOST_FAULTS) {
      const next = this.#text[this.#offset + 1] ?? '';
      if (this.#peek() === '\\' && next === '\n') this.#skip(2);
      else if (this.#peek() === '\\' && next !== '' && ESCAPED_IN_QUOTES.includes(next)) {
        this.#skip(1);
        this.#take(1);
      } else {
        this.#refuseExpansion(EXPANDS_IN_QUOTES);
        this.#take(1);
      }
    }
    this.#close(opened);
  }

  #close(opened: string): void {
    if (this.#offset < this.#text.length) this.#skip(1);
    else this.problems.add(new TareError('DOCUMENT_SYNTAX', {message: 'a quotation that does not end', where: opened}));
  }

  #backslash(): void {
    if (this.#offset + 1 >= this.#text.length) {
      this.#refuse('a backslash at the end of the command', 'a character after it');
      this.#skip(1);
      return;
    }
    this.#skip(1);
    this.#take(1);
  }

  #plain(char: string): void {
    const meaning = REFUSED[char];
    if (this.#refused === this.#offset - 1 && char === this.#text[this.#refused]) this.#refused = this.#offset;
    else if (this.#plainText) {
      if (meaning !== undefined && CONNECTS.includes(char))
        this.#refuse(meaning, 'one command', `quote the ${char}, or call a shell: sh -c`);
    } else if (char === '`' || char === '$') this.#refuseExpansion(EXPANDS);
    else if (meaning !== undefined) this.#refuse(meaning, 'one command, of which nothing is expanded', `quote the ${char} if it is text`);
    else if (char === '{' && this.#isBraces())
      this.#refuse('braces that a shell makes several words of', 'words as the program gets them', 'quote them if they are text');
    else if (char === '~' && this.#isHome()) this.#refuse('a home directory', 'an absolute path', 'quote the ~ if it is text');
    this.#take(1);
  }

  #isBraces(): boolean {
    const inside = BRACES.exec(this.#text.slice(this.#offset, this.#offset + 1000))?.[1] ?? '';
    return inside.includes(',') || inside.includes('..');
  }

  /** Whether a tilde begins a word, or a path in an assignment. */
  #isHome(): boolean {
    const before = this.#word?.text ?? '';
    return before === '' || (/[:=]$/.test(before.slice(-1)) && ASSIGNMENT.test(before.slice(0, 256)));
  }

  #refuseExpansion(expands: RegExp): void {
    if (this.#plainText) return;
    if (this.#peek() === '`') this.#refuse('the output of a command', 'words as the program gets them', 'write what it prints');
    else if (expands.test(this.#text.slice(this.#offset, this.#offset + 2)))
      this.#refuse('a variable, or the output of a command', 'words as the program gets them', 'write the value, or \\$ for a dollar sign');
  }

  #refuse(message: string, allowed: string, remedy?: string): void {
    this.#refused = this.#offset;
    this.#faults++;
    const found = show(this.#text.slice(this.#offset, this.#offset + 40).split(/\s/)[0]);
    this.problems.add(new TareError('DOCUMENT_SYNTAX', {message, where: this.#place(), found, allowed, remedy}));
  }

  #endWord(words: Word[]): void {
    if (this.#word !== null) words.push(this.#word);
    this.#word = null;
  }

  #peek(): string {
    return this.#text[this.#offset] ?? '';
  }

  /** Characters up to the next one of its kind, or to the end. */
  #lengthTo(char: string): number {
    const end = this.#text.indexOf(char, this.#offset);
    return (end < 0 ? this.#text.length : end) - this.#offset;
  }

  #take(length: number): void {
    if (this.#word !== null) this.#word.text += this.#text.slice(this.#offset, this.#offset + length);
    this.#skip(length);
  }

  #skip(length: number): void {
    for (const end = this.#offset + length; this.#offset < end; this.#offset++) {
      if (this.#text[this.#offset] !== '\n') continue;
      this.#line++;
      this.#lineStart = this.#offset + 1;
    }
  }

  #place(): string {
    return this.#plainText ? this.#file : `${this.#file}:${this.#line}:${this.#offset - this.#lineStart + 1}`;
  }
}
