/** A file server that trusts no root: a folder served by FUSE, as NFS with root_squash does it. */

import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {send, until} from './tare.js';

const SERVER = fileURLToPath(new URL('root-squash.py', import.meta.url));
const PYTHON = '/usr/bin/python3';

/** An account with a directory there that is nobody else's. */
export class SquashedHome {
  /** One that every distribution has, and that is not nobody. */
  readonly account = 'games';
  readonly uid: number;
  readonly gid: number;
  /** The directory, as it is mounted. */
  readonly directory: string;
  /** The same on the server, where root is root. */
  readonly behind: string;
  private readonly place = mkdtempSync('/srv/tare-squash-');
  private server: ChildProcess | null = null;

  constructor() {
    const [, , uid, gid] = execFileSync('getent', ['passwd', this.account], {encoding: 'utf8'}).split(':');
    [this.uid, this.gid] = [Number(uid), Number(gid)];
    chmodSync(this.place, 0o755);
    const mountpoint = join(this.place, 'grid');
    this.directory = join(mountpoint, 'job');
    this.behind = join(this.place, 'served/job');
    for (const directory of [mountpoint, join(this.place, 'served'), this.behind]) mkdirSync(directory, {mode: 0o755});
    chownSync(this.behind, this.uid, this.gid);
    chmodSync(this.behind, 0o700);
  }

  async mount(): Promise<void> {
    const mountpoint = join(this.place, 'grid');
    this.server = spawn(PYTHON, [SERVER, join(this.place, 'served'), mountpoint], {stdio: 'inherit'});
    await until('the file server', () => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${mountpoint} `));
  }

  /** A command as the account, in its directory. */
  as(script: string): string {
    const argv = ['--reuid', String(this.uid), '--regid', String(this.gid), '--clear-groups', '/bin/sh', '-euc', script];
    return execFileSync('setpriv', argv, {cwd: '/', encoding: 'utf8', env: {PATH: '/usr/bin:/bin', HERE: this.directory}});
  }

  /** Runs a program as root whose work directory is one that only the account can enter: a batch system goes there as the account. */
  inside(directory: string, argv: readonly string[]): [program: string, argv: string[]] {
    const enter = `import os, sys
os.setegid(${String(this.gid)}); os.seteuid(${String(this.uid)}); os.chdir(sys.argv[1]); os.seteuid(0); os.setegid(0)
os.execvp(sys.argv[2], sys.argv[2:])`;
    return [PYTHON, ['-I', '-c', enter, directory, ...argv]];
  }

  remove(): void {
    try {
      execFileSync('umount', ['--lazy', join(this.place, 'grid')], {stdio: 'ignore'});
    } catch {
      // it never was
    }
    if (this.server?.pid !== undefined) send(this.server.pid, 'SIGKILL');
    rmSync(this.place, {recursive: true, force: true});
  }
}
