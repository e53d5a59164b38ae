/**
 * Patterns in which `*` stands for any characters, in time that grows with the text only: users may choose their job's names,
 * and a regular expression made from a site's pattern could be driven to back-track for ever.
 */

/** Whether a name matches; `*` stands for any characters. */
export function matchesGlob(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  if (parts.length === 1) return pattern === text;
  const last = parts.at(-1) ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  // The leftmost place is as good as any for each part in the middle, so there is nothing to go back for.
  const end = text.length - last.length;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

/** Whether a path matches; `*` stands for any characters but `/`. */
export function matchesPathGlob(pattern: string, path: string): boolean {
  const patterns = pattern.split('/');
  const steps = path.split('/');
  return patterns.length === steps.length && patterns.every((one, index) => matchesGlob(one, steps[index] ?? ''));
}

/** Whether a directory is, or lies in, another; both absolute, compared as text. */
export function liesIn(directory: string, outer: string): boolean {
  const trimmed = outer.replace(/\/$/, '');
  return directory === trimmed || directory.startsWith(`${trimmed}/`);
}
