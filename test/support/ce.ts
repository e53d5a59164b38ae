/**
 * A computing element of ARC for a test: A-REX with its REST interface, a certificate authority, a client and a local account of its own, in
 * namespaces of its own: what runs there sees no network but loopback, and is gone when process 1 of its PID namespace is.
 */

import {execFile, spawn, type ChildProcess} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {CALLOUT, runtimeEnvironment} from '../../plugins/arc/runtime-environment.js';
import type {UsageRecord} from '../../src/record/record.js';
import {patience} from './pace.js';
import {POLICY_FOLDER, removePolicyFolder} from './policy-folder.js';
import {Pool} from './pool.js';
import {Cluster, PARTITION} from './slurm.js';
import {processes, until} from './tare.js';

export interface CeOptions {
  /** A pool of HTCondor in the same namespaces, behind it; absent: it runs jobs itself. `wrapper`: USER_JOB_WRAPPER. */
  condor?: {wrapper?: string; config?: readonly string[]};
  /** A cluster of Slurm in the same namespaces, behind it. */
  slurm?: boolean;
  /** tare-wrap on the nodes; null: no ENV/TARE for all jobs. */
  wrapper: string | null;
  /** Whether A-REX calls our callout. */
  callout?: boolean;
  /** The node's /etc/tare/policy.yaml. */
  policy?: object;
  /** More runtime environments, by their names below ENV/: their texts. */
  environments?: Readonly<Record<string, string>>;
  /** Programs that the CE and its jobs see, by their paths: their texts. Other processes do not see these directories. */
  files?: Readonly<Record<string, string>>;
}

export interface Description {
  /** Text of the job's program: a script. */
  script: string;
  arguments?: readonly string[];
  /** More attributes, as xRSL has them. */
  xrsl?: string;
  files?: Readonly<Record<string, string>>;
}

/** Not below /tmp: a box has its own. */
const PLACE = '/var/lib';
const SHARE = '/usr/share/arc';
const PORT = 24443;
const SUBJECT = '/DC=org/DC=nordugrid/DC=ARC/O=TestCA/CN=E2E User';
/** Of the database of A-REX's accounting: what a job used. */
const USED = ['ExitCode', 'UsedWalltime', 'UsedCPUUserTime', 'UsedCPUKernelTime', 'UsedMemory', 'CPUCount'] as const;
export type Used = Record<(typeof USED)[number], number>;

export class Ce {
  /** No capital letters: arcctl takes a prefix off a name letter by letter. */
  readonly directory = join(PLACE, `tare-ce-${randomBytes(4).toString('hex')}`);
  readonly account: {name: string; uid: number; gid: number};
  private readonly options: CeOptions;
  private holder: ChildProcess | null = null;
  /** Process 1 in there, as it is called out here. */
  private first = 0;
  private submissions = 0;
  private pool: Pool | null = null;
  private cluster: Cluster | null = null;

  private constructor(options: CeOptions, account: Ce['account']) {
    this.options = options;
    this.account = account;
  }

  static async start(options: CeOptions): Promise<Ce> {
    const name = `tare-arc-${randomBytes(3).toString('hex')}`;
    await run('useradd', ['--create-home', '--home-dir', join(PLACE, name), name]);
    const ids = await Promise.all(['-u', '-g'].map(async (flag) => Number(await run('id', [flag, name]))));
    const ce = new Ce(options, {name, uid: ids[0] ?? -1, gid: ids[1] ?? -1});
    try {
      ce.makeFolders();
      await ce.makeNamespaces();
      if (options.condor !== undefined) {
        const policy = {directories: ce.directories(), ...options.policy};
        ce.pool = await Pool.start({...options.condor, policy, within: ce.entering()});
      }
      if (options.slurm === true) {
        ce.cluster = await Cluster.start({within: ce.first, cpus: 8});
        ce.makeTools(ce.cluster);
      }
      ce.configure();
      await ce.launch();
      return ce;
    } catch (error) {
      const troubles = ce.logs();
      await ce.stop();
      throw new Error(`the CE did not come up: ${String(error)}\n${troubles}`, {cause: error});
    }
  }

  /** Where the jobs look for tare-wrap: a link to it. */
  get wrapper(): string {
    return this.at('bin/tare-wrap');
  }

  /** Where that leads. */
  get wrappersPlace(): string {
    return this.options.wrapper ?? '';
  }

