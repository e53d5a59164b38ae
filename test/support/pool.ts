/** A personal HTCondor pool for a test: all daemons, a submitter and a node of its own, gone without a trace afterwards. */

import {execFile, spawn, type ChildProcess} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import {dirname, join, relative} from 'node:path';
import {promisify} from 'node:util';
import type {UsageRecord} from '../../src/record/record.js';
import {patience} from './pace.js';
import {POLICY_FOLDER, removePolicyFolder} from './policy-folder.js';
import {groups, processes, until} from './tare.js';

/** An ad as the tools print it: attribute to the text of its expression. */
export type Ad = ReadonlyMap<string, string>;
export type Description = Readonly<Record<string, string | number | boolean>>;

export interface SubmitOptions {
  /** In the submit directory. */
  files?: Readonly<Record<string, string>>;
}

export interface PoolOptions {
  /** USER_JOB_WRAPPER. */
  wrapper?: string;
  /** More lines of configuration. */
  config?: readonly string[];
  /** The node's /etc/tare/policy.yaml, seen by the pool alone. */
  policy?: object;
  /** A command that runs another in the namespaces where all of it is to be; absent: where the tests are. */
  within?: readonly string[];
}

/** Events of the user's log, with their numbers. */
const EVENTS = {
  submitted: '000',
  executing: '001',
  evicted: '004',
  terminated: '005',
  'shadow-exception': '007',
  aborted: '009',
  suspended: '010',
  unsuspended: '011',
  held: '012',
  released: '013',
  'remote-error': '021',
} as const;
export type Event = keyof typeof EVENTS;

/** Not below /tmp or /var/tmp: the starter gives each job its own of these. */
const PLACE = '/var/lib';
const SUBMITTER = 'tare-test-';

export class Pool {
  readonly directory = mkdtempSync(join(PLACE, 'tare-pool-'));
  readonly submitter: {name: string; uid: number; gid: number};
  private readonly options: PoolOptions;
  private readonly environment: NodeJS.ProcessEnv;
  private master: ChildProcess | null = null;
  private submissions = 0;

  private constructor(options: PoolOptions, submitter: Pool['submitter']) {
    this.options = options;
    this.submitter = submitter;
    this.environment = {PATH: process.env.PATH, CONDOR_CONFIG: join(this.directory, 'condor_config')};
    chmodSync(this.directory, 0o755);
    for (const name of ['log', 'spool', 'lock', 'etc', 'home', 'jobs', 'tare', 'tare/node']) mkdirSync(join(this.directory, name));
    for (const name of ['execute', 'tare/state', 'tare/spool', 'tare/scratch']) {
      mkdirSync(join(this.directory, name));
      chmodSync(join(this.directory, name), 0o1777);
    }
    for (const name of ['home', 'jobs']) chownSync(join(this.directory, name), submitter.uid, submitter.gid);
    for (const name of ['log', 'spool', 'lock']) {
      const {uid, gid} = account('condor');
      chownSync(join(this.directory, name), uid, gid);
    }
    this.setPolicy(options.policy ?? {});
  }

  /** A pool whose node is ready for jobs. */
  static async start(options: PoolOptions = {}): Promise<Pool> {
    const submitter = await createSubmitter();
    const pool = new Pool(options, submitter);
    try {
      await pool.launch();
      return pool;
    } catch (error) {
      const troubles = pool.logs();
      await pool.stop();
      throw new Error(`the pool did not come up\n${troubles}`, {cause: error});
    }
  }

  private async launch(): Promise<void> {
    writeFileSync(join(this.directory, 'condor_config'), this.configuration(await freePort()));
    mkdirSync(POLICY_FOLDER, {recursive: true});
    // A mount namespace of its own: the policy is this pool's, and what is hidden from it is hidden only here. The shell stays, to
    // clean up when the tests are killed: a process that changes its user, as condor_master does, is not told of its parent's death.
    const script = `
      mount --bind "$1/etc" "$2" || exit
      condor_master -f &
      trap 'kill -QUIT $!; orphan=1' TERM
      trap 'kill -QUIT $!' QUIT
      wait $! || wait $!
      test -z "$orphan" || { umount "$2"; rm -rf "$1"; userdel --force "$3"; rmdir "$2"; }`;
    const within = this.options.within ?? [];
    const [command, before] = within[0] === undefined ? ['setpriv', []] : [within[0], [...within.slice(1), 'setpriv']];
    this.master = spawn(
      command,
      [
        ...before,
        ...['--pdeathsig=TERM', 'unshare', '--mount', '--propagation=private'],
        ...['sh', '-c', script, 'sh', this.directory, POLICY_FOLDER, this.submitter.name],
      ],
      {env: this.environment, stdio: 'ignore', detached: true},
    );
    await this.poll('the slot', async () => (await this.tool('condor_status', ['-af', 'Name'])).includes('slot'), 60);
  }

