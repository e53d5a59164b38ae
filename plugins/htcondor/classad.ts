/**
 * ClassAds in old syntax, as HTCondor writes `.job.ad` and `.machine.ad`: one `Attribute = value` per line (HTCondor manual, "ClassAd
 * Mechanism: Old ClassAds"). Literals are read exactly; an expression is kept as its text and never evaluated. Nothing is an error. Pure.
 */

export interface Ad {
  /** A whole number; null when absent, another type, or not exact as a number. */
  integer(name: string): number | null;
  /** A whole or real number that is finite. */
  number(name: string): number | null;
  string(name: string): string | null;
  boolean(name: string): boolean | null;
  /** What stands after the equals sign. */
  text(name: string): string | null;
}

const LINE = /^[ \t]*([A-Za-z_][\w.]*)[ \t]*=[ \t]*(.*)$/;
const INTEGER = /^[+-]?\d+$/;
const REAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Names are compared without regard to case; of one that is there twice the last counts. */
export function parseAd(text: string): Ad {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = LINE.exec(line) ?? [];
    // `==`, `=?=` and `=!=` are no assignments
    if (name !== undefined && value !== undefined && !/^[=?!]/.test(value)) values.set(name.toLowerCase(), value.trimEnd());
  }
  const get = (name: string): string | null => values.get(name.toLowerCase()) ?? null;
  return {
    text: get,
    integer: (name) => {
      const value = get(name);
      return value !== null && INTEGER.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : null;
    },
    number: (name) => {
      const value = get(name);
      return value !== null && REAL.test(value) && Number.isFinite(Number(value)) ? Number(value) : null;
    },
    string: (name) => unquote(get(name) ?? ''),
    boolean: (name) => BOOLEANS.get(get(name)?.toLowerCase() ?? '') ?? null,
  };
}

const BOOLEANS = new Map([
  ['true', true],
  ['false', false],
]);

/** In old syntax a backslash is one, but before a quote inside the string. */
function unquote(text: string): string | null {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return null;
  const inner = text.slice(1, -1);
  // a quote that is not escaped ends the string: what follows makes it an expression
  return /(?:^|[^\\])"/.test(inner) ? null : inner.replaceAll('\\"', '"');
}
