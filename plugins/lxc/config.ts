/**
 * A task to the configuration of a container (lxc.container.conf(5)), in which every line is `KEY = VALUE`. The only quoting that LXC knows is that of
 * fstab(5), in `lxc.mount.entry`: a value that no line can have is an error, and never becomes another line.
 */

import type {EngineTask} from '@tare/contract';

/** A mount, as a line of fstab(5). `to` is the path in the box. */
export interface Mount {
  from: string;
  to: string;
  type: string;
  options: readonly string[];
}

/** What a step becomes: mounts, or lines of the configuration. */
export type Part = Mount | {key: string; value: string};

/** getmntent_r(3) is called with a buffer of so many bytes (mount_file_entries of LXC's conf.c), and drops what is longer. */
const LONGEST = 4095;
/** getmntent(3) reads these back. A carriage return ends a line for LXC, and has no such name. */
const ESCAPES: Readonly<Record<string, string>> = {' ': '\\040', '\t': '\\011', '\n': '\\012', '\\': '\\134'};
const OUTSIDE = 'lxc can be told no such path: put it elsewhere';

/**
 * LXC's own uid and gid in the namespace in which a user's is started (user_namespaces(7)): not 0, since as root it gives up its groups, which nobody can in a
 * user's namespace; nor what ids without a map look like, which are those of `/run`.
 */
export const OWN_ID = 1;

/** Whether enter is root of a namespace of the user's. */
export const isOfUser = ({ids}: Pick<EngineTask, 'ids'>): boolean => ids.uids.some(({outside}) => outside === 0);

const escaped = (path: string): string => path.replaceAll(/[ \t\n\\]/g, (character) => ESCAPES[character] ?? character);

/**
 * LXC ends a line at CR, LF and NUL, takes blanks away around the value, and quotes that surround it (parse_line of its confile.c).
 * @throws Error for a value that would be read as another
 */
function line(key: string, value: string): string {
  const isOther = /[\0\r\n]|^[ \t]|[ \t]$|^(["']).*\1$/s.test(value);
  if (isOther) throw new Error(`${OUTSIDE}; found in ${key}: ${JSON.stringify(value)}`);
  return `${key} = ${value}\n`;
}

/** @throws Error for a path that cannot be written */
function mountLine({from, to, type, options}: Mount): string {
  // without the slash it is below the root of the box
  const place = escaped(to).slice(1);
  const entry = `${escaped(from)} ${place} ${type} ${options.join(',')} 0 0`;
  if (new TextEncoder().encode(entry).length >= LONGEST)
    throw new Error(`lxc can be told a mount of ${String(LONGEST)} bytes at most; found: ${to}`);
  return line('lxc.mount.entry', entry);
}

/** The configuration. @throws Error for what cannot be written, and where no step gives the box a root */
export function configOf(task: EngineTask, parts: readonly Part[]): string {
  const mounts = parts.filter((part) => 'from' in part);
  const root = mounts.find(({to}) => to === '/');
  if (root === undefined) throw new Error(`lxc needs a root for the box, found none among ${String(task.steps.length)} steps`);
  const {uid, gid, capabilities} = task.account;
  // of ids the box has the account's alone
  const map = (letter: string, id: number): string => `${letter} ${String(id)} ${String(isOfUser(task) ? OWN_ID : id)} 1`;
  const kept = capabilities.map((name) => name.replace(/^CAP_/, '').toLowerCase()).join(' ') || 'none';
  const settings: readonly [key: string, value: string][] = [
    ['lxc.rootfs.path', `dir:${root.from}`],
    ['lxc.idmap', map('u', uid)],
    ['lxc.idmap', map('g', gid)],
    ['lxc.init.uid', String(uid)],
    ['lxc.init.gid', String(gid)],
    ['lxc.cap.keep', kept],
    // the session keyring is the user's, in which AFS and Kerberos have tokens. 1 has LXC make none: its page says 0, and its confile.c reads the value the
    // other way round (set_config_keyring_session)
    ['lxc.keyring.session', '1'],
    // the end of the monitor is not the box's: init watches the shim
    ['lxc.monitor.signal.pdeath', '0'],
    ['lxc.apparmor.profile', 'unchanged'],
    // devices and terminals are mounts, and standard streams are the shim's
    ['lxc.autodev', '0'],
    ['lxc.tty.max', '0'],
    ['lxc.pty.max', '0'],
    ['lxc.console.path', 'none'],
  ];
  return [
    ...settings.map(([key, value]) => line(key, value)),
    ...parts.flatMap((part) => ('key' in part ? [line(part.key, part.value)] : [])),
    ...mounts.filter((mount) => mount !== root).map(mountLine),
  ].join('');
}
