/** Quantities as people are shown them; what was written is read back the same wherever two decimals can say it. */

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB'] as const;
const PARTS = [
  ['d', 86_400e6],
  ['h', 3600e6],
  ['m', 60e6],
] as const;

/** `2 GiB`, `1.5 GiB`, `2000 MiB`, `2 GB`; rounded to two decimals only when no unit is exact. */
export function formatBytes(bytes: number): string {
  const ways = [powerOf(bytes, 1024, BINARY), powerOf(bytes, 1000, DECIMAL)];
  for (const {base, units, power} of ways) {
    // One unit below: 2000 MiB is the round number of a document, and 1.95 GiB is not.
    for (const one of [power, Math.max(0, power - 1)]) {
      const hundredths = (bytes * 100) / base ** one;
      if (Number.isInteger(hundredths) && hundredths <= Number.MAX_SAFE_INTEGER) return `${hundredths / 100} ${units[one] ?? ''}`;
    }
  }
  const power = powerOf(bytes, 1024, BINARY).power;
  return `${Number((bytes / 1024 ** power).toFixed(2))} ${BINARY[power] ?? ''}`;
}

/** `1h30m`, `1.5s`, `250ms`; always exact. */
export function formatDuration(us: number): string {
  let rest = us;
  let text = '';
  for (const [unit, size] of PARTS) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  if (rest >= 1e6) return `${text}${decimal(rest, 6)}s`;
  if (rest > 0) return `${text}${decimal(rest, 3)}ms`;
  return text === '' ? '0s' : text;
}

/** `1 core`, `1.5 cores`. */
export const formatCores = (cores: number): string => `${cores} ${cores === 1 ? 'core' : 'cores'}`;

/** The largest unit of a family that is not larger than the number. */
function powerOf(bytes: number, base: number, units: readonly string[]): {base: number; units: readonly string[]; power: number} {
  let power = 0;
  while (power < units.length - 1 && bytes >= base ** (power + 1)) power++;
  return {base, units, power};
}

/** An integer divided by a power of ten, without a binary fraction in between. */
function decimal(value: number, digits: number): string {
  const text = String(value).padStart(digits + 1, '0');
  const fraction = text.slice(-digits).replace(/0+$/, '');
  return fraction === '' ? text.slice(0, -digits) : `${text.slice(0, -digits)}.${fraction}`;
}
