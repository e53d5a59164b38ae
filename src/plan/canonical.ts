/**
 * Canonical JSON: no white space, keys in code unit order, as RFC 8785 has it (our numbers are integers or short decimals, for which
 * JSON.stringify already writes what the RFC demands). Equal values give equal bytes.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
