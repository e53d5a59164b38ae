/**
 * SIGKILL to a whole wrapper right after each event is in the log: a sweep of its account closes the box, the record is what the events say, and
 * nothing is left. A usual run has some of the events, a long run all of them.
 */
import {expect} from 'chai';
import type {ChildProcess} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import type {Context} from 'mocha';
import type {Happening} from '../../../src/box/events.js';
import {readEvents, readState} from '../../../src/box/state-read.js';
import type {BoxState} from '../../../src/box/state.js';
import {isRunning, type ProcessId} from '../../../src/process/process.js';
import {namesIn} from '../../../src/record/durable.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {schema} from '../../../src/schema/generated/event-1.schema.js';
import {isAt, killAll, sweep} from '../../support/crash.js';
import {hasSquashfuse} from '../../support/cvmfs.js';
import {describeSite} from '../../support/describe-site.js';
import {LONG, need} from '../../support/need.js';
import {Net} from '../../support/net.js';
import {patience} from '../../support/pace.js';
import {ending, isRoot, processes, program, send, until, type Site} from '../../support/tare.js';
import {PYTHON, standIn, TOUCH, type TestClient} from '../cvmfs/client.js';

/** A job that makes an event happen. */
interface Crash {
  /** Also in a usual run. */
  usual?: true;
  /** Skips where the machine lacks something. */
  needs?: (context: Context) => void;
  /** Where who has written the event stops; null: nowhere, and nothing happens after it for some seconds. */
  step: string | null;
  /** @returns what will write the event, to be killed with all below it */
  begin: (scene: Scene) => ChildProcess | Promise<ChildProcess>;
  /** What a sweep says of it; absent: closed. */
  result?: 'cleaned';
  /** How the record ends. `state`: what the events had said. */
  record: (record: UsageRecord, state: BoxState) => void;
}

const SLEEP = ['--', '/bin/sleep', '61.8034'];
const POOL = {name: 'own', kind: 'bridge', bridge: 'tbr0', make: true, ranges: ['10.99.0.0/24', 'fd00:99::/64'], nat: true};
const NETWORK_PROGRAMS = ['ip', 'nft', 'pasta'];
/** What a wrapper in the box writes at its start. */
const TOLD = {
  recordId: '00000000-0000-5000-8000-000000000000',
  ...{state: 'started', name: 'inner', pattern: 'ulimit++', mode: 'limits-only', startEpochUs: 1, wallUs: null},
  limits: {cores: null, memory: null, wallTime: null, cpuTime: null},
  usage: {cpuUserUs: null, cpuSystemUs: null, memPeakBytes: null},
  outcome: {status: 'running', exitCode: null, signal: null, limit: null},
};

const lost = ({state, outcome, wrapper, time, flags}: UsageRecord, box: BoxState): void => {
  expect([state, outcome.status, wrapper]).to.deep.equal(['lost', 'lost', null]);
  expect(time.startEpochUs).to.equal(box.startEpochUs);
  if (box.startEpochUs !== null) expect(flags).to.include.members(['killed', 'partial']);
};
const lostBefore = (record: UsageRecord, box: BoxState): void => {
  lost(record, box);
  expect(record.time.startEpochUs).to.equal(null);
};
const lostRunning = (record: UsageRecord, box: BoxState): void => {
  lost(record, box);
  expect(record.time.startEpochUs).to.be.a('number');
};
const failed = ({state, outcome, wrapper}: UsageRecord): void => {
  expect([state, outcome.status, outcome.exitCode, wrapper]).to.deep.equal(['final', 'failed', 3, null]);
};

/** A wrapper that is killed while its payload runs, and a sweep that stops at a step. */
const sweptAt = async (scene: Scene): Promise<ChildProcess> => {
  const child = scene.run(SLEEP);
  await scene.until('the payload', ({startEpochUs}) => startEpochUs !== null);
  killAll(child.pid ?? 0);
  await ending(child);
  return scene.start(['records', 'sweep']);
};

