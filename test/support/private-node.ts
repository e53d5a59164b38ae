/**
 * A worker node of a test's own: namespaces in which /etc, /opt, /usr and /var can be changed without any effect outside, with a network of
 * loopback only and PIDs of its own, so that nothing of it is left when process 1 is gone. The kernel and its control groups are the machine's.
 */

import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import type {Readable, Writable} from 'node:stream';
import {processes, until} from './tare.js';

/** Below none of the directories that the node has copies of. */
const PLACE = '/srv';
/** What can be changed: seen through an overlay, whose changes are the node's own. */
const COPIED = ['etc', 'opt', 'run', 'usr', 'var'];
/** Empty on a new node, and on a disk itself: no view can be made on an overlay, nor may /tmp show what tests have there. */
const EMPTY = ['/home', '/root', '/tmp', '/var/tmp', '/var/lib/tare', '/etc/tare'];
const STICKY = ['/tmp', '/var/tmp'];

const MAKE = `
set -e
place=$1 base=$2
hostname node1.example.org
ip link set lo up
for name in ${COPIED.join(' ')}; do
  mkdir -p "$place/up/$name" "$place/work/$name"
  mount -t overlay -o "lowerdir=\${base:+$base/up/$name:}/$name,upperdir=$place/up/$name,workdir=$place/work/$name" overlay "/$name"
done
for path in ${EMPTY.join(' ')}; do
  real="$place/disk/$(echo "$path" | tr / _)"
  mkdir -p "$real" "$path"
  [ -z "$base" ] || cp -a --reflink=auto "$base/disk/$(basename "$real")/." "$real/"
  mount --bind "$real" "$path"
done
chmod 1777 ${STICKY.join(' ')}
chmod 700 /root
# accounts of people, and of other tests
[ -n "$base" ] || for file in passwd group; do
  awk -F: '$3 < 1000 || $3 > 60000' "/etc/$file" >"$place/$file" && cat "$place/$file" >"/etc/$file"
done
echo '127.0.0.1 localhost node1.example.org node1' >/etc/hosts
: >"$place/up/ready"
# a shell that waits for a child waits for every orphan too
while :; do sleep 0.3; done
`;

export interface Said {
  /** Standard output and standard error, in the order in which they came. */
  text: string;
  /** Exit status; null: it took too long, and its shell was killed. */
  status: number | null;
}

export class PrivateNode {
  readonly directory = mkdtempSync(join(PLACE, 'tare-node-'));
  private readonly holder: ChildProcess;
  /** Process 1 in there, as it is called out here. */
  private first = 0;
  private readonly shells = new Map<string, Shell>();

