/** A node with a name service of its own, in a private mount namespace: sources that a test chooses in place of the machine's. */

import {execFileSync, spawn, type ChildProcess, type SpawnOptions} from 'node:child_process';
import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {installed, type Site} from './tare.js';

/** Both ways in which Tare is run: under Node.js and compiled. */
export const SUPERVISORS = {
  checkout: join(installed(), 'bin'),
  folder: join(installed(), 'dist/tare/bin'),
} as const;
export type Supervisor = keyof typeof SUPERVISORS;

/** libnss-extrausers reads them. */
export const EXTRAUSERS = '/var/lib/extrausers';
/** A module that the C library has on every Debian, and that the test's own takes the place of. */
const HESIOD = ['/lib/x86_64-linux-gnu', '/lib/aarch64-linux-gnu', '/lib64']
  .map((place) => `${place}/libnss_hesiod.so.2`)
  .find((path) => existsSync(path));
export const hasHesiod = HESIOD !== undefined;
const SOURCE = fileURLToPath(new URL('nss-module.c', import.meta.url));

/** setpriv(1) asks the name service, which may not answer. */
const BECOME = `import os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
os.execv(sys.argv[2], sys.argv[2:])`;

/** $1 nsswitch.conf, $2 extrausers, $3 the module or nothing, $4 its place, $5 the account, or 0. */
const ENTER = `
set -e
mount --make-rprivate /
mount --bind "$1" /etc/nsswitch.conf
[ ! -d ${EXTRAUSERS} ] || mount --bind "$2" ${EXTRAUSERS}
[ -z "$3" ] || mount --bind "$3" "$4"
account=$5
shift 5
[ "$account" = 0 ] || exec python3 -I -S -c '${BECOME}' "$account" "$@"
exec "$@"
`;

/** What the caller's environment says of itself is not true, and must not be used. */
const LIES = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', USER: 'root', LOGNAME: 'daemon', HOME: '/tmp/not-the-home', SHELL: '/bin/lie'};

export class NameService {
  private readonly directory: string;
  private readonly module: string | null;

  /**
   * @param passwd sources of the line of `passwd`; `hesiod` is the test's own module
   * @param rows of extrausers
   * @param account name and number of the one that the module knows; null: no module is needed
   */
  constructor(site: Site, passwd: string, rows: {passwd: string; group: string}, account: {name: string; uid: number} | null) {
    this.directory = join(site.directory, 'name-service');
    mkdirSync(join(this.directory, 'extrausers'), {recursive: true});
    writeFileSync(join(this.directory, 'nsswitch.conf'), `passwd: ${passwd}\ngroup: files extrausers\n`);
    for (const [name, text] of Object.entries({...rows, shadow: ''})) writeFileSync(join(this.directory, 'extrausers', name), text);
    this.module = account === null ? null : join(this.directory, 'module.so');
    this.say('up');
    if (account !== null && this.module !== null) {
      const defined = [`-DCONTROL="${this.control}"`, `-DACCOUNT="${account.name}"`, `-DID=${String(account.uid)}`];
      execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', ...defined, '-o', this.module, SOURCE]);
    }
  }

  /** What the module does from now on: answer, be silent until it is told otherwise, or say that its service is down. */
  say(state: 'up' | 'silent' | 'down'): void {
    writeFileSync(this.control, `${state}\n`);
  }

  /** A program on that node, as this account. Not without its lies, unless they are replaced. */
  start(uid: number, argv: readonly string[], {env = LIES, ...options}: SpawnOptions = {}): ChildProcess {
    const inside = [
      join(this.directory, 'nsswitch.conf'),
      join(this.directory, 'extrausers'),
      this.module ?? '',
      HESIOD ?? '',
      String(uid),
    ];
    return spawn('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', ENTER, 'sh', ...inside, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
      ...options,
    });
  }

  private get control(): string {
    return join(this.directory, 'control');
  }
}
