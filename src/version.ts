/** Kept equal to package.json's version by a test. */
export const TARE_VERSION = '0.1.0';

/** Whether a version comes before another, by their first three numbers; one that is missing is 0. */
export function isOlder(version: string, least: string): boolean {
  const [left, right] = [version, least].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
