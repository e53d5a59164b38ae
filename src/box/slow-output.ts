/**
 * Output on a file system that can hang, as a network's: a look at it, an open and a read have no deadline, and would stop who does it. So a child
 * looks first, which is left alone when it is late (src/host/abandon.ts). A file on a disk is looked at as it is, without a child.
 */

import {constants, readFileSync, readlinkSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {leadsToNetwork} from '../files/network-path.js';
import {runAbandonable} from '../host/abandon.js';
import {mountOf, parseMountinfo, type Mount} from '../host/mountinfo.js';
import {isNetwork} from '../host/scratch.js';
import {beginIn, outputFileOf, type OutputFile} from './output-file.js';

/** How long a file may take to be looked at, ms. */
export const OUTPUT_DEADLINE_MS = 5_000;
const STAT = '/usr/bin/stat';
/** Opens and reads a plain file; what is none is not opened, since that can do something to it. */
const READ = 'if [ -f "$1" ]; then exec head -c 1 -- "$1" >/dev/null; fi';

const linkOf = (pid: number, descriptor: number): string => `/proc/${String(pid)}/fd/${String(descriptor)}`;

/** The mount on which a descriptor was opened: by its number (proc_pid_fdinfo(5), since Linux 3.15), else by the path. */
export function mountBehind(fdinfo: string, path: string, mounts: readonly Mount[]): Mount | null {
  const id = /^mnt_id:\s+(\d+)$/m.exec(fdinfo)?.[1];
  return mounts.find((mount) => mount.id === Number(id)) ?? mountOf(mounts, path);
}

/** Whether a look at what a process has open can hang. The file itself is not looked at. */
export function descriptorCanHang(pid: number, descriptor: number): boolean {
  const found = ifPossible(() => {
    const path = readlinkSync(linkOf(pid, descriptor));
    // pipes and sockets have no path
    if (!path.startsWith('/')) return false;
    const fdinfo = readFileSync(`/proc/${String(pid)}/fdinfo/${String(descriptor)}`, 'latin1');
    const mounts = parseMountinfo(readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8'));
    return isNetwork(mountBehind(fdinfo, path, mounts)?.type ?? '');
  });
  return found ?? false;
}

/** Whether a look at a path can hang. */
export const pathCanHang = (
  path: string,
  mounts: readonly Mount[] = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')),
): boolean => leadsToNetwork(path, mounts);

/** Whether a file that can hang is opened and read in time. A file that cannot be opened answers as well. */
export async function answersInTime(path: string, deadlineMs = OUTPUT_DEADLINE_MS): Promise<boolean> {
  const {late} = await runAbandonable('/bin/sh', ['-c', READ, 'look', path], null, {deadlineMs});
  return !late;
}

/** As `outputFileOf`, in bounded time: null also where the file does not answer. */
export async function noteOutput(pid: number, descriptor: number, deadlineMs = OUTPUT_DEADLINE_MS): Promise<OutputFile | null> {
  if (!descriptorCanHang(pid, descriptor)) return outputFileOf(pid, descriptor);
  const link = linkOf(pid, descriptor);
  const {code, out} = await runAbandonable(STAT, ['-L', '-c', '%f %d %i %s', '--', link], null, {deadlineMs});
  const [mode = '', device, inode, size] = out.toString('latin1').trim().split(' ');
  if (code !== 0 || (Number.parseInt(mode, 16) & constants.S_IFMT) !== constants.S_IFREG) return null;
  return ifPossible(() => {
    const fdinfo = readFileSync(`/proc/${String(pid)}/fdinfo/${String(descriptor)}`, 'latin1');
    return {path: readlinkSync(link), device: Number(device), inode: Number(inode), begin: beginIn(fdinfo, Number(size))};
  });
}
