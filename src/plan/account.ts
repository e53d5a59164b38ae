/** The account of a process, as the static program takes it from its caller. */

/** The account that a step is performed as. */
export interface Account {
  uid: number;
  gid: number;
  groups: readonly number[];
}

/** `UID GID GROUP,GROUP…` */
export const accountText = ({uid, gid, groups}: Account): string => `${String(uid)} ${String(gid)} ${groups.join(',')}`;

/** null: the program stays whose it is. */
export const accountOrOwn = (account: Account | null): string => (account === null ? '-' : accountText(account));
