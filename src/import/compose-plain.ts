/**
 * What a variable gets of a plain scalar of YAML, without quotes, by compose. Its loader reads YAML by go-yaml 3 (resolve.go), which has numbers of
 * YAML 1.2 and of 1.1, and writes the value as Go's fmt.Sprint does (mappingValue in compose-go's types/mapping.go): `0022` becomes `18`.
 */

const BOOLEAN = /^(?:true|True|TRUE|false|False|FALSE)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
/** Go's strconv.ParseInt with base 0: a 0 before it makes an octal number, without which 08 is none. */
const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/;
const LARGEST = 2n ** 64n - 1n;
const SMALLEST = -(2n ** 63n);
/** Longer text is no number that a program is given. */
const LONGEST = 400;
const SPECIAL: Readonly<Record<string, string>> = {'.inf': '+Inf', '+.inf': '+Inf', '-.inf': '-Inf', '.nan': 'NaN'};

/** @returns the text that the variable gets; null: the text as it is written */
export function plainText(source: string): string | null {
  const text = source.length > LONGEST ? null : resolved(source);
  return text === source ? null : text;
}

function resolved(source: string): string | null {
  if (BOOLEAN.test(source)) return source.toLowerCase();
  if (/^[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)$/.test(source)) return SPECIAL[source.toLowerCase()] ?? null;
  if (!/^[-+.0-9]/.test(source)) return null;
  // go-yaml takes them for digits' separators, but not behind a point that begins it
  const digits = source.startsWith('.') ? source : source.replaceAll('_', '');
  return whole(digits) ?? (FLOAT.test(digits) ? float(Number(digits)) : null);
}

function whole(digits: string): string | null {
  const [, sign = '', hex, binary, octal, decimal] = INTEGER.exec(digits) ?? [];
  const written = hex !== undefined ? `0x${hex}` : binary !== undefined ? `0b${binary}` : octal !== undefined ? `0o${octal}` : decimal;
  if (written === undefined) return null;
  const value = sign === '-' ? -BigInt(written) : BigInt(written);
  // a number without a sign may be as large as uint64
  const most = sign === '+' ? LARGEST >> 1n : LARGEST;
  return value < SMALLEST || value > most ? null : String(value);
}

/** As Go writes a float64 with %v (formatDigits in strconv's ftoa.go): the shortest digits, with an exponent of two digits below 1e-4 and from 1e6 on. */
function float(value: number): string | null {
  // out of range, so it stays text
  if (!Number.isFinite(value)) return null;
  if (Object.is(value, -0)) return '-0';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (value === 0 || (power >= -4 && power < 6)) return String(value);
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