  at(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  private makeFolders(): void {
    mkdirSync(this.directory);
    chmodSync(this.directory, 0o755);
    for (const name of [
      'ca',
      'vomsdir',
      'control',
      'session',
      'log',
      'run',
      'rte',
      'rte/ENV',
      'client',
      'client/home',
      'bin',
      'etc',
      'tare',
    ])
      mkdirSync(this.at(name));
    for (const name of ['accepting', 'processing', 'finished', 'restarting']) mkdirSync(this.at('control', name));
    for (const name of ['tmp', 'tare/state', 'tare/spool', 'tare/scratch']) {
      mkdirSync(this.at(name));
      chmodSync(this.at(name), 0o1777);
    }
    // a scan's only sleep is the pause before its end
    symlinkSync('/bin/true', this.at('bin/sleep'));
    this.setPolicy(this.options.policy ?? {});
    const {wrapper, environments = {}} = this.options;
    if (wrapper !== null) {
      symlinkSync(wrapper, this.wrapper);
      writeFileSync(this.at('rte/ENV/TARE'), runtimeEnvironment({wrapper: this.wrapper}));
    }
    for (const [name, text] of Object.entries(environments)) writeFileSync(this.at('rte/ENV', name), text);
    writeFileSync(this.at('tare-finishing'), CALLOUT, {mode: 0o755});
    writeFileSync(this.at('allowed-subjects'), `"${SUBJECT}"\n`);
  }

  private get lrms(): 'fork' | 'condor' | 'slurm' {
    if (this.options.slurm === true) return 'slurm';
    return this.options.condor === undefined ? 'fork' : 'condor';
  }

  /** Slurm's is a partition. */
  private get queue(): string {
    return this.lrms === 'slurm' ? PARTITION : this.lrms;
  }

  /** A-REX has no option for the place of slurm.conf, but one for that of Slurm's programs. */
  private makeTools(cluster: Cluster): void {
    mkdirSync(this.at('slurm'));
    for (const name of ['sbatch', 'scancel', 'scontrol', 'sinfo', 'squeue', 'sacct'])
      writeFileSync(this.at('slurm', name), `#!/bin/sh\nSLURM_CONF=${cluster.at('slurm.conf')} exec /usr/bin/${name} "$@"\n`, {
        mode: 0o755,
      });
  }

  private configure(): void {
    const {name} = this.account;
    const {callout = false} = this.options;
    const condor =
      this.pool === null ? [] : ['condor_bin_path = /usr/bin', `condor_config = ${join(this.pool.directory, 'condor_config')}`];
    const lines = [
      '[common]',
      'hostname = localhost',
      `x509_host_key = ${this.at('host-localhost-key.pem')}`,
      `x509_host_cert = ${this.at('host-localhost-cert.pem')}`,
      `x509_cert_dir = ${this.at('ca')}`,
      `x509_voms_dir = ${this.at('vomsdir')}`,
      '[authgroup:all]',
      `file = ${this.at('allowed-subjects')}`,
      '[mapping]',
      `map_to_user = all ${name}:${name}`,
      'policy_on_nomap = stop',
      '[lrms]',
      `lrms = ${this.lrms}`,
      ...condor,
      // ended jobs are looked for by \`scan\`, with no accounting of Slurm's
      ...(this.cluster === null ? [] : [`slurm_bin_path = ${this.at('slurm')}`, 'slurm_use_sacct = no', 'slurm_wakeupperiod = 3600']),
      '[arex]',
      ...['controldir control', 'sessiondir session', 'runtimedir rte', 'tmpdir tmp', 'logfile log/arex.log', 'joblog log/jobs.log'].map(
        this.path,
      ),
      ...['helperlog log/helper.log', 'pidfile run/arex.pid'].map(this.path),
      'wakeupperiod = 2',
      ...(callout ? [`statecallout = FINISHING timeout=20,onfailure=pass,ontimeout=pass ${this.at('tare-finishing')} %C %I`] : []),
      '[arex/ws]',
      `wsurl = https://localhost:${String(PORT)}/arex`,
      ...['logfile log/ws.log', 'pidfile run/arex-ws.pid'].map(this.path),
      '[arex/ws/jobs]',
      'allowaccess = all',
      '[infosys]',
      `logfile = ${this.at('log/infoprovider.log')}`,
      '[infosys/glue2]',
      '[infosys/cluster]',
      `[queue:${this.queue}]`,
      'benchmark = HEPscore23 15.5',
      '',
    ];
    writeFileSync(this.at('arc.conf'), lines.join('\n'));
  }

  private readonly path = (line: string): string => {
    const [option = '', name = ''] = line.split(' ');
    return `${option} = ${this.at(name)}`;
  };

  private directories(): object {
    return {state: this.at('tare/state/%u'), spool: this.at('tare/spool'), scratch: this.at('tare/scratch')};
  }

  private entering(): string[] {
    return ['nsenter', `--target=${String(this.first)}`, '--net', '--mount', '--pid'];
  }

  setPolicy(policy: object): void {
    const document = {schema: 'tare/policy/v1', site: {name: 'TEST-SITE'}, directories: this.directories(), ...policy};
    writeFileSync(this.at('etc/policy.yaml'), JSON.stringify(document));
  }

  private async makeNamespaces(): Promise<void> {
    mkdirSync(POLICY_FOLDER, {recursive: true});
    // a shell that waits for a child waits for every orphan too
    const inner = 'mount --bind "$1/etc" /etc/tare && ip link set lo up && : >"$1/run/up" && while :; do sleep 0.3; done';
    // The shell outside stays, to clean up when the tests are killed.
    const outer = `
      unshare --net --mount --propagation=private --pid --fork --kill-child=KILL --mount-proc sh -c '${inner}' sh "$1" &
      trap 'kill -KILL $!; wait $!; rm -rf "$1"; userdel --force --remove "$2"' TERM
      wait $! || wait $!`;
    const argv = ['--pdeathsig=TERM', 'sh', '-c', outer, 'sh', this.directory, this.account.name];
    this.holder = spawn('setpriv', argv, {stdio: 'ignore', detached: true});
    await until('the namespaces', () => existsSync(this.at('run/up')), 10);
    const unshare = processes().find(({parent, comm}) => parent === this.holder?.pid && comm === 'unshare');
    this.first = processes().find(({parent}) => parent === unshare?.pid)?.pid ?? 0;
  }

  /** Runs a command in there, by default as root. */
  async inside(argv: readonly string[], {client = false, cwd = this.directory}: {client?: boolean; cwd?: string} = {}): Promise<string> {
    const variables = client
      ? {
          HOME: this.at('client/home'),
          X509_USER_CERT: this.at('client/client-E2E-User-cert.pem'),
          X509_USER_KEY: this.at('client/client-E2E-User-key.pem'),
          X509_CERT_DIR: this.at('ca'),
          X509_USER_PROXY: this.at('client/proxy.pem'),
        }
      : {HOME: '/root', ARC_CONFIG: this.at('arc.conf'), ARC_LOCATION: '/usr'};
    const env = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...variables};
    const [nsenter = '', ...into] = this.entering();
    return run(nsenter, [...into, `--wd=${cwd}`, ...argv], env);
  }