/** Each event, and a job that makes it happen. */
const CRASHES: Record<Happening['type'], Crash> = {
  adopted: {
    usual: true,
    step: 'supervisor-adopted',
    begin: async (scene) => {
      const child = scene.run(SLEEP);
      const {started} = await scene.until('the payload', ({startEpochUs}) => startEpochUs !== null);
      send(started.wrapper?.supervisor?.pid ?? 0, 'SIGKILL');
      return child;
    },
    record: (record, box) => {
      lostRunning(record, box);
      expect(box.started.wrapper?.supervisor?.pid).to.be.a('number');
    },
  },
  connected: {
    needs: (context) => {
      need(context, isRoot, 'only root may make network devices');
      need(
        context,
        NETWORK_PROGRAMS.every((name) => program(name) !== null) && existsSync('/dev/net/tun'),
        'ip, nft, pasta or tun is missing',
      );
    },
    step: 'supervisor-connected',
    begin: async (scene) => {
      await scene.connect();
      const address = scene.site.role === 'root' ? 'bridge' : 'user';
      const job = scene.site.job({pattern: 'ulimit++', identity: {address}, workDirectory: scene.site.work, command: SLEEP.slice(1)});
      return scene.run([job], {identity: {address: [address], pools: [POOL]}});
    },
    record: (record, box) => {
      lostBefore(record, box);
      expect(record.identity?.addresses).to.deep.equal(box.started.identity?.addresses).and.not.deep.equal([]);
    },
  },
  executed: {step: 'supervisor-executed', begin: (scene) => scene.run(SLEEP), record: lostRunning},
  applications: {
    step: 'supervisor-applications',
    begin: ({run, site}) => run([site.job({applications: ['one', 'two'].map((name) => ({name, command: SLEEP.slice(1)}))})]),
    record: (record, box) => {
      lostRunning(record, box);
      expect(record.applications.map(({name, starts}) => [name, starts])).to.deep.equal(box.noted.map(({name, starts}) => [name, starts]));
      expect(record.applications.map(({outcome}) => outcome.status)).to.deep.equal(box.noted.map(({outcome}) => outcome.status));
    },
  },
  heard: {
    usual: true,
    step: null, // the first tells that a wrapper listens
    begin: async (scene) => {
      const script = `printf '%s\\n' "$1" >/dev/tare/parts; exec "$2" "$3"`;
      const child = scene.run(['--', '/bin/sh', '-c', script, 'sh', JSON.stringify(TOLD), ...SLEEP.slice(1)]);
      await scene.until('a wrapper in the box', ({parts}) => parts?.list.length === 1);
      return child;
    },
    record: (record, box) => {
      lostRunning(record, box);
      expect(record.children).to.deep.equal(box.parts);
    },
  },
  limit: {
    step: 'supervisor-limit',
    begin: (scene) => scene.run(['--wall-time', '500ms', ...SLEEP]),
    record: (record, box) => {
      lostRunning(record, box);
      expect(box.stop?.limit).to.equal('wallTime');
      expect(record.outcome.limit).to.equal('wallTime');
    },
  },
  'clients-ended': {
    needs: (context) => {
      need(context, existsSync('/dev/fuse') && hasSquashfuse(), '/dev/fuse, squashfuse or mksquashfs is missing');
      need(context, existsSync(PYTHON), 'python3 is not installed');
    },
    step: 'supervisor-clients-ended',
    begin: async (scene) => {
      const {client, root} = scene.serve();
      const [repository] = client.names;
      client.serve?.(repository, {});
      const argv = ['--cvmfs', repository, '--', PYTHON, '-c', TOUCH, join(root, repository, 'data/large')];
      const child = scene.run(argv, {box: 'required', cvmfs: {root, deadline: '5s', shareFor: '0s', mount: client.mount}});
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      client.hang?.(repository);
      child.stdin?.write('go\n');
      await until('a client that hangs', () => client.isHung?.(repository));
      send(child.pid ?? 0, 'SIGTERM');
      return child;
    },
    record: (record, box) => {
      lostRunning(record, box);
      expect(box.looked?.map(({clientEnded}) => typeof clientEnded)).to.deep.equal(['string']);
    },
  },
  observed: {step: 'supervisor-observed', begin: (scene) => scene.run(['--', '/bin/sh', '-c', 'exit 3']), record: failed},
  weighed: {step: 'sweep-weighed', begin: sweptAt, record: lostRunning},
  'killed-by': {usual: true, step: 'sweep-killed-by', begin: sweptAt, record: lostRunning},
  recorded: {
    step: 'supervisor-recorded',
    begin: (scene) => scene.run(['--', '/bin/sh', '-c', 'exit 3']),
    result: 'cleaned',
    record: failed,
  },
};

/** Where one crash happens. */
class Scene {
  private net: Net | null = null;
  private place: string | null = null;
  readonly site: Site;
  private readonly step: string | null;

  constructor(site: Site, step: string | null) {
    this.site = site;
    this.step = step;
  }

  /** `tare ARGV`, which stops at the step. */
  readonly start = (argv: readonly string[], policy: object = {}): ChildProcess => {
    const [command = '', ...rest] = argv;
    const sub = command === 'records' ? rest.splice(0, 1) : [];
    const file = this.site.policy({...policy, debug: {pauseAt: this.step === null ? [] : [this.step]}});
    return this.tare([command, ...sub, '--policy', file, ...rest]);
  };

  readonly run = (argv: readonly string[], policy: object = {}): ChildProcess => this.start(['run', ...argv], policy);

  readonly tare = (argv: readonly string[]): ChildProcess =>
    this.net === null ? this.site.start(argv) : this.net.tare(this.site, argv, {tun: true});

