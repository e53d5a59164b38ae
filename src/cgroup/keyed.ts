/** Text of one file of one group; null when the kernel has no such file or does not let us read it. */
export type Read = (file: string) => string | null;

/** `name value` lines (flat keyed files: memory.stat, cpu.stat, cgroup.events …). Lines of another form are left out. */
export function parseKeyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^(\S+) (\d+)$/.exec(line) ?? [];
    if (name !== undefined) values.set(name, Number(value));
  }
  return values;
}

/** A file that holds one number; `max` and anything else is null. */
export function parseCount(text: string | null): number | null {
  const trimmed = text?.trim() ?? '';
  return /^\d+$/.test(trimmed) ? Number(trimmed) : null;
}

/** One value of a flat keyed file, null when file or key is missing. */
export const keyed = (text: string | null, key: string): number | null => (text === null ? null : (parseKeyed(text).get(key) ?? null));

/** Sum of what is known; null when nothing is. */
export function sumKnown(...values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}