  private configuration(port: number): string {
    const {wrapper, config = []} = this.options;
    return [
      'RELEASE_DIR = /usr',
      `LIB = ${firstOf('/usr/lib/condor', '/usr/lib64/condor')}`,
      `LIBEXEC = ${firstOf('/usr/libexec/condor', '/usr/lib/condor/libexec')}`,
      `LOCAL_DIR = ${this.directory}`,
      'LOG = $(LOCAL_DIR)/log',
      'SPOOL = $(LOCAL_DIR)/spool',
      'EXECUTE = $(LOCAL_DIR)/execute',
      'LOCK = $(LOCAL_DIR)/lock',
      'RUN = $(LOCAL_DIR)/lock',
      'CONDOR_HOST = 127.0.0.1',
      'NETWORK_INTERFACE = 127.0.0.1',
      'BIND_ALL_INTERFACES = False',
      `COLLECTOR_HOST = $(CONDOR_HOST):${String(port)}`,
      'USE_SHARED_PORT = False',
      'use ROLE: Personal',
      'SEC_DEFAULT_AUTHENTICATION_METHODS = FS, CLAIMTOBE',
      ...['READ', 'WRITE', 'ADMINISTRATOR', 'DAEMON'].map((level) => `ALLOW_${level} = *`),
      'TRUST_UID_DOMAIN = True',
      'UID_DOMAIN = local',
      'FILESYSTEM_DOMAIN = local',
      'MAIL = /bin/true',
      // more than there are: the jobs wait more than they work
      'NUM_CPUS = 12',
      'MEMORY = 12288',
      'NUM_SLOTS_TYPE_1 = 1',
      'SLOT_TYPE_1 = 100%',
      'SLOT_TYPE_1_PARTITIONABLE = True',
      'POLLING_INTERVAL = 1',
      'UPDATE_INTERVAL = 2',
      'NEGOTIATOR_INTERVAL = 2',
      'NEGOTIATOR_MIN_INTERVAL = 1',
      'NEGOTIATOR_CYCLE_DELAY = 1',
      'SCHEDD_INTERVAL = 2',
      'SCHEDD_MIN_INTERVAL = 1',
      'PERIODIC_EXPR_INTERVAL = 2',
      'STARTER_UPDATE_INTERVAL = 3',
      'STARTER_INITIAL_UPDATE_INTERVAL = 1',
      'KILLING_TIMEOUT = 20',
      'MachineMaxVacateTime = 20',
      'JOB_EPOCH_HISTORY = $(SPOOL)/epochs',
      'STARTER_DEBUG = D_FULLDEBUG',
      ...(wrapper === undefined ? [] : [`USER_JOB_WRAPPER = ${wrapper}`]),
      ...config,
      '',
    ].join('\n');
  }

  /** What the wrapper reads from now on. */
  setPolicy(policy: object): void {
    const inPool = (name: string): string => join(this.directory, 'tare', name);
    const document = {
      schema: 'tare/policy/v1',
      site: {name: 'TEST-SITE'},
      directories: {state: inPool('state/%u'), spool: inPool('spool'), scratch: inPool('scratch'), node: inPool('node')},
      ...policy,
    };
    writeFileSync(join(this.directory, 'etc/policy.yaml'), JSON.stringify(document));
  }

  /** Puts a file over another for the daemons and jobs of this pool. */
  async cover(target: string, source: string): Promise<void> {
    await this.inside(['mount', '--bind', source, target]);
  }

  /** At once, also while a process has something of `source` open. */
  async uncover(target: string): Promise<void> {
    await this.inside(['umount', '--lazy', target]);
  }