  async arcctl(...argv: readonly string[]): Promise<string> {
    return this.inside(['arcctl', '-c', this.at('arc.conf'), ...argv]);
  }

  private async launch(): Promise<void> {
    for (const [path, text] of Object.entries(this.options.files ?? {})) {
      const [source, directory] = [this.at('files', basename(path)), dirname(path)];
      mkdirSync(dirname(source), {recursive: true});
      writeFileSync(source, text, {mode: 0o755});
      await this.inside(['sh', '-c', 'mount -t tmpfs tmpfs "$2" && cp "$1" "$2"', 'sh', source, dirname(directory)]);
      await this.inside(['sh', '-c', 'mkdir -p "$1" && cp "$2" "$1"', 'sh', directory, source]);
    }
    const ca = ['test-ca', '--ca-dir', this.at('ca'), '--ca-id', 'E2E'];
    await this.arcctl(...ca, 'init');
    await this.arcctl(...ca, 'hostcert', '-n', 'localhost');
    await this.inside(['arcctl', '-c', this.at('arc.conf'), ...ca, 'usercert', '-n', 'E2E User', '--no-auth'], {cwd: this.at('client')});
    // else the REST interface makes parameters of its own for minutes
    const parameters = ['genpkey', '-genparam', '-algorithm', 'DH', '-pkeyopt', 'group:ffdhe2048', '-out', this.at('control/dhparam.pem')];
    await run('openssl', parameters);
    chmodSync(this.at('control/dhparam.pem'), 0o600);
    for (const name of readdirSync(this.at('rte/ENV'))) await this.arcctl('rte', name === 'TARE' ? 'default' : 'enable', `ENV/${name}`);
    for (const script of ['arc-arex-start', 'arc-arex-ws-start']) {
      // on loopback only; without asking a time server; and with states that are not a minute old
      const text = readFileSync(join(SHARE, script), 'utf8')
        .replace('<tcp:Listen><tcp:Port>', '<tcp:Listen><tcp:Interface>127.0.0.1</tcp:Interface><tcp:Port>')
        .replace(
          '<arex:gmconfig>$ARC_RUNTIME_CONFIG</arex:gmconfig>',
          (found) => `${found}<arex:InfoproviderWakeupPeriod>3</arex:InfoproviderWakeupPeriod>`,
        )
        .replaceAll(/^validate >> .*$/gm, 'true');
      writeFileSync(this.at('run', script), text, {mode: 0o755});
      await this.inside([this.at('run', script)]);
    }
    await until('A-REX', () => existsSync(this.at('control/info.xml')) && statSync(this.at('control/info.xml')).size > 0, 30);
    const port = PORT.toString(16).toUpperCase().padStart(4, '0');
    const listens = new RegExp(`:${port} [0:]+ 0A `, 'm'); // proc(5), /proc/PID/net/tcp
    const tables = ['tcp', 'tcp6'].map((name) => `/proc/${String(this.first)}/net/${name}`);
    await until('the REST interface', () => tables.some((table) => listens.test(readFileSync(table, 'utf8'))), 30);
    await this.inside(['arcproxy', '-c', 'validityPeriod=12h'], {client: true});
  }

