/** A network namespace of a test's own: what is done in it touches nothing of the machine's network. */

import {spawn, spawnSync, type ChildProcess, type SpawnOptions} from 'node:child_process';
import {readlinkSync} from 'node:fs';
import {bin, program, until, type Site} from './tare.js';

const NSENTER = program('nsenter') ?? 'nsenter';

export class Net {
  private readonly holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.holder = holder;
  }

  /** With lo up, passing packets on. */
  static async make(): Promise<Net> {
    const holder = spawn('unshare', ['--net', 'sleep', '100000'], {stdio: 'ignore'});
    const own = readlinkSync('/proc/self/ns/net');
    await until('a network namespace', () => {
      try {
        return readlinkSync(`/proc/${String(holder.pid)}/ns/net`) !== own;
      } catch {
        return false;
      }
    });
    const net = new Net(holder);
    net.sh('ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
    return net;
  }

  get pid(): number {
    return this.holder.pid ?? 0;
  }

  private get enter(): string[] {
    return [`--net=/proc/${String(this.pid)}/ns/net`, '--'];
  }

  /** A shell in it, as root. @throws Error when it fails */
  sh(script: string): string {
    const {status, stdout, stderr} = this.try(script);
    if (status !== 0) throw new Error(`${script}: ${stderr}`);
    return stdout;
  }

  try(script: string): {status: number | null; stdout: string; stderr: string} {
    return spawnSync(NSENTER, [...this.enter, 'bash', '-c', script], {encoding: 'utf8', timeout: 20_000});
  }

  /** `tare ARGV` in it, as the site's role; `hidden`: programs of the node that are not there; `tun`: all may open /dev/net/tun, as on most nodes. */
  tare(
    site: Site,
    argv: readonly string[],
    {hidden = [], tun = false, ...options}: SpawnOptions & {hidden?: string[]; tun?: boolean} = {},
  ): ChildProcess {
    const {uid, gid} = site.credentials;
    const role = uid === undefined ? [] : ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups'];
    const open = tun ? ['mount -t tmpfs -o dev tmpfs /dev/net', 'mknod -m 666 /dev/net/tun c 10 200'] : [];
    const mounts = [...hidden.map((path) => `mount --bind /dev/null ${path}`), ...open];
    const command = mounts.length === 0 ? role : ['unshare', '--mount', 'sh', '-c', [...mounts, 'exec "$@"'].join(' && '), 'sh', ...role];
    return spawn(NSENTER, [...this.enter, ...command, bin('tare'), ...argv], {cwd: site.work, stdio: ['pipe', 'pipe', 'pipe'], ...options});
  }

  /** A TCP connection to an address can be made from it, in a second. */
  reaches(address: string, port: number): boolean {
    return this.try(`timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/${String(port)}'`).status === 0;
  }

  /** A listener in it that tells the address of its caller. */
  listen(address: string, port: number): ChildProcess {
    const script = `
import socket
s = socket.socket(socket.AF_INET6 if ':' in '${address}' else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('${address}', ${String(port)})); s.listen(); print('ready', flush=True)
while True:
  c, a = s.accept(); print(a[0], flush=True); c.close()
`;
    return spawn(NSENTER, [...this.enter, 'python3', '-c', script], {stdio: ['ignore', 'pipe', 'inherit']});
  }

  /** Devices and tables in it that boxes have, by their names; `bridges`: those of its pools. */
  left(bridges: readonly string[] = []): string[] {
    const devices = this.sh('ip -o link show').split('\n');
    const tables = this.sh('nft list tables').split('\n');
    return [...devices.filter((line) => /\btare|eth0/.test(line) || bridges.some((bridge) => line.includes(bridge))), ...tables].filter(
      (line) => line !== '',
    );
  }

  remove(): void {
    this.holder.kill('SIGKILL');
  }
}