  /** What root's other timer does: ends with 1 where the node should get no jobs. */
  async probe(tare: string): Promise<void> {
    await this.inside([tare, 'node', 'probe', '--quiet']).catch(() => undefined);
  }

  private async inside(argv: readonly string[]): Promise<string> {
    return run('nsenter', [`--target=${String(this.master?.pid)}`, '--mount', ...argv], {});
  }

  /** Submits one job; `files` are in its submit directory. */
  async submit(description: Description, {files = {}}: SubmitOptions = {}): Promise<Job> {
    const [job] = await this.submitMany(1, description, {files});
    if (job === undefined) throw new Error('no job');
    return job;
  }

  /** Jobs of one cluster: one submit directory, and standard streams by the process id. */
  async submitMany(count: number, description: Description, {files = {}}: SubmitOptions = {}): Promise<Job[]> {
    const directory = join(this.directory, 'jobs', String(this.submissions++));
    const write = (name: string, text: string): void => {
      const path = join(directory, name);
      mkdirSync(dirname(path), {recursive: true});
      writeFileSync(path, text);
      chownSync(path, this.submitter.uid, this.submitter.gid);
    };
    for (const [name, text] of Object.entries(files)) write(name, text);
    const whole = {
      universe: 'vanilla',
      log: 'log',
      output: 'out.$(Process)',
      error: 'err.$(Process)',
      should_transfer_files: 'YES',
      when_to_transfer_output: 'ON_EXIT',
      request_cpus: 1,
      request_memory: '256MB',
      request_disk: '100MB',
      ...description,
    };
    const lines = Object.entries(whole).map(([name, value]) => `${name} = ${String(value)}`);
    write('submit', [...lines, `queue ${String(count)}`, ''].join('\n'));
    chownSync(directory, this.submitter.uid, this.submitter.gid);
    const answer = await this.tool('condor_submit', ['-terse', 'submit'], {
      cwd: directory,
      uid: this.submitter.uid,
      gid: this.submitter.gid,
    });
    const cluster = /^(\d+)\./.exec(answer)?.[1];
    if (cluster === undefined) throw new Error(`condor_submit: ${answer}`);
    return Array.from({length: count}, (_, index) => new Job(this, Number(cluster), index, directory, Object.keys(files)));
  }

  /** A tool of HTCondor, by default as root. */
  async tool(
    name: string,
    argv: readonly string[],
    options: {cwd?: string; uid?: number; gid?: number; env?: NodeJS.ProcessEnv} = {},
  ): Promise<string> {
    const whole = {...options, env: {...this.environment, ...options.env}};
    const [command = name, ...before] = this.options.within ?? [];
    return run(command, this.options.within === undefined ? argv : [...before, name, ...argv], whole);
  }

  /** Final ads of the jobs that have left the queue. */
  async history(...ids: readonly string[]): Promise<Ad[]> {
    return parseAds(await this.tool('condor_history', ['-l', ...ids]));
  }

  /** One ad for each attempt that ended, as the schedd's epoch log has them. */
  async epochs(...ids: readonly string[]): Promise<Ad[]> {
    return parseAds(await this.tool('condor_history', ['-epochs', '-l', ...ids]));
  }

  starterLog(): string {
    return this.log(/^StarterLog/);
  }

  log(names: RegExp): string {
    const folder = join(this.directory, 'log');
    const chosen = readdirSync(folder).filter((name) => names.test(name));
    return chosen.map((name) => readFileSync(join(folder, name), 'utf8')).join('');
  }

  /** The ends of the logs, for the report of a failure. */
  logs(lines = 25): string {
    const tail = (names: RegExp): string => this.log(names).trimEnd().split('\n').slice(-lines).join('\n');
    return ['StarterLog', 'ShadowLog', 'SchedLog', 'StartLog', 'NegotiatorLog']
      .map((name) => `--- ${name}\n${tail(new RegExp(`^${name}`))}`)
      .join('\n');
  }