  async submit({script, arguments: given = [], xrsl = '', files = {}}: Description): Promise<ArcJob> {
    const directory = this.at('client', String(this.submissions++));
    mkdirSync(directory);
    const all: Readonly<Record<string, string>> = {'run.sh': script, ...files};
    for (const [name, text] of Object.entries(all)) writeFileSync(join(directory, name), text, {mode: 0o755});
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    const lines = [
      `&(executable="run.sh")(executables="run.sh")(jobName="a test")(queue="${this.queue}")`,
      `(inputFiles=${Object.keys(all)
        .map((name) => `("${name}" "${name}")`)
        .join('')})`,
      '(stdout="out.txt")(stderr="err.txt")',
      ...(given.length === 0 ? [] : [`(arguments=${given.map(quoted).join(' ')})`]),
      xrsl,
    ];
    writeFileSync(join(directory, 'job.xrsl'), lines.join('\n'));
    const endpoint = ['-d', 'ERROR', '-T', 'arcrest', '-Q', 'NONE', '-C', `https://localhost:${String(PORT)}/arex`];
    await this.inside(['arcsub', ...endpoint, '-j', 'jobs.dat', '-o', 'ids', 'job.xrsl'], {client: true, cwd: directory});
    const id = readFileSync(join(directory, 'ids'), 'utf8').trim().replace(/^.*\//, '');
    return new ArcJob(this, id, directory);
  }

  /** A-REX looks for ended jobs every 20 s or every minute; this looks now. */
  async scan(): Promise<void> {
    const path = `PATH=${this.at('bin')}:/usr/sbin:/usr/bin:/sbin:/bin`;
    // one at a time in a directory for temporary files
    const place = `TMPDIR=${this.at('run')}`;
    const script = `scan-${this.lrms === 'slurm' ? 'SLURM' : this.lrms}-job`;
    const argv = ['env', path, place, join(SHARE, script), '--config', this.at('run/arex.cfg'), this.at('control')];
    await this.inside(argv).catch(() => undefined); // it looks again
  }

  /** What the wrapper wrote on this node, newest last. */
  records(): UsageRecord[] {
    const folder = this.at('tare/spool');
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as UsageRecord);
  }

  /** Processes of the jobs' account. */
  processes(): string[] {
    return processes()
      .filter(
        ({pid, state}) =>
          state !== 'Z' && new RegExp(`^Uid:\\t${String(this.account.uid)}\\t`, 'm').test(text(`/proc/${String(pid)}/status`)),
      )
      .map(({pid, argv}) => `${String(pid)}: ${argv.join(' ')}`);
  }

  logs(lines = 20): string {
    const tail = (path: string): string => `--- ${path}\n${text(path).trimEnd().split('\n').slice(-lines).join('\n')}`;
    return [
      ...['log/arex.log', 'log/ws.log', 'log/helper.log'].map((name) => tail(this.at(name))),
      this.pool?.logs() ?? this.cluster?.logs() ?? '',
    ].join('\n');
  }

