/** A daemon of Docker that one test has for itself: it kills it, or configures it. Its socket and its state are in the test's own /run. */

import type {ChildProcess} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Apart} from './apart.js';
import {processes, send, until, type ProcessEntry} from './tare.js';

/** In the test's own /run. */
const EXEC_ROOT = `/run/tare-docker-${String(process.pid)}`;
const ADDRESS = `${EXEC_ROOT}/containerd/containerd.sock`;

export class OwnDockerd {
  private readonly apart: Apart;
  private readonly folder: string;
  private readonly more: object;
  private readonly group = `tare-test-docker-${String(process.pid)}`;
  private child: ChildProcess | null = null;

  /** @param more what its configuration has beside a test's own places (dockerd(8), daemon.json) */
  constructor(apart: Apart, more: object = {}) {
    this.apart = apart;
    this.more = more;
    this.folder = join(apart.folder, 'docker');
    mkdirSync(this.folder);
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  private get isThere(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /**
   * Where there is none, or no more; with its containerd, which it starts again by itself. On a busy node it waits for that in vain (15 s), and ends:
   * then once more.
   */
  async start(): Promise<void> {
    for (let tries = 0; tries < 2; tries++) {
      if (!this.isThere) this.spawn();
      await until('dockerd', () => !this.isThere || this.apart.sh('docker version')?.includes('containerd:') === true, 60);
      if (this.isThere) return;
    }
    throw new Error(`dockerd ended with ${String(this.child?.exitCode ?? this.child?.signalCode)}`);
  }

  private spawn(): void {
    const at = (name: string): string => join(this.folder, name);
    const configuration = {
      ...{'data-root': at('data'), 'exec-root': EXEC_ROOT, pidfile: at('pid'), hosts: ['unix:///run/docker.sock']},
      ...{iptables: false, ip6tables: false, bridge: 'none', 'ip-forward': false, 'ip-masq': false, group: 'root'},
      ...{'storage-driver': 'overlay2', 'exec-opts': ['native.cgroupdriver=cgroupfs'], 'cgroup-parent': `/${this.group}`},
      ...this.more,
    };
    rmSync(at('pid'), {force: true}); // of one that was killed
    writeFileSync(at('daemon.json'), JSON.stringify(configuration));
    this.child = this.apart.spawn(['dockerd', '--config-file', at('daemon.json')], {stdio: 'ignore'});
  }

  /** One after the other. A shim whose container is gone goes (docs/reference/engines.md). */
  async again(): Promise<void> {
    send(this.pid, 'SIGTERM');
    await until('the end of dockerd', () => !this.isThere, 60);
    await this.start();
  }

  /** All processes that keep containers. */
  shims(): ProcessEntry[] {
    return processes().filter(({comm, state, argv}) => comm === 'containerd-shim' && state !== 'Z' && argv.includes(ADDRESS));
  }

  /** Names of its containers. */
  containers(): string[] {
    return (this.apart.sh('docker ps --all --format "{{.Names}} {{.Status}}"') ?? 'no answer').split('\n').filter((line) => line !== '');
  }

  private parents(): string[] {
    const all = ['', ...readdirSync('/sys/fs/cgroup')].map((place) => join('/sys/fs/cgroup', place, this.group));
    return all.filter((parent) => existsSync(parent));
  }

  private static below(parent: string): string[] {
    return readdirSync(parent, {withFileTypes: true}).flatMap((entry) => (entry.isDirectory() ? [join(parent, entry.name)] : []));
  }

  /** Groups of containers that have processes. */
  groups(): string[] {
    const all = this.parents().flatMap((parent) => OwnDockerd.below(parent));
    return all.filter((group) => readFileSync(join(group, 'cgroup.procs'), 'utf8') !== '');
  }

  async stop(): Promise<void> {
    send(this.pid, 'SIGTERM');
    await until('the end of dockerd', () => !this.isThere, 60);
    for (const {pid} of this.shims()) send(pid, 'SIGKILL');
    for (const parent of this.parents()) for (const group of [...OwnDockerd.below(parent), parent]) rmdirSync(group);
  }
}