  /** The wrapper's records on this node. */
  records(): UsageRecord[] {
    const folder = join(this.directory, 'tare/spool');
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as UsageRecord);
  }

  /** What a node's timer does. */
  async sweep(tare: string): Promise<void> {
    await this.inside([tare, 'records', 'sweep']);
  }

  /** What no job may leave on the node: processes, boxes and their folders, groups. */
  leftovers(): string[] {
    const list = (name: string): string[] => {
      const folder = join(this.directory, name);
      return existsSync(folder) ? readdirSync(folder).map((entry) => join(folder, entry)) : [];
    };
    const states = list('tare/state').map((path) => relative(this.directory, path));
    const ours = processes().filter(
      ({pid, state, argv}) => state !== 'Z' && pid !== this.master?.pid && this.isOurs(pid) && !(argv[0] ?? '').startsWith('condor_'),
    );
    return [
      ...list('execute'),
      ...list('tare/scratch').flatMap((path) => list(relative(this.directory, path))),
      ...states.flatMap((state) => list(join(state, 'boxes'))),
      ...groups().filter((path) => statSync(path, {throwIfNoEntry: false})?.uid === this.submitter.uid),
      ...ours.map(({pid, argv}) => `process ${String(pid)}: ${argv.join(' ')}`),
    ];
  }

  /** Waits until something that takes a command to see holds. */
  async poll(what: string, look: () => Promise<boolean>, seconds = 30): Promise<void> {
    for (const deadline = Date.now() + patience(seconds) * 1000; ;) {
      try {
        if (await look()) return;
      } catch {
        // not yet
      }
      if (Date.now() > deadline) throw new Error(`waited ${String(patience(seconds))} s for ${what}\n${this.logs()}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 250);
      });
    }
  }

  /** Daemons by their environment, jobs by that or their account: a supervisor's environment is made from nothing. */
  processes(): number[] {
    return processes()
      .filter(({pid, state}) => state !== 'Z' && this.isOurs(pid))
      .map(({pid}) => pid);
  }

  private isOurs(pid: number): boolean {
    const file = (name: string): string => read(`/proc/${String(pid)}/${name}`);
    if (pid === process.pid) return false;
    return file('environ').includes(this.directory) || new RegExp(`^Uid:\\t${String(this.submitter.uid)}\\t`, 'm').test(file('status'));
  }

  async stop(): Promise<void> {
    const {master} = this;
    if (master?.pid !== undefined && master.exitCode === null && master.signalCode === null) {
      const ended = new Promise((resolve) => master.once('exit', resolve));
      master.kill('SIGQUIT'); // a fast shutdown of all
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, patience(15_000)))]);
    }
    await until(
      'the end of the pool’s processes',
      () => {
        const left = this.processes();
        for (const pid of left) kill(pid);
        return left.length === 0;
      },
      30,
    );
    // the shell may be faster: below nsenter, the end of that is its parent's death
    await run('userdel', [this.submitter.name], {}).catch((error: unknown) => {
      if (!Number.isNaN(account(this.submitter.name).uid)) throw error;
    });
    rmSync(this.directory, {recursive: true, force: true, maxRetries: 5, retryDelay: 200});
    removePolicyFolder();
  }
}

/** A job in the queue or after it. */
export class Job {
  readonly id: string;
  readonly directory: string;
  private readonly pool: Pool;
  private readonly index: number;
  private readonly before: readonly string[];

  constructor(pool: Pool, cluster: number, index: number, directory: string, files: readonly string[]) {
    this.pool = pool;
    this.id = `${String(cluster)}.${String(index)}`;
    this.index = index;
    this.directory = directory;
    this.before = [...files, 'submit', 'log'];
  }

  get output(): string {
    return this.read(`out.${String(this.index)}`);
  }

  get error(): string {
    return this.read(`err.${String(this.index)}`);
  }

  get userLog(): string {
    return read(join(this.directory, 'log'));
  }

  read(name: string): string {
    return readFileSync(join(this.directory, name), 'utf8');
  }

  /** Its directory on the node while it runs. */
  sandbox(): string | null {
    const execute = join(this.pool.directory, 'execute');
    const ours = (name: string): boolean => {
      const ad = parseAds(read(join(execute, name, '.job.ad')))[0];
      return `${ad?.get('ClusterId') ?? ''}.${ad?.get('ProcId') ?? ''}` === this.id;
    };
    const found = readdirSync(execute).find(ours);
    return found === undefined ? null : join(execute, found);
  }

  /** Files that came back. */
  returned(): string[] {
    return readdirSync(this.directory, {recursive: true, withFileTypes: true})
      .filter((entry) => entry.isFile())
      .map((entry) => relative(this.directory, join(entry.parentPath, entry.name)))
      .filter((name) => !this.before.includes(name))
      .sort();
  }

  /** Texts of all events of a kind so far. */
  events(kind: Event): string[] {
    const [cluster = '', proc = ''] = this.id.split('.').map((part) => part.padStart(3, '0'));
    return this.userLog.split(/^\.\.\.\n/m).filter((text) => text.startsWith(`${EVENTS[kind]} (${cluster}.${proc}.`));
  }

  /** Waits for an event's n-th time, and gives its text. */
  async wait(kind: Event, {times = 1, seconds = 90}: {times?: number; seconds?: number} = {}): Promise<string> {
    try {
      return await until(`job ${this.id} ${kind}`, () => this.events(kind)[times - 1], seconds);
    } catch (error) {
      const why = await this.pool.tool('condor_q', ['-better-analyze', this.id]).catch(String);
      throw new Error(`${(error as Error).message}\n--- log of the job\n${this.userLog}\n${why}\n${this.pool.logs()}`, {cause: error});
    }
  }

  /** The ad of a job that has ended: the shadow writes the event before the schedd has all that the ad says. */
  async finalAd(): Promise<Ad> {
    return this.adWith('3', '4');
  }

  /** The same of one that is held. */
  async heldAd(): Promise<Ad> {
    return this.adWith('5');
  }

  private async adWith(...statuses: readonly string[]): Promise<Ad> {
    let ad = await this.ad();
    await this.pool.poll(`job ${this.id} to have JobStatus ${statuses.join(' or ')}`, async () => {
      ad = await this.ad();
      return statuses.includes(ad.get('JobStatus') ?? '');
    });
    return ad;
  }

  /** The ad in the queue, or in the history. */
  async ad(): Promise<Ad> {
    const queued = parseAds(await this.pool.tool('condor_q', ['-l', this.id]))[0];
    let found: Ad | undefined = queued;
    if (found === undefined) {
      await this.pool.poll(`job ${this.id} in the history`, async () => (found = (await this.pool.history(this.id))[0]) !== undefined);
    }
    if (found === undefined) throw new Error(`no ad of job ${this.id}`);
    return found;
  }

  /** condor_rm, condor_hold, ... as the submitter. */
  async command(name: string, before: readonly string[] = [], after: readonly string[] = []): Promise<string> {
    return this.pool.tool(name, [...before, this.id, ...after], {...this.pool.submitter, cwd: this.directory});
  }
}

/** Ads in the long form, one empty line between two. */
function parseAds(text: string): Ad[] {
  return text
    .split(/\n(?:\n|\*\*\*[^\n]*\n)/)
    .map((block) => new Map([...block.matchAll(/^([A-Za-z_]\w*) = (.*)$/gm)].map(([, name = '', value = '']) => [name, value] as const)))
    .filter(({size}) => size > 0);
}

const execute = promisify(execFile);

async function run(
  name: string,
  argv: readonly string[],
  options: {cwd?: string; uid?: number; gid?: number; env?: NodeJS.ProcessEnv},
): Promise<string> {
  const {stdout} = await execute(name, [...argv], {
    ...options,
    timeout: patience(60_000),
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** An account for one pool, with its home in the pool. Its uid is nobody else's: at the end of the pool all of its processes are killed. */
async function createSubmitter(): Promise<Pool['submitter']> {
  const name = `${SUBMITTER}${String(process.pid)}`;
  const apart = ['--key', 'UID_MIN=30000', '--key', 'UID_MAX=39999'];
  await run('useradd', [...apart, '--no-create-home', '--home-dir', '/', '--shell', '/bin/sh', name], {});
  return {name, ...account(name)};
}

function account(name: string): {uid: number; gid: number} {
  const [, , uid, gid] =
    read('/etc/passwd')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([each]) => each === name) ?? [];
  return {uid: Number(uid), gid: Number(gid)};
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const {port} = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}

function firstOf(...paths: readonly string[]): string {
  return paths.find((path) => existsSync(path)) ?? paths[0] ?? '';
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // gone
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // gone
  }
}
