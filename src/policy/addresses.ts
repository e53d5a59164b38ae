/** Addresses of IPv4 and IPv6 as numbers: ranges, and the text that stands for each address once (RFC 5952). */

/** IP version. */
export type Family = 4 | 6;

/** An IP address as a number. */
export interface Address {
  family: Family;
  value: bigint;
}

const BITS: Readonly<Record<Family, number>> = {4: 32, 6: 128};
/** Bits of an address. */
export const bitsOf = (family: Family): number => BITS[family];

/** null for what is no address. No zone, and no leading zeros in IPv4, which some read as octal. */
export function parseAddress(text: string): Address | null {
  const value = text.includes(':') ? parse6(text) : parse4(text);
  return value === null ? null : {family: text.includes(':') ? 6 : 4, value};
}

function parse4(text: string): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return null;
  return parts.reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function parse6(text: string): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')).flatMap(groupsOf));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...Array.from({length: missing}, () => '0'), ...tail];
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))
    ? groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n)
    : null;
}

/** The last 32 bits may be written as IPv4. */
function groupsOf(group: string): string[] {
  const value = group.includes('.') ? parse4(group) : null;
  return value === null ? [group] : [(value >> 16n).toString(16), (value & 0xffffn).toString(16)];
}

/** Writes an address in its canonical form; IPv6 by RFC 5952. */
export function formatAddress({family, value}: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const groups = Array.from({length: 8}, (_, index) => ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16));
  const text = groups.join(':');
  // the longest run of zeros, the first of equals, but no single one
  const runs = [...text.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].sort((a, b) => b[0].length - a[0].length || a.index - b.index);
  const [run] = runs;
  if (run === undefined) return text;
  const before = text.slice(0, run.index).replace(/:$/, '');
  const after = text.slice(run.index + run[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

/** First and last address of the network that an address is in. */
export function networkOf({family, value}: Address, prefix: number): {first: bigint; last: bigint} {
  const size = 1n << BigInt(bitsOf(family) - prefix);
  const first = value - (value % size);
  return {first, last: first + size - 1n};
}
