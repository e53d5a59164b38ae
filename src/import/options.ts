/** Options in front of the arguments of a command, as the Go library pflag reads them: docker, podman and apptainer use it. */

import {TareError} from '../errors.js';
import type {Problems} from '../job/problems.js';
import {show} from '../job/show.js';
import {suggest} from '../job/suggest.js';
import type {Origin} from './draft.js';
import {visible} from './secret.js';
import type {Word} from './words.js';

/** Whether an option takes a value: `value` always, the next word if need be; `optional` only after `=`; `flag` is true or false. */
export type Takes = 'value' | 'optional' | 'flag';

/** The options of a command. */
export interface OptionTable {
  /** By name, without the two dashes. */
  long: Readonly<Record<string, Takes>>;
  /** Names by their letter. */
  short: Readonly<Record<string, string>>;
}

/** An option as it was given. */
export interface Option {
  /** The long name, without dashes. */
  name: string;
  /** `true` or `false` of a flag; null of an option without the value that it may have. */
  value: string | null;
  /** The place of its value, of a flag its own. */
  at: string;
  origin: Origin;
}

/** Options, and the words from the first on that is none. */
interface Options {
  options: Option[];
  rest: Word[];
}

/** Characters of a setting in the account of where a value came from. */
const LONGEST = 60;
/** What Go reads as a truth value (strconv.ParseBool). */
const TRUTH: Readonly<Record<string, boolean>> = Object.fromEntries([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((word) => [word, false] as const),
]);

/** The name of a setting with its value, of credentials without it, cut to a bounded length. */
export function settingOf(name: string, value: string | null, most = LONGEST): string {
  const shown = value === null ? null : visible(name, value);
  const bare = value === null ? name : name.replace(/:$/, '');
  const text = shown === null ? bare : `${name} ${shown === '' || /\s/.test(shown) ? JSON.stringify(shown) : shown}`;
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/**
 * Reads options up to the first word that is none, or behind `--`. A value that is no truth value goes to `problems`.
 * @throws TareError DOCUMENT_SYNTAX for an unknown option or one without its value: what follows cannot be told apart
 */
export function readOptions(words: readonly Word[], table: OptionTable, problems: Problems): Options {
  const options: Option[] = [];
  let index = 0;
  while (index < words.length) {
    const word = words[index];
    if (word === undefined || !word.text.startsWith('-') || word.text === '-') break;
    index++;
    if (word.text === '--') break;
    const next = words[index];
    const taken = word.text.startsWith('--') ? readLong(word, next, table, problems) : readShort(word, next, table, problems);
    options.push(...taken.options);
    if (taken.usedNext) index++;
  }
  return {options, rest: words.slice(index)};
}

interface Taken {
  options: Option[];
  usedNext: boolean;
}

function readLong(word: Word, next: Word | undefined, {long}: OptionTable, problems: Problems): Taken {
  const [, name = '', , value = null] = /^--([^=]*)(=(.*))?$/s.exec(word.text) ?? [];
  const takes = Object.hasOwn(long, name) ? long[name] : undefined;
  if (takes === undefined) throw unknown(word, `--${name}`, `--${suggest(name, Object.keys(long)) ?? ''}`);
  return asTaken({written: `--${name}`, name, takes, value, word}, next, problems);
}

/** Several letters behind one dash, the last of which may have a value: `-it`, `-dm 2g`, `-m2g`, `-m=2g`. */
function readShort(word: Word, next: Word | undefined, {long, short}: OptionTable, problems: Problems): Taken {
  const options: Option[] = [];
  let rest = word.text.slice(1);
  while (rest !== '') {
    const letter = rest.charAt(0);
    const name = Object.hasOwn(short, letter) ? short[letter] : undefined;
    const takes = name === undefined ? undefined : long[name];
    if (name === undefined || takes === undefined) throw unknown(word, `-${letter}`);
    rest = rest.slice(1);
    const given = rest.startsWith('=') ? rest.slice(1) : takes === 'value' && rest !== '' ? rest : null;
    const taken = asTaken({written: `-${letter}`, name, takes, value: given, word}, next, problems);
    options.push(...taken.options);
    if (given !== null || taken.usedNext) return {options, usedNext: taken.usedNext};
  }
  return {options, usedNext: false};
}

interface Written {
  written: string;
  name: string;
  takes: Takes;
  value: string | null;
  word: Word;
}

function asTaken({written, name, takes, value, word}: Written, next: Word | undefined, problems: Problems): Taken {
  const option = (given: string | null, at: string, shown = given): Option => ({
    name,
    value: given,
    at,
    origin: {at: word.at, as: settingOf(written, shown)},
  });
  if (takes === 'flag') {
    const truth = value === null ? true : Object.hasOwn(TRUTH, value) ? TRUTH[value] : undefined;
    if (truth === undefined)
      problems.invalid({message: `${written} is true or false`, where: word.at, found: show(value), allowed: 'true, false, or no value'});
    return {options: [option(String(truth ?? true), word.at, value)], usedNext: false};
  }
  if (value !== null || takes === 'optional') return {options: [option(value, word.at)], usedNext: false};
  if (next === undefined)
    throw new TareError('DOCUMENT_SYNTAX', {message: `${written} needs a value`, where: word.at, found: 'the end of the command'});
  return {options: [option(next.text, next.at)], usedNext: true};
}

function unknown(word: Word, option: string, near = '--'): TareError {
  return new TareError('DOCUMENT_SYNTAX', {
    message: 'an unknown option, so what follows it cannot be understood',
    where: word.at,
    found: show(option),
    allowed: 'the options of this command',
    remedy: near === '--' ? undefined : `did you mean ${near}?`,
  });
}
