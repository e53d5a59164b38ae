/** Variables in values of compose files (compose-spec, Interpolation): `$NAME`, `${NAME}`, with `:-`, `-`, `:?`, `?`, `:+`, `+`, and `$$` for a dollar sign. */

/** The value of a variable; null: it is not set, as far as is known. */
export type Lookup = (name: string) => string | null;

/** What became of a text with variables. */
interface Interpolated {
  value: string;
  /** Of what had no value and no default, the first; the value is then of no use. */
  unknown: string | null;
  /** The first variable whose default was taken; null: none. */
  defaulted: string | null;
  /** Those that had a value. */
  known: string[];
  /** What is wrong with how it is written; null: nothing. */
  fault: string | null;
}

/** Defaults in defaults. */
const DEEPEST = 16;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const OPERATOR = /^:?[-?+]/;

/** Puts values in place of variables. Nothing is thrown: what is wrong stands in `fault`. */
export function interpolate(text: string, lookup: Lookup): Interpolated {
  if (!text.includes('$')) return {value: text, unknown: null, defaulted: null, known: [], fault: null};
  const state: State = {text, offset: 0, lookup, unknown: null, defaulted: null, known: [], fault: null};
  const value = until(state, false, 0, true);
  return {value, unknown: state.unknown, defaulted: state.defaulted, known: state.known, fault: state.fault};
}

interface State {
  text: string;
  offset: number;
  lookup: Lookup;
  unknown: string | null;
  defaulted: string | null;
  known: string[];
  fault: string | null;
}

/** The text up to the end, or to the brace that closes a default. @param counts whether unknown variables in it matter */
function until(state: State, inBraces: boolean, depth: number, counts: boolean): string {
  let value = '';
  while (state.offset < state.text.length && state.fault === null) {
    const start = state.offset;
    while (state.offset < state.text.length && !isStop(state.text[state.offset], inBraces)) state.offset++;
    value += state.text.slice(start, state.offset);
    if (state.text[state.offset] === '}') return value;
    if (state.offset < state.text.length) value += variable(state, depth, counts);
  }
  return value;
}

const isStop = (char: string | undefined, inBraces: boolean): boolean => char === '$' || (inBraces && char === '}');

/** What stands for the dollar sign at the offset. */
function variable(state: State, depth: number, counts: boolean): string {
  const rest = state.text.slice(state.offset + 1, state.offset + 300);
  if (rest.startsWith('$')) {
    state.offset += 2;
    return '$';
  }
  const braced = rest.startsWith('{');
  const name = NAME.exec(braced ? rest.slice(1) : rest)?.[0];
  if (name === undefined) {
    state.fault = 'a dollar sign without the name of a variable: write $$ for the sign itself';
    return '';
  }
  state.offset += 1 + name.length;
  if (!braced) return valueOf(state, name, counts);
  state.offset += 1;
  const operator = OPERATOR.exec(state.text.slice(state.offset, state.offset + 2))?.[0] ?? '';
  state.offset += operator.length;
  if (depth >= DEEPEST) {
    state.fault = `variables in defaults are nested more than ${DEEPEST} times`;
    return '';
  }
  return closed(state, name, operator, depth, counts);
}

/** `${NAME` and the operator are read: what follows is a word up to the brace. */
function closed(state: State, name: string, operator: string, depth: number, counts: boolean): string {
  const own = known(state, name, counts);
  const isSet = own !== null && (own !== '' || !operator.startsWith(':'));
  const usesWord = operator.endsWith('-') ? !isSet : operator.endsWith('+') && isSet;
  const word = operator === '' ? '' : until(state, true, depth + 1, counts && usesWord);
  if (state.fault !== null) return '';
  if (state.text[state.offset] !== '}') {
    state.fault = `the variable ${name} is not written as compose has it`;
    return '';
  }
  state.offset += 1;
  if (operator.endsWith('+') || (operator.endsWith('-') && !isSet)) {
    if (counts && !isSet) state.defaulted ??= name;
    return usesWord ? word : '';
  }
  if (!isSet && counts) state.unknown ??= name;
  return own ?? '';
}

function valueOf(state: State, name: string, counts: boolean): string {
  const own = known(state, name, counts);
  if (own === null && counts) state.unknown ??= name;
  return own ?? '';
}

function known(state: State, name: string, counts: boolean): string | null {
  const value = state.lookup(name);
  if (value !== null && counts) state.known.push(name);
  return value;
}
