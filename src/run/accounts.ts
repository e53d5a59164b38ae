/** Accounts of a small machine: those of its image, and the payload's, which is of the node. */

import {chmodSync, chownSync, writeFileSync} from 'node:fs';
import type {StepOf} from '../plan/step.js';
import {runAbandonable, type Answer} from '../host/abandon.js';

type Account = StepOf<'accounts.provide'>['account'];

const CAT = '/usr/bin/cat';
/** unsquashfs of squashfs-tools, which reads a file of a file system in a file. */
const UNSQUASHFS = '/usr/bin/unsquashfs';
const MOST_LINES = 100_000;
const MOST_BYTES = 8 << 20;

/** Writes `passwd` and `group` below the directory, owned by root of the box. An image without any gets root. */
export async function provideAccounts(
  {image, account}: StepOf<'accounts.provide'>,
  directory: string,
  owner?: {uid: number; gid: number},
): Promise<void> {
  const ask = (program: string, argv: string[]): Promise<Answer> => runAbandonable(program, argv, null, {enough: MOST_BYTES});
  const read = async (name: string): Promise<string> => {
    const plain = await ask(CAT, ['--', `${image}/etc/${name}`]);
    const {code, out} = plain.code === 0 ? plain : await ask(UNSQUASHFS, ['-cat', image, `etc/${name}`]);
    return code === 0 ? out.toString('utf8') : '';
  };
  const [passwd, group] = await Promise.all([read('passwd'), read('group')]);
  write(`${directory}/passwd`, withUser(passwd, account));
  write(`${directory}/group`, withGroup(group, account));
  if (owner !== undefined) for (const name of ['passwd', 'group']) chownSync(`${directory}/${name}`, owner.uid, owner.gid);
}

/** passwd(5). One of the same name or uid gives way. */
export function withUser(text: string, {name, uid, gid, home}: Account): string {
  const own = `${name}:x:${String(uid)}:${String(gid)}::${home.replaceAll(/[:\n]/g, '_')}:/bin/sh`;
  return withLine(text === '' ? 'root:x:0:0:root:/root:/bin/sh\n' : text, own, [name, String(uid)]);
}

/** group(5) */
export function withGroup(text: string, {name, gid}: Account): string {
  const lines = text === '' ? 'root:x:0:\n' : text;
  if (lines.split('\n').some((line) => line.split(':')[2] === String(gid))) return lines;
  return withLine(lines, `${name}:x:${String(gid)}:`, [name, String(gid)]);
}

function withLine(text: string, own: string, [name, id]: readonly [string, string]): string {
  const others = text
    .split('\n', MOST_LINES)
    .filter((line) => line !== '')
    .filter((line) => {
      const fields = line.split(':');
      return fields[0] !== name && fields[2] !== id;
    });
  return [...others, own, ''].join('\n');
}

function write(path: string, text: string): void {
  writeFileSync(path, text, {flag: 'wx', mode: 0o644});
  chmodSync(path, 0o644); // whatever the umask
}
