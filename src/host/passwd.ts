/** What passwd(5) and nsswitch.conf(5) say. Pure. */

/** An account's row of passwd(5), as far as Tare needs it. */
export interface Account {
  uid: number;
  gid: number;
  name: string;
  /** null: the row names none. */
  home: string | null;
}

/** The first row of an account in passwd(5); null: there is none. */
export function findRow(passwd: string, uid: number): Account | null {
  const id = String(uid);
  for (const line of passwd.split('\n')) {
    // most lines are not split
    if (!line.includes(`:${id}:`)) continue;
    const row = parseRow(line);
    if (row?.uid === uid) return row;
  }
  return null;
}

/** A row of passwd(5): NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL. null: it is none, or one of nss_compat's (`+`, `-`). */
export function parseRow(line: string): Account | null {
  const [name = '', , uid = '', gid = '', , home = '', shell] = line.split(':');
  if (shell === undefined || !/^[^+\-#\s\p{Cc}][^\p{Cc}]*$/u.test(name) || !/^\d{1,10}$/.test(uid) || !/^\d{1,10}$/.test(gid)) return null;
  return {name, uid: Number(uid), gid: Number(gid), home: home === '' ? null : home};
}

/** Words of the line of `passwd`, without comments; a source may be followed by actions in brackets. */
const passwdLine = (nsswitch: string): string[] => /^\s*passwd\s*:([^#\n]*)/m.exec(nsswitch)?.[1]?.match(/\[[^\]]*\]|[^\s[]+/g) ?? [];

/** Whether what /etc/passwd says is the name service's last word. */
export function isFilesFirst(nsswitch: string): boolean {
  const [first, action] = passwdLine(nsswitch);
  return first === 'files' && !(action?.startsWith('[') === true && /SUCCESS/i.test(action));
}

/** Sources that can be down: all that are not files of this node. */
export const remoteSources = (nsswitch: string): string[] =>
  passwdLine(nsswitch).filter((word) => !word.startsWith('[') && !LOCAL.includes(word) && /^\w+$/.test(word));

/** systemd's knows root without a daemon, so that asking it tells nothing. */
const LOCAL: readonly string[] = ['files', 'compat', 'db', 'systemd', 'mymachines', 'altfiles', 'extrausers'];
