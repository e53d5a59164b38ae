/** "Did you mean": the allowed word that is nearest to a misspelt one. */

/** The allowed word that a misspelt one was most likely meant to be, by edit distance; null: none is near. */
export function suggest(word: string, allowed: readonly string[]): string | null {
  const wanted = plain(word);
  let best: string | null = null;
  // A third of the letters may be wrong; more than that is another word, and a wrong hint is worse than none.
  let least = Math.floor(Math.max(wanted.length, 3) / 3) + 1;
  for (const candidate of allowed) {
    const distance = editDistance(wanted, plain(candidate), least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** `wall_time`, `Wall-Time` and `walltime` all mean `wallTime`. */
const plain = (word: string): string => word.slice(0, 64).toLowerCase().replaceAll(/[-_ ]/g, '');

/** Levenshtein's distance, with neighbouring letters swapped counted once; `limit` or more is not computed exactly. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let last = Array.from({length: b.length + 1}, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? limit;
}
