/**
 * Ads in the old ClassAd syntax, one `Attribute = value` a line, as HTCondor writes `.job.ad` and `.machine.ad` (manual: ClassAds, "Old
 * ClassAd syntax"). Literals are read; everything else is kept as text and never evaluated.
 */

/** Names in any case. null: absent, or of another type. */
export interface Ad {
  /** Whatever stands right of the `=`. */
  text(name: string): string | null;
  string(name: string): string | null;
  /** null also beyond 2^53, where only the text is exact. */
  integer(name: string): number | null;
  /** An integer or a real; null when it is not finite. */
  number(name: string): number | null;
  boolean(name: string): boolean | null;
}

const NAME = /^[A-Za-z_]\w*$/;
const INTEGER = /^-?(0|[1-9]\d*)$/;
const NUMBER = /^-?(\d+|\d*\.\d+)([eE][+-]?\d+)?$/;
const BOOLEAN = /^(true|false)$/i;

/** Lines that are not `Attribute = value` are left out; of two with one name the last counts, as for HTCondor. */
export function parseAd(text: string): Ad {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    const name = line.slice(0, Math.max(equals, 0)).trim();
    if (NAME.test(name)) values.set(name.toLowerCase(), line.slice(equals + 1).trim());
  }
  const of = (name: string) => values.get(name.toLowerCase()) ?? null;
  const matching = (name: string, literal: RegExp) => {
    const value = of(name);
    return value !== null && literal.test(value) ? value : null;
  };
  const finite = (value: string | null) => {
    // `+ 0`: HTCondor has no -0
    const number = value === null ? NaN : Number(value) + 0;
    return Number.isFinite(number) ? number : null;
  };

  return {
    text: of,
    string: (name) => unquote(of(name) ?? ''),
    integer(name) {
      const value = finite(matching(name, INTEGER));
      return value !== null && Number.isSafeInteger(value) ? value : null;
    },
    number: (name) => finite(matching(name, NUMBER)),
    boolean(name) {
      const value = matching(name, BOOLEAN);
      return value === null ? null : value.toLowerCase() === 'true';
    },
  };
}

/**
 * Text of a string literal; null when it is none. In the old syntax a backslash is a backslash, but before a quote; and even there when that
 * quote ends the line: `"C:\dir\"` is C:\dir\ (tokenizeStringOld of HTCondor's classad/lexer.cpp; tried with 23.9).
 */
function unquote(literal: string): string | null {
  if (literal.length < 2 || !literal.startsWith('"') || !literal.endsWith('"') || literal.includes('\0')) return null;
  const inner = literal.slice(1, -1);
  for (let at = inner.indexOf('"'); at !== -1; at = inner.indexOf('"', at + 1)) if (inner[at - 1] !== '\\') return null;
  return inner.replaceAll('\\"', '"');
}
