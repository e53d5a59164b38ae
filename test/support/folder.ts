/** Runs the folder for worker nodes as such a node would: elsewhere, read-only, without Node.js, with spool and state of its own. */

import {spawn, type ChildProcess, type SpawnOptions} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {UsageRecord} from '../../src/record/record.js';
import {Site, type Role} from './tare.js';

export const FOLDER = fileURLToPath(new URL('../../dist/tare', import.meta.url));

/** In a mount namespace of its own. $1 the folder, $2 where it is to be, $3 Node.js, $4 stands for /var/lib, $5 for /var/tmp, $6 the account. */
const ENTER = `
set -e
mount --make-rprivate /
mount --bind "$1" "$2"
mount -o remount,bind,ro "$2"
mount --bind /dev/null "$3"
mount --bind "$4" /var/lib
mount --bind "$5" /var/tmp
account=$6
shift 6
[ "$account" = 0 ] || exec setpriv --reuid "$account" --regid "$account" --clear-groups "$@"
exec "$@"
`;
const NOBODY = 65534;

export class WorkerNode {
  readonly site: Site;
  /** Where the folder is on this node. */
  readonly place: string;
  private readonly lib: string;
  private readonly temporary: string;

  constructor(role: Role) {
    this.site = new Site(role);
    this.place = mkdtempSync('/opt/tare-test-');
    chmodSync(this.place, 0o755);
    this.lib = this.directory('lib', 0o755);
    this.temporary = this.directory('var-tmp', 0o1777);
  }

  /** A program of the folder, or any other. */
  start(program: string, argv: readonly string[], {env, ...options}: SpawnOptions = {}): ChildProcess {
    const account = this.site.role === 'root' ? 0 : NOBODY;
    const inside = [FOLDER, this.place, process.execPath, this.lib, this.temporary, String(account), program, ...argv];
    return spawn('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', ENTER, 'sh', ...inside], {
      cwd: this.site.work,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env},
      ...options,
    });
  }

  records(): UsageRecord[] {
    const spool = join(this.own, 'spool');
    return list(spool).map((name) => JSON.parse(readFileSync(join(spool, name), 'utf8')) as UsageRecord);
  }

  /** Folders of boxes that are over. */
  leftovers(): string[] {
    return [...list(join(this.own, 'boxes')), ...list(join(this.own, 'scratch'))];
  }

  remove(): void {
    rmdirSync(this.place);
    this.site.remove();
  }

  private get own(): string {
    return this.site.role === 'root' ? join(this.lib, 'tare') : join(this.temporary, `tare-${NOBODY}`);
  }

  private directory(name: string, mode: number): string {
    const path = join(this.site.directory, name);
    mkdirSync(path);
    chmodSync(path, mode);
    return path;
  }
}

const list = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);
