/**
 * Each check fails where what it promises is not so: the box is left out, the payload or what is seen of it is changed, and the check has to find
 * it. On one engine, in `npm run test:long`: it takes a minute.
 */

import {existsSync, mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {EnginePattern} from '@tare/contract';
import {ENGINES} from '../../src/plugins.js';
import type {UsageRecord} from '../../src/record/record.js';
import {describeSite} from '../support/describe-site.js';
import {LONG, needKernel} from '../support/need.js';
import {patience} from '../support/pace.js';
import {ROLES, Site, type RunOutput} from '../support/tare.js';
import {Bench, type Ask, type Live, type Ran} from './bench.js';
import {NotClaimed, NotTried, perform} from './check.js';
import {ALL} from './checks/index.js';
import {clear} from './conform.js';

type Said = Omit<RunOutput, 'record'>;

/** What is changed. */
interface Change {
  /** Of /bin/sh, in the box, before the payload, which is "$@". */
  payload?: string;
  policy?: object;
  ran?: (ran: Ran, bench: Bench) => Ran;
  status?: number;
  tare?: (said: Said) => Said;
  /** Commands of tare are not called. */
  deaf?: true;
}

const inRecord = (change: (record: UsageRecord) => object): Change => ({
  ran: (ran) => ({...ran, record: {...ran.record, ...change(ran.record)}}),
});
const outcome = (change: object): Change => inRecord(({outcome: before}) => ({outcome: {...before, ...change}}));
const usage = (times: number): Change =>
  inRecord(({usage: {cpuUserUs, cpuSystemUs, memPeakBytes, ...others}}) => ({
    usage: {...others, cpuUserUs: (cpuUserUs ?? 0) * times, cpuSystemUs, memPeakBytes: (memPeakBytes ?? 0) * times},
  }));
const payload = (script: string): Change => ({payload: script});
const out = (change: (text: string) => string): Change => ({
  ran: (ran) => ({...ran, stdout: change(ran.stdout), out: Buffer.from(change(ran.out.toString()))}),
});
const tare = (change: (said: Said) => Partial<Said>): Change => ({tare: (said) => ({...said, ...change(said)})});
const says = (text: string): Change => payload(`echo ${text}; exec "$@"`);
const UNBOXED: Change = {policy: {mode: 'observe', box: 'optional'}};
const NOT_LIMITED = outcome({status: 'failed', limit: null});
const SURVIVED = inRecord(({time}) => ({time: {...time, startEpochUs: 1}, outcome: {status: 'failed', exitCode: 1}, state: 'started'}));

/** By check. */
const CHANGES: Readonly<Record<string, Change>> = {
  'exit codes': payload('"$@"; exit $(($? ^ 1))'),
  'every exit code of an application': inRecord(({applications}) => ({applications: applications.toReversed()})),
  signals: payload('"$@"; exit 0'),
  'death by SIGKILL, in the record': payload('"$@"; exit 137'),
  'a core is the payload’s': {status: 128},
  'no such program': payload('exit 126'),
  'a file that is no program': payload('exit 0'),
  'an engine’s own messages': payload('echo x >&2; exec "$@"'),
  'bytes through': payload('head -c 2999999 | "$@"'),
  'two outputs': payload('exec "$@" 2>&1'),
  'bytes that are no text': payload('"$@"; echo'),
  'the end of the input': payload('echo | "$@"'),
  'closed streams': payload('exec "$@" </dev/null >/dev/null 2>/dev/null'),
  'a reader that is gone': payload('trap "" PIPE; exec "$@"'),
  'an output that is a file': payload('"$@" | cat'),
  'a background process that holds the output': payload('"$@"; wait; sleep 60'),
  'a pipe and a file above 2': payload('exec 9</dev/null; exec "$@"'),
  'forty descriptors, and no other': payload('exec 9<&-; exec "$@"'),
  'no descriptor but the caller’s': payload('exec 5</dev/null; exec "$@"'),
  arguments: payload('exec "$@" more'),
  'arguments that are not UTF-8': out((text) => text.replace('fffe', 'efbfbdefbfbd')),
  environment: payload('MORE=1 exec "$@"'),
  'environment of the job': payload('export GONE=1; exec "$@"'),
  'work directory': payload('cd /tmp; exec "$@"'),
  umask: payload('umask 0; exec "$@"'),
  'resource limits of the caller': payload('ulimit -n 50; exec "$@"'),
  'ignored and blocked signals': payload('trap "" USR1; exec "$@"'),
  account: inRecord(({user}) => ({user: {...user, uid: 1}})),
  'signals are passed on': payload('trap "" USR2; exec "$@"'),
  'a signal is told once': payload('"$@" & p=$!; trap "kill $p; sleep 0.3; kill $p" TERM; wait $p; wait $p; wait $p'),
  'stopped is said': payload('trap "exit 0" TERM; "$@" & wait'),
  memory: NOT_LIMITED,
  'memory below its limit': payload('"$@"; kill -KILL $$'),
  'memory in /dev/shm': NOT_LIMITED,
  'number of processes': payload('echo forked=200 errno=EAGAIN'),
  'CPU time': usage(9),
  'wall time': NOT_LIMITED,
  'wall time of a payload that does not heed SIGTERM': payload('exec sleep 60'),
  scratch: payload('exit 0'),
  'open files and core size': payload('ulimit -n 70; exec "$@"'),
  'one core, pinned': UNBOXED,
  'nice value': out((text) => text.replace('"nice":19', '"nice":3')),
  'a daemon': outcome({killedProcesses: 0}),
  'orphans are reaped': says('3'),
  'kill -9 -1': payload('exit 0'),
  'signals to init': payload('exit 0'),
  'processes of the node': UNBOXED,
  'System V IPC': UNBOXED,
  'host name': says('tare-try'),
  'no privileges': UNBOXED,
  'setuid programs': UNBOXED,
  'no namespaces and mounts': {policy: {seccomp: 'pilot'}},
  'filter on system calls': {policy: {seccomp: 'pilot'}},
  devices: UNBOXED,
  'the kernel’s files': says('/proc/sysrq-trigger'),
  'the node’s files': says('/etc'),
  'the image stays': {
    ran: (ran, {image}) => {
      mkdirSync(join(image, 'made'), {recursive: true});
      return ran;
    },
  },
  'the work directory': payload('cd /tmp; exec "$@"'),
  '/tmp': UNBOXED,
  'what cannot be read in /tmp': payload('exit 1'),
  'the wrapper’s own files': UNBOXED,
  'session keyring': out((text) => (text === 'none\n' ? 'found\n' : 'none\n')),
  'network of the node': payload('echo none'),
  'no network': says('of the node'),
  CVMFS: payload('"$@"; echo other.example.org'),
  'fields of the record': inRecord(() => ({pattern: null})),
  'CPU time in the record': usage(1.3),
  'CPU time of a family': usage(1.3),
  'memory in the record': usage(2),
  'wall time in the record': payload('sleep 2; exec "$@"'),
  'the main job': payload('"$@"; echo >>HITS'),
  'applications in the record': inRecord(({applications}) => ({applications: applications.toReversed()})),
  'services in the record': inRecord(() => ({applications: []})),
  'tare ps': tare(() => ({stdout: '[]'})),
  'tare exec': tare(({stdout}) => ({stdout: stdout.replace('NoNewPrivs:\t1', 'NoNewPrivs:\t0')})),
  'tare exec, its end': tare(() => ({signal: null, code: 143})),
  'tare logs': tare(() => ({stdout: 'ready\n'})),
  'tare pause and resume': {deaf: true},
  'tare kill': outcome({status: 'signalled'}),
  'shim killed at each step': SURVIVED,
  'supervisor killed at each step': SURVIVED,
  'engine killed at each step': SURVIVED,
  'init killed at each step': SURVIVED,
  'all killed, and swept': SURVIVED,
  'nothing is left': {
    ran: (ran, {site}) => {
      mkdirSync(join(site.directory, 'scratch/left'), {recursive: true});
      return ran;
    },
  },
};

/** A bench on which something is changed. */
class Changed extends Bench {
  private readonly change: Change;

  constructor(change: Change, ...bench: ConstructorParameters<typeof Bench>) {
    super(...bench);
    this.change = change;
    const records = (): UsageRecord[] => Site.prototype.records.call(this.site);
    const {ran} = change;
    if (ran !== undefined)
      this.site.records = () => records().map((record) => ran({record, stdout: '', out: Buffer.alloc(0)} as Ran, this).record);
  }

  override document(ask: Ask): object {
    const {payload: script} = this.change;
    if (script === undefined || ask.applications !== undefined) return super.document(ask);
    const {command = ['/bin/sh', '-c', ask.script ?? 'true']} = ask;
    return super.document({...ask, command: ['/bin/sh', '-c', script, 'sh', ...command]});
  }

  override policy(more: object = {}): string {
    return super.policy({...more, ...this.change.policy});
  }

  override start(...asked: Parameters<Bench['start']>): Live {
    const live = super.start(...asked);
    const ended = live.ended.then((one) => this.change.ran?.(one, this) ?? one);
    ended.catch(() => undefined); // who waits for it sees it
    return {...live, ended};
  }

  override async status(ask: Ask): Promise<number> {
    return (await super.status(ask)) + (this.change.status ?? 0);
  }

  override async tare(policy: string, argv: readonly string[]): Promise<Said> {
    if (this.change.deaf === true) return {code: 0, signal: null, stdout: '', stderr: ''};
    const said = await super.tare(policy, argv);
    return this.change.tare?.(said) ?? said;
  }

  protected override built(): void {
    // that it is none is what is to be found
  }
}

const late = (seconds: number): Promise<never> =>
  new Promise((_, reject) => {
    setTimeout(() => {
      reject(new Error('not in time'));
    }, seconds * 1000).unref();
  });

describe('what is changed for the checks of the conformance suite', () => {
  it('each check has a change', () => {
    expect(Object.keys(CHANGES)).to.have.members(ALL.map(({name}) => name));
  });
});

if (LONG)
  describeSite(
    'a check of the conformance suite finds what is changed, %s',
    {roles: ROLES.slice(0, 1), each: true, mayLeave: true},
    (site, role) => {
      for (const check of ALL)
        it(check.name, async function () {
          this.timeout(patience(60_000));
          const pattern: EnginePattern = check.patterns?.[0] ?? 'ulimit++';
          const engine = ENGINES.find(
            ({patterns, program: {places}}) => typeof patterns[pattern] !== 'string' && places.some((place) => existsSync(place)),
          );
          needKernel(this, engine !== undefined, `no engine for ${pattern} is installed`);
          if (engine === undefined) return;
          const bench = new Changed(CHANGES[check.name] ?? {}, engine, pattern, {role, site});
          const found = await Promise.race([perform(check, bench), late(patience(25))]).then(
            () => null,
            (error: unknown) => error as Error,
          );
          if (site.leftovers().length > 0) await clear(site);
          for (const place of ['/tmp', '/var/tmp', '/dev/shm'])
            rmSync(join(place, `tare-check-${String(process.pid)}-inside`), {force: true});
          needKernel(this, !(found instanceof NotTried), found?.message ?? '');
          expect(found, 'nothing was found').to.not.equal(null);
          expect(found).to.not.be.instanceOf(NotClaimed);
          expect(found?.message).to.not.match(/^no record/);
          if (process.env.TARE_TEST_PROGRESS === '1') console.log(`${check.name}: ${found?.message.split('\n')[0] ?? ''}`);
        });
    },
  );