  async stop(): Promise<void> {
    await this.pool?.stop();
    if (this.first > 0) process.kill(this.first, 'SIGKILL');
    const {holder} = this;
    if (holder !== null && holder.exitCode === null && holder.signalCode === null) {
      const ended = new Promise((resolve) => holder.once('exit', resolve));
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, patience(10_000)))]);
    }
    await this.cluster?.stop();
    await until('the end of the jobs', () => this.processes().length === 0, 20);
    await run('userdel', ['--force', '--remove', this.account.name]).catch(() => undefined);
    rmSync(this.directory, {recursive: true, force: true, maxRetries: 5, retryDelay: 200});
    removePolicyFolder();
  }
}

export class ArcJob {
  readonly id: string;
  readonly submitted: string;
  private readonly ce: Ce;

  constructor(ce: Ce, id: string, submitted: string) {
    this.ce = ce;
    this.id = id;
    this.submitted = submitted;
  }

  /** A file of A-REX's about it: `diag`, `failed`, `errors`, `grami`, `local`. */
  control(name: string): string {
    return text(this.ce.at('control/jobs', this.id.replace(/^(...)(...)(...)/, '$1/$2/$3/'), name));
  }

  /** A file of the session directory. */
  session(name: string): string {
    return text(this.ce.at('session', this.id, name));
  }

  /** What ARC has measured up to now. */
  get diag(): string {
    return text(this.ce.at('session', `${this.id}.diag`));
  }

  get state(): string {
    const found = ['finished', 'processing', 'accepting', 'restarting'].map((folder) =>
      text(this.ce.at('control', folder, `${this.id}.status`)),
    );
    return (found.find((state) => state !== '') ?? '').trim();
  }

  async running(): Promise<void> {
    await until(`job ${this.id} to run`, () => this.session('ready') !== '' || this.session('out.txt').includes('ready'), 60);
  }

  /** Until A-REX has finished it, and its accounting too. */
  async finished(seconds = 60): Promise<Used> {
    for (const deadline = Date.now() + patience(seconds) * 1000; ;) {
      if (this.state === 'FINISHED') break;
      if (Date.now() > deadline)
        throw new Error(`job ${this.id} is still ${this.state}\n${this.control('errors').slice(-3000)}\n${this.ce.logs()}`);
      if (this.state === 'INLRMS' || this.state === 'CANCELING') await this.ce.scan();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const database = `file:${this.ce.at('control/accounting/accounting_v2.db')}?mode=ro`;
    const query = `select ${USED.join(',')} from AAR join Status on AAR.StatusID=Status.ID where JobID='${this.id}' and Status.Name!='in-progress'`;
    for (const deadline = Date.now() + patience(20) * 1000; Date.now() < deadline;) {
      const row = (await run('sqlite3', [database, query]).catch(() => '')).trim();
      if (row !== '') return Object.fromEntries(row.split('|').map((value, index) => [USED[index], Number(value)])) as Used;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`job ${this.id} is not in the accounting`);
  }

  /** `arckill`. */
  async kill(): Promise<void> {
    await this.ce.inside(['arckill', '-j', 'jobs.dat', '-a', '-k'], {client: true, cwd: this.submitted});
  }

  /** `arcget`: the directory that it makes. */
  async fetch(): Promise<string> {
    // the REST interface answers by what is looked at every three seconds
    await until('the REST interface to see the end', () => this.control('xml').includes('arcrest:FINISHED'), 30).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.control('xml')}\n${text(this.ce.at('log/infoprovider.log')).slice(-2000)}`);
    });
    await this.ce.inside(['arcget', '-d', 'ERROR', '-j', 'jobs.dat', '-D', 'out', '-a', '-k'], {client: true, cwd: this.submitted});
    const [only = ''] = readdirSync(join(this.submitted, 'out'));
    return join(this.submitted, 'out', only);
  }

  /** The record of it that is no part of another. */
  records(): UsageRecord[] {
    return this.ce
      .records()
      .filter(({lrms}) => lrms.globalJobId === `localhost#${this.id}` || lrms.globalJobId.startsWith(`localhost#${this.id}#`));
  }

  get record(): UsageRecord {
    const [record] = this.records();
    if (record === undefined) throw new Error(`no record of ${this.id}\n${this.control('errors').slice(-3000)}`);
    return record;
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function run(command: string, argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, argv, {env, maxBuffer: 2 ** 26, timeout: patience(60_000)}, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${argv.join(' ')}: ${error.message}\n${stdout}${stderr}`, {cause: error}));
    });
  });
}
