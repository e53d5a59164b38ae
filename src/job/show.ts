/** Values as people are shown them in messages: on one line, and never long. */

const LONGEST = 60;

/** A value as it stands in an error message: JSON, cut to a bounded length. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  // What one person pasted by mistake must not fill the log of another.
  return text.length <= LONGEST
    ? text
    : `${Array.from(text)
        .slice(0, LONGEST - 1)
        .join('')}…`;
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  null: 'null',
};

/** The name of a JSON Schema type in messages. */
export const typeWord = (type: string): string => WORDS[type] ?? type;

/** `a`, `a or b`, `a, b or c`. */
export function either(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;
}
