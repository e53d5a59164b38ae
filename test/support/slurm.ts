/** A cluster of Slurm for a test: one node, in namespaces of its own, gone when process 1 of its PID namespace is. */

import {execFile, spawn, type ChildProcess} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import type {UsageRecord} from '../../src/record/record.js';
import {patience} from './pace.js';
import {POLICY_FOLDER, removePolicyFolder} from './policy-folder.js';
import {processes, until} from './tare.js';

const NOBODY = 65534;
/** For documentation (RFC 5737): Slurm takes no loopback address for its own. */
const ADDRESS = '192.0.2.1';

const NETWORK: readonly string[] = [
  'ip link add d0 type veth peer name d1',
  `ip addr add ${ADDRESS}/24 dev d0`,
  'ip link set d0 up',
  'ip link set d1 up',
];

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface ClusterOptions {
  within?: number | null;
  cpus?: number;
  config?: readonly string[];
}

/** Its one partition. */
export const PARTITION = 'grid';

export class Cluster {
  /** Not below /tmp: a box has its own. */
  readonly directory = mkdtempSync('/var/lib/tare-slurm-');
  private readonly within: number | null;
  private readonly cpus: number;
  private readonly config: readonly string[];
  private holder: ChildProcess | null = null;
  private first = 0;

  private constructor(within: number | null, cpus: number, config: readonly string[]) {
    this.within = within;
    this.cpus = cpus;
    this.config = config;
  }

  /**
   * @param options.within process 1 of the namespaces in which all of it is to be, and where the policy is; absent: it makes its own
   * @param options.config more lines of slurm.conf; `DIRECTORY` in them is the cluster's own
   */
  static async start({within = null, cpus = 2, config = []}: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(within, cpus, config);
    try {
      await cluster.launch();
      return cluster;
    } catch (error) {
      const troubles = cluster.logs();
      await cluster.stop();
      throw new Error(`Slurm did not come up: ${String(error)}\n${troubles}`, {cause: error});
    }
  }

  at(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  private async launch(): Promise<void> {
    chmodSync(this.directory, 0o755);
    for (const name of ['spool', 'state', 'log', 'munge', 'run', 'etc', 'home', 'tare']) mkdirSync(this.at(name));
    for (const name of ['tare/state', 'tare/spool', 'tare/scratch']) {
      mkdirSync(this.at(name));
      chmodSync(this.at(name), 0o1777);
    }
    chmodSync(this.at('munge'), 0o700);
    chownSync(this.at('home'), NOBODY, NOBODY);
    writeFileSync(this.at('munge/key'), randomBytes(1024), {mode: 0o400});
    this.setPolicy();
    const node = hostname();
    const lines = [
      'ClusterName=test',
      `SlurmctldHost=${node}(${ADDRESS})`,
      'AuthType=auth/munge',
      `AuthInfo=socket=${this.at('run/munge.sock')}`,
      'CredType=cred/munge',
      'SlurmUser=root',
      'SlurmctldPort=16817',
      'SlurmdPort=16818',
      `StateSaveLocation=${this.at('state')}`,
      `SlurmdSpoolDir=${this.at('spool')}`,
      `SlurmctldPidFile=${this.at('run/ctld.pid')}`,
      `SlurmdPidFile=${this.at('run/slurmd.pid')}`,
      `SlurmctldLogFile=${this.at('log/ctld.log')}`,
      `SlurmdLogFile=${this.at('log/slurmd.log')}`,
      'ProctrackType=proctrack/linuxproc',
      'TaskPlugin=task/none',
      'SelectType=select/cons_tres',
      'SelectTypeParameters=CR_Core_Memory',
      'JobAcctGatherType=jobacct_gather/none',
      'MpiDefault=none',
      'ReturnToService=2',
      'KillWait=20',
      // jobs of a test need not wait for each other, whatever the machine has
      'SlurmdParameters=config_overrides',
      'SchedulerParameters=sched_interval=2,sched_min_interval=0,bf_interval=1',
      `NodeName=${node} NodeAddr=${ADDRESS} CPUs=${String(this.cpus)} RealMemory=4000 State=UNKNOWN`,
      `PartitionName=${PARTITION} Nodes=ALL Default=YES State=UP`,
      ...this.config.map((line) => line.replaceAll('DIRECTORY', this.directory)),
      '',
    ];
    writeFileSync(this.at('slurm.conf'), lines.join('\n'));
    if (this.within === null) await this.makeNamespaces();
    else {
      this.first = this.within;
      const {code, stderr} = await this.run(['sh', '-c', NETWORK.join(' && ')], {root: true});
      if (code !== 0) throw new Error(`the network: ${stderr}`);
    }
    const munge = ['key-file munge/key', 'socket run/munge.sock', 'pid-file munge/pid', 'log-file munge/log', 'seed-file munge/seed'];
    const options = munge.map((each) => each.replace(/^(\S+) (.*)$/, (_, option: string, name: string) => `--${option}=${this.at(name)}`));
    for (const argv of [['munged', '--force', ...options], ['slurmctld'], ['slurmd']]) {
      const {code, stderr} = await this.run(argv, {root: true});
      if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
    }
    for (const deadline = Date.now() + patience(30_000); ;) {
      if ((await this.run(['sinfo', '-h', '-o', '%t'], {root: true})).stdout.includes('idle')) return;
      if (Date.now() > deadline) throw new Error('no node is idle');
    }
  }

  private async makeNamespaces(): Promise<void> {
    mkdirSync(POLICY_FOLDER, {recursive: true});
    const inner = [
      'mount --bind "$1/etc" /etc/tare',
      'ip link set lo up',
      ...NETWORK,
      ': >"$1/run/up"',
      'while :; do sleep 0.3; done', // waits for orphans too
    ].join(' && ');
    const outer = `
      unshare --net --mount --propagation=private --pid --fork --kill-child=KILL --mount-proc sh -c '${inner}' sh "$1" &
      trap 'kill -KILL $!; wait $!; rm -rf "$1"' TERM
      wait $! || wait $!`;
    this.holder = spawn('setpriv', ['--pdeathsig=TERM', 'sh', '-c', outer, 'sh', this.directory], {stdio: 'ignore', detached: true});
    await until('the namespaces', () => existsSync(this.at('run/up')), 10);
    const unshare = processes().find(({parent, comm}) => parent === this.holder?.pid && comm === 'unshare');
    this.first = processes().find(({parent}) => parent === unshare?.pid)?.pid ?? 0;
  }

  /** A command in there, by default as the user, and its end. */
  async run(argv: readonly string[], {root = false}: {root?: boolean} = {}): Promise<Ran> {
    const user = ['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups'];
    const into = [`--target=${String(this.first)}`, '--net', '--mount', '--pid', `--wd=${this.at('home')}`, ...(root ? [] : user)];
    const env = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: this.at('home'), SLURM_CONF: this.at('slurm.conf')};
    return new Promise((resolve) => {
      execFile('nsenter', [...into, ...argv], {env, timeout: patience(60_000)}, (error, stdout, stderr) => {
        resolve({code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr});
      });
    });
  }