  /** In a network of its own from now on. */
  async connect(): Promise<void> {
    this.net = await Net.make();
    this.net.sh('ip link add v0 type veth peer name v1; ip addr add 192.0.2.1/24 dev v0; ip link set v0 up; ip link set v1 up');
  }

  /** Repositories that Tare mounts; outside of what is private in a box. */
  serve(): {client: TestClient; root: string} {
    this.place = mkdtempSync(join(isRoot ? '/srv' : homedir(), 'tare-events-'));
    chmodSync(this.place, 0o755);
    const root = join(this.place, 'cvmfs');
    mkdirSync(root);
    return {client: standIn(this.place), root};
  }

  /** The folder of the one box, whatever a sweep calls it. */
  get folder(): string {
    const boxes = join(this.site.directory, 'state/boxes');
    return join(boxes, namesIn(boxes)[0] ?? 'none');
  }

  /** What is known of the box when something holds of it. */
  async until(what: string, holds: (state: BoxState) => boolean): Promise<BoxState> {
    return until(
      what,
      () => {
        try {
          const state = readState(this.folder);
          return holds(state) && state;
        } catch {
          return null; // it is just being made
        }
      },
      30,
    );
  }

  /** Mounts, devices, leases and folders of the box, and processes that it had. */
  left(state: BoxState): string[] {
    const places = [this.site.directory, ...(this.place === null ? [] : [this.place])];
    const here = (words: string): boolean => places.some((place) => words.includes(place));
    return [
      ...this.site.leftovers(),
      ...readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(here),
      ...processes()
        .filter(({pid, state: how, argv}) => pid !== process.pid && how !== 'Z' && here(argv.join(' ')))
        .map(({argv}) => argv.join(' ')),
      ...processesOf(state)
        .filter(isRunning)
        .map(({pid}) => `process ${String(pid)}`),
      ...namesIn(join(this.site.directory, 'state/leases')),
      ...(this.net?.left([POOL.bridge]) ?? []),
    ];
  }

  remove(): void {
    for (const {pid, argv} of processes()) if (argv.some((word) => word.includes(this.site.directory))) send(pid, 'SIGKILL');
    this.net?.remove();
    if (this.place !== null) rmSync(this.place, {recursive: true, force: true});
  }
}

/** Processes of a box and of its wrapper that its state names. */
function processesOf({init, payload, applications, undo, looked = [], started: {wrapper}}: BoxState): ProcessId[] {
  const named = [init, payload, ...applications.map(({keeper}) => keeper), ...looked.map(({own}) => own?.mounter)];
  const helpers = undo.flatMap((one) => (one.op === 'process.kill' ? [one] : []));
  return [...named, ...helpers, wrapper?.shim, wrapper?.supervisor].filter((one) => one != null);
}

describe('events of a box', () => {
  it('each that there is has a crash here', () => {
    expect(Object.keys(CRASHES)).to.have.members(schema.oneOf.map(({properties}) => properties.type.const));
  });
});

describeSite('all killed after an event, %s', {each: true, mayLeave: true, timeout: patience(60_000)}, (site) => {
  let scene: Scene | null = null;
  afterEach(() => {
    scene?.remove();
  });

  for (const [type, {usual = false, needs, step, begin, result = 'closed', record: holds}] of Object.entries(CRASHES))
    if (usual || LONG)
      it(`${type}: a sweep closes the box, and nothing is left`, async function () {
        needs?.(this);
        const there = (scene = new Scene(site, step));
        const child = await begin(there);
        const end = ending(child);
        const early = end.then(({code, stderr}) => Promise.reject(new Error(`it ended with ${String(code)}: ${stderr}`)));
        const pid = child.pid ?? 0;
        await Promise.race([early, until(step ?? type, () => step === null || isAt(pid, step), 30)]);
        early.catch(() => undefined);
        killAll(pid);
        await end;
        expect(readEvents(there.folder).at(-1)?.type).to.equal(type);
        const state = readState(there.folder);

        const again = (): ReturnType<typeof sweep> => sweep(site, {start: there.tare});
        const swept = await again();
        const ofBox = swept.filter(({recordId}) => recordId !== null);
        expect(
          ofBox.map((one) => [one.recordId, one.result]),
          JSON.stringify(swept),
        ).to.deep.equal([[state.started.recordId, result]]);
        expect(there.left(state)).to.deep.equal([]);
        const [record, ...others] = site.records() as [UsageRecord];
        expect(others).to.deep.equal([]);
        holds(record, state);
        expect(await site.command(['records', 'verify', '--policy', site.policy()])).to.include({code: 0, stdout: '1 records, 0 wrong\n'});
        expect(await again()).to.deep.equal([]);
        expect(site.records()).to.deep.equal([record]);
      });
});