  private constructor(base: string) {
    chmodSync(this.directory, 0o755);
    // The shell outside stays, to clean up when the tests are killed.
    const outer = `
      unshare --net --uts --ipc --mount --propagation=private --pid --fork --kill-child=KILL --mount-proc bash -c '${MAKE.replaceAll("'", `'\\''`)}' bash "$1" "$2" &
      trap 'exec 2>/dev/null; kill -KILL $!' USR1
      trap 'exec 2>/dev/null; kill -KILL $!; wait $!; rm -rf "$1"' TERM
      wait $! || wait $!
      [ ! -e "$1/kept" ] || { sleep infinity & wait $!; }`;
    this.holder = spawn('setpriv', ['--pdeathsig=TERM', 'sh', '-c', outer, 'sh', this.directory, base], {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
  }

  /** @param base a node that has ended with `keep`: the new one begins with all that was changed there. Without: as the machine is */
  static async start(base: PrivateNode | null = null): Promise<PrivateNode> {
    const node = new PrivateNode(base?.directory ?? '');
    try {
      await until('the node', () => existsSync(join(node.directory, 'up/ready')), 20);
      const unshare = processes().find(({parent, comm}) => parent === node.holder.pid && comm === 'unshare');
      node.first = processes().find(({parent}) => parent === unshare?.pid)?.pid ?? 0;
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  /** An account with a home directory. `nss`: it is known to the name service alone (libnss-extrausers), not to /etc/passwd. */
  async addAccount(name: string, uid: number, {nss = false}: {nss?: boolean} = {}): Promise<void> {
    const extra = `
      grep -q extrausers /etc/nsswitch.conf || sed -i -E 's/^(passwd|group|shadow):.*/& extrausers/' /etc/nsswitch.conf
      mkdir -p /var/lib/extrausers
      echo '${name}:x:${String(uid)}:${String(uid)}::/home/${name}:/bin/bash' >>/var/lib/extrausers/passwd
      echo '${name}:x:${String(uid)}:' >>/var/lib/extrausers/group
      install -d -o ${String(uid)} -g ${String(uid)} /home/${name}`;
    const plain = `groupadd --gid ${String(uid)} ${name} && useradd --uid ${String(uid)} --gid ${String(uid)} --create-home --shell /bin/bash ${name}`;
    const {status, text} = await this.sh(nss ? extra : plain);
    if (status !== 0) throw new Error(`${name}: ${text}`);
  }

  /** A file or directory of the machine's, copied to where the node has it: a checkout below /tmp is not there. */
  bring(path: string): string {
    const to = join(this.directory, 'brought', basename(path));
    cpSync(path, to, {recursive: true, verbatimSymlinks: true});
    return to;
  }

  /** A file of the node; its directory is made where it is not there. */
  async write(path: string, text: string, {owner = 'root', mode = '644'}: {owner?: string; mode?: string} = {}): Promise<void> {
    const from = join(this.directory, `file-${String(this.files++)}`);
    writeFileSync(from, text);
    const {status, text: said} = await this.sh(`install -D -o ${owner} -m ${mode} '${from}' '${path}'`);
    if (status !== 0) throw new Error(`${path}: ${said}`);
  }
  private files = 0;

  /** Runs a script in the account's shell, which keeps its directory and variables from one script to the next; it ends the shell with `exit`. */
  async sh(script: string, {account = 'root', seconds = 60}: {account?: string; seconds?: number} = {}): Promise<Said> {
    const found = this.shells.get(account);
    const shell = found?.isOpen === true ? found : new Shell(this.login(account), this.directory);
    this.shells.set(account, shell);
    return shell.run(script, seconds);
  }

  /** What `nsenter` needs to run a command in there as root. */
  get entering(): string[] {
    return ['nsenter', `--target=${String(this.first)}`, '--net', '--uts', '--ipc', '--mount', '--pid'];
  }

  private login(account: string): string[] {
    const environment = [
      `HOME=${account === 'root' ? '/root' : `/home/${account}`}`,
      `USER=${account}`,
      `LOGNAME=${account}`,
      'LANG=C.UTF-8',
    ];
    const identity = account === 'root' ? [] : ['setpriv', `--reuid=${account}`, `--regid=${account}`, '--init-groups', '--'];
    const PATH = `PATH=${account === 'root' ? '/usr/local/sbin:/usr/sbin:/sbin:' : ''}/usr/local/bin:/usr/bin:/bin`;
    return [...this.entering, '--', ...identity, 'env', '--ignore-environment', ...environment, PATH, 'TERM=dumb', 'bash', '--norc'];
  }

  /** Ends all that runs there. What was changed stays until `stop`, for nodes that begin with it. */
  async keep(): Promise<void> {
    for (const shell of this.shells.values()) shell.kill();
    writeFileSync(join(this.directory, 'kept'), '');
    this.holder.kill('SIGUSR1');
    await until('the end of the node', () => !existsSync(`/proc/${String(this.first)}`));
  }

  async stop(): Promise<void> {
    for (const shell of this.shells.values()) shell.kill();
    if (this.holder.pid !== undefined && this.holder.exitCode === null) {
      const gone = once(this.holder, 'exit');
      this.holder.kill('SIGTERM');
      await gone;
    }
    rmSync(this.directory, {recursive: true, force: true});
  }
}

/** A shell that is told one script after the other. */
class Shell {
  private readonly child: ChildProcess;
  private readonly stdin: Writable;
  private readonly place: string;
  private scripts = 0;
  private ended = '';

  constructor([command = '', ...argv]: readonly string[], directory: string) {
    this.place = mkdtempSync(join(directory, 'shell-'));
    for (const path of [this.place, join(this.place, 'out')]) {
      mkdirSync(path, {recursive: true});
      chmodSync(path, 0o755);
    }
    this.child = spawn(command, argv, {stdio: ['pipe', 'ignore', 'inherit', 'pipe'], detached: true});
    const {
      stdio: [stdin, , , ended],
    } = this.child as {stdio: readonly unknown[]} as {stdio: [Writable, null, null, Readable]};
    ended.setEncoding('utf8').on('data', (text: string) => (this.ended += text));
    this.stdin = stdin.on('error', () => undefined); // it has ended: seen by `run`
    this.stdin.write('cd\n');
  }

  get isOpen(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async run(script: string, seconds: number): Promise<Said> {
    const number = String(this.scripts++);
    const [text, file] = [join(this.place, number), join(this.place, `out/${number}`)];
    writeFileSync(text, script);
    writeFileSync(file, '');
    chmodSync(text, 0o644);
    chmodSync(file, 0o666);
    this.ended = '';
    this.stdin.write(`{ . ${text}; } </dev/null >${file} 2>&1; echo $? >&3\n`);
    const inTime = await until('the end of a script', () => this.ended !== '' || !this.isOpen, seconds).catch(() => false);
    if (!inTime) this.kill();
    const status = this.ended === '' ? this.child.exitCode : Number(this.ended);
    return {text: readFileSync(file, 'utf8'), status: inTime ? status : null};
  }

  kill(): void {
    try {
      process.kill(-(this.child.pid ?? 0), 'SIGKILL');
    } catch {
      // it has ended
    }
  }
}
