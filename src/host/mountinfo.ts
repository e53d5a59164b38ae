/** /proc/self/mountinfo, see proc_pid_mountinfo(5). */

/** One line of mountinfo; names as in proc_pid_mountinfo(5). */
export interface Mount {
  id: number;
  parent: number;
  /** Directory of the file system that is mounted here. */
  root: string;
  point: string;
  options: string[];
  /** Optional fields: how it propagates. */
  tags: string[];
  type: string;
  source: string;
  superOptions: string[];
}

/** Parses /proc/PID/mountinfo, octal escapes resolved; lines of another form are left out. */
export function parseMountinfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    const [id, parent, , root, point, options] = fields;
    if (dash < 0 || id === undefined || parent === undefined || root === undefined || point === undefined || options === undefined)
      continue;
    mounts.push({
      id: Number(id),
      parent: Number(parent),
      root: unescapeOctal(root),
      point: unescapeOctal(point),
      options: options.split(','),
      tags: fields.slice(6, dash),
      type: fields[dash + 1] ?? '',
      source: unescapeOctal(fields[dash + 2] ?? ''),
      superOptions: (fields[dash + 3] ?? '').split(','),
    });
  }
  return mounts;
}

/** The mount that a path is on: the longest mount point, and of those at one point the last, which hides the others. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | null {
  let best: Mount | null = null;
  for (const mount of mounts) {
    const below = mount.point === '/' || path === mount.point || path.startsWith(`${mount.point}/`);
    if (below && (best === null || mount.point.length >= best.point.length)) best = mount;
  }
  return best;
}

/** The kernel writes blank, tab, newline and backslash as \040, \011, \012 and \134, bytes of UTF-8 as they are. */
function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