  read(name: string): string {
    const path = this.at('home', name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Of the job with this number. */
  records(job: string): UsageRecord[] {
    return this.allRecords().filter(({lrms}) => lrms.localJobId === job);
  }

  allRecords(): UsageRecord[] {
    return readdirSync(this.at('tare/spool'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(this.at('tare/spool', name), 'utf8')) as UsageRecord);
  }

  /** Removes what the jobs up to now have left: records, files, and the folders of their steps. */
  forget(): void {
    const empty = (directory: string): void => {
      for (const name of existsSync(directory) ? readdirSync(directory) : []) rmSync(join(directory, name), {recursive: true});
    };
    for (const name of ['tare/spool', 'home']) empty(this.at(name));
    for (const user of readdirSync(this.at('tare/state'))) empty(this.at('tare/state', user, 'steps'));
  }

  /** What tasks have noted in the folders of their steps: notes of one name, or of tasks whose init is in the box (`init`). */
  stepNotes(name: 'task' | 'init' | 'maker'): string[] {
    const users = readdirSync(this.at('tare/state')).map((user) => this.at('tare/state', user, 'steps'));
    const folders = users.filter((path) => existsSync(path)).flatMap((path) => readdirSync(path).map((step) => join(path, step)));
    const notes = folders.flatMap((folder) =>
      readdirSync(folder)
        .filter((file) => (name === 'maker' ? file === 'maker.json' : /^task-\d+\.json$/.test(file)))
        .map((file) => readFileSync(join(folder, file), 'utf8')),
    );
    return name === 'init' ? notes.filter((text) => /"init":\d/.test(text)) : notes;
  }

  setPolicy(policy: object = {}): void {
    const directories = {state: this.at('tare/state/%u'), spool: this.at('tare/spool'), scratch: this.at('tare/scratch')};
    const document = {schema: 'tare/policy/v1', site: {name: 'TEST-SITE'}, directories, ...policy};
    writeFileSync(this.at('etc/policy.yaml'), JSON.stringify(document));
  }

  logs(): string {
    const tail = (name: string): string =>
      existsSync(this.at('log', name)) ? readFileSync(this.at('log', name), 'utf8').slice(-2000) : '';
    return `${tail('ctld.log')}\n${tail('slurmd.log')}`;
  }

  async stop(): Promise<void> {
    // processes in other namespaces end with these
    if (this.first > 0 && this.within === null) process.kill(this.first, 'SIGKILL');
    const {holder} = this;
    if (holder !== null && holder.exitCode === null && holder.signalCode === null) {
      const ended = new Promise((resolve) => holder.once('exit', resolve));
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, patience(10_000)))]);
    }
    rmSync(this.directory, {recursive: true, force: true, maxRetries: 5, retryDelay: 200});
    if (this.within === null) removePolicyFolder();
  }
}
