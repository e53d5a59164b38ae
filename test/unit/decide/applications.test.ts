import {expect} from 'chai';
import {Applications, type Order} from '../../../src/decide/applications.js';
import type {ApplicationsEnd} from '../../../src/decide/observation.js';
import {stepsOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import {CRUN, no, plan, yes} from '../plan/build.js';

type Written = NonNullable<JobDocument['applications']>;
type Change = Partial<Pick<JobDocument, 'primary' | 'onFailure' | 'onOom'>>;

function smallMachine(services: NonNullable<JobDocument['services']>): Plan {
  const range = {start: 100_000, count: 65_536};
  return plan({
    job: {image: '/i', services},
    policy: {images: ['/i']},
    facts: {
      engines: [CRUN],
      system: {
        subordinate: {uids: range, gids: range, how: 'a test', remedy: null},
        init: null,
      },
      views: {user: true, overlay: yes, options: [], fuse: no, mounts: [], writable: []},
    },
  });
}

/** A job's applications, and all that was asked of the outside. */
class Box {
  readonly said: string[] = [];
  readonly waiting: {ms: number; then: () => void}[] = [];
  readonly ready = new Set<string>();
  readonly oom = new Map<number, {oomKills: number; ownLimit: boolean}>();
  readonly applications: Applications;
  private readonly names: string[];

  /** A small machine with these, and one payload. */
  static withServices(services: NonNullable<JobDocument['services']>): Box {
    return new Box([], {}, smallMachine(services));
  }

  constructor(applications: Written, change: Change = {}, made = plan({job: {applications, ...change}})) {
    const steps = stepsOf(made, 'application.execute');
    this.names = steps.map(({name}) => name);
    this.applications = new Applications(steps, made.applications!, (order) => this.obey(order));
  }

  private obey(order: Order): void {
    const say = (text: string): void => void this.said.push(text);
    switch (order.do) {
      case 'note':
        return;
      case 'start':
        return say(`start ${order.index}.${order.start}`);
      case 'signal':
        return say(`signal ${order.signal} to ${order.index}`);
      case 'stopAll':
        return say('stop all');
      case 'killAll':
        return say('kill all');
      case 'kill':
        return say(`kill ${order.index}`);
      case 'windUp':
        return say('wind up');
      case 'release':
        return say(`release ${order.index} with ${order.signal} in ${order.withinUs / 1e6} s`);
      case 'restart':
        this.waiting.push({ms: order.afterMs, then: () => this.applications.restart(order.index, order.start)});
        return;
      case 'lookReady': {
        const {index, start, afterMs} = order;
        this.waiting.push({ms: afterMs, then: () => this.applications.lookedReady(index, start, afterMs, this.isReady(index))});
      }
    }
  }

  private isReady(index: number): boolean {
    return this.ready.has(this.names[index]!);
  }

  private kills(index: number): {oomKills: number; ownLimit: boolean} {
    return this.oom.get(index) ?? {oomKills: 0, ownLimit: false};
  }

  memoryKilled(): void {
    this.applications.memoryKilled(this.names.map((_, index) => this.kills(index)));
  }

  end(): ApplicationsEnd {
    return this.applications.end();
  }

  report(whose: 'payload' | null = null): ReturnType<Applications['report']> {
    return this.applications.report({usages: [], whose, epochUs: (us) => us + 1000, logOf: (index) => `log of ${index}`});
  }

  /** What was said since this was last asked. */
  take(): string[] {
    return this.said.splice(0);
  }

  /** Time passes until the next thing that is waited for. */
  pass(): number {
    const [next] = this.waiting.splice(0, 1);
    next?.then();
    return next?.ms ?? 0;
  }

  runs(index: number, start = 1): void {
    this.applications.executed(index, start, 100, 50 + index);
  }

  ends(index: number, rawStatus = 0, start = 1): void {
    const report = {rawStatus, childrenUserUs: 7, childrenSystemUs: 1, largestProcessBytes: 9, endedUs: 400};
    this.applications.ended(index, start, report, {kills: this.kills(index), isReady: this.isReady(index)});
  }

  outcomes(): string[] {
    return this.report().map(({outcome}) => outcome.status);
  }
}

const command = ['x'];
const PIPELINE: Written = [
  {name: 'merge', command, needs: ['one', 'two']},
  {name: 'generate', command},
  {name: 'one', command, needs: ['generate']},
  {name: 'two', command, needs: ['generate']},
];
const EXIT_3 = 3 << 8;
const KILLED = 9;

describe('applications', () => {
  it('start when what they need has ended well, and the box ends with the last', () => {
    const box = new Box(PIPELINE);
    box.applications.begin();
    expect(box.take()).to.deep.equal(['start 1.1']);
    box.runs(1);
    expect(box.take()).to.deep.equal([]);
    box.ends(1);
    expect(box.take()).to.deep.equal(['start 2.1', 'start 3.1']);
    box.runs(2);
    box.runs(3);
    box.ends(3);
    expect(box.take()).to.deep.equal([]);
    box.ends(2);
    expect(box.take()).to.deep.equal(['start 0.1']);
    box.runs(0);
    box.ends(0);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.outcomes()).to.deep.equal(['completed', 'completed', 'completed', 'completed']);
    expect(box.applications.rawStatus()).to.equal(0);
    expect(box.report()[1]).to.include({name: 'generate', starts: 1, startEpochUs: 1100, wallUs: 300});
    expect(box.applications.totals()[1]).to.deep.equal({cpuUserUs: 7, cpuSystemUs: 1, largestProcessBytes: 9});
  });

  it('stop all when one fails, and what was not started is not', () => {
    const box = new Box(PIPELINE);
    box.applications.begin();
    box.runs(1);
    box.ends(1);
    box.runs(2);
    box.runs(3);
    box.take();
    box.ends(2, EXIT_3);
    expect(box.take()).to.deep.equal(['stop all']);
    box.ends(3, 15);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.outcomes()).to.deep.equal(['not-started', 'completed', 'failed', 'stopped']);
    expect(box.applications.rawStatus()).to.equal(EXIT_3);
  });

  it('go on without a failed one, and without those that need it', () => {
    const box = new Box([...PIPELINE, {name: 'other', command, needs: ['two']}], {onFailure: 'continue'});
    box.applications.begin();
    box.runs(1);
    box.ends(1);
    box.runs(2);
    box.runs(3);
    box.take();
    box.ends(2, 11);
    expect(box.take()).to.deep.equal([]);
    box.ends(3);
    expect(box.take()).to.deep.equal(['start 4.1']);
    box.runs(4);
    box.ends(4);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.outcomes()).to.deep.equal(['not-started', 'completed', 'signalled', 'completed', 'completed']);
    expect(box.report()[0]?.outcome.reason).to.equal('it needs one, which was never ready');
    expect(box.applications.rawStatus()).to.equal(11);
  });

  it('that cannot be executed have failed, and are not tried again', () => {
    const box = new Box([{name: 'a', command, restart: {on: 'failure', limit: 3}}]);
    box.applications.begin();
    box.take();
    box.applications.failed(0, 1, 'exec: no such file');
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.applications.rawStatus()).to.equal(127 << 8);
    expect(box.report()[0]?.outcome).to.include({status: 'failed', exitCode: 127, reason: 'exec: no such file'});
  });

  it('end with the primary one, with its status', () => {
    const box = new Box(
      [
        {name: 'db', command, ready: 'started', restart: {on: 'always', limit: 9}},
        {name: 'main', command, needs: ['db']},
      ],
      {primary: 'main'},
    );
    box.applications.begin();
    expect(box.take()).to.deep.equal(['start 0.1']);
    box.runs(0);
    expect(box.take()).to.deep.equal(['start 1.1']);
    box.runs(1);
    box.ends(0);
    expect([box.take(), box.pass(), box.take()]).to.deep.equal([[], 1000, ['start 0.2']]);
    box.runs(0, 2);
    box.ends(1, EXIT_3);
    expect(box.take()).to.deep.equal(['stop all']);
    box.ends(0, 15, 2);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.outcomes()).to.deep.equal(['stopped', 'failed']);
    expect(box.applications.rawStatus()).to.equal(EXIT_3);
    expect(box.report()[0]).to.include({starts: 2, wallUs: 600});
  });

  it('are started again as often as they may, and no more', () => {
    const box = new Box([{name: 'a', command, restart: {on: 'failure', limit: 2}}]);
    box.applications.begin();
    for (const start of [1, 2, 3]) {
      box.runs(0, start);
      box.ends(0, EXIT_3, start);
      box.pass();
    }
    expect(box.take()).to.deep.equal(['start 0.1', 'start 0.2', 'start 0.3', 'wind up']);
    const well = new Box([{name: 'a', command, restart: {on: 'failure', limit: 2}}]);
    well.applications.begin();
    well.runs(0);
    well.ends(0);
    expect(well.take()).to.deep.equal(['start 0.1', 'wind up']);
  });

  it('are told again to a supervisor that takes over, which says nothing new', () => {
    const box = new Box([{name: 'a', command, restart: {on: 'failure', limit: 5}}]);
    box.applications.begin();
    box.runs(0);
    box.ends(0, EXIT_3);
    box.runs(0, 2);
    box.ends(0, EXIT_3, 2);
    box.runs(0, 3);
    // what was to be started after the first and the second end runs, or is over
    box.pass();
    box.pass();
    expect(box.take()).to.deep.equal(['start 0.1']);
    box.ends(0, 0, 3);
    expect(box.take()).to.deep.equal(['wind up']);
  });

  for (const [title, ready] of [
    ['a file', {file: 'f'}],
    ['a port', {port: 80}],
  ] as const) {
    it(`wait for ${title}, looking ever more seldom`, () => {
      const box = new Box([
        {name: 'a', command, ready},
        {name: 'b', command, needs: ['a']},
      ]);
      box.applications.begin();
      box.runs(0);
      expect([box.pass(), box.pass(), box.pass()]).to.deep.equal([10, 15, 23]);
      expect(box.take()).to.deep.equal(['start 0.1']);
      box.ready.add('a');
      box.pass();
      expect(box.take()).to.deep.equal(['start 1.1']);
      expect(box.waiting).to.deep.equal([]);
    });
  }

  it('that are not ready in time have failed, whatever they do then', () => {
    const box = new Box([
      {name: 'a', command, ready: {file: 'f', within: '1s'}},
      {name: 'b', command, needs: ['a']},
    ]);
    box.applications.begin();
    box.runs(0);
    let waited = 0;
    while (box.waiting.length > 0) waited += box.pass();
    expect(waited).to.be.within(1000, 1001);
    expect(box.take()).to.deep.equal(['start 0.1', 'stop all']);
    box.ends(0, 15);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.outcomes()).to.deep.equal(['stopped', 'not-started']);
    expect(box.applications.rawStatus()).to.equal(1 << 8);
    const goesOn = new Box(
      [
        {name: 'a', command, ready: {file: 'f', within: '10ms'}},
        {name: 'b', command, needs: ['a']},
      ],
      {onFailure: 'continue'},
    );
    goesOn.applications.begin();
    goesOn.runs(0);
    goesOn.pass();
    goesOn.ends(0);
    expect(goesOn.take()).to.deep.equal(['start 0.1', 'wind up']);
    expect(goesOn.outcomes()).to.deep.equal(['failed', 'not-started']);
  });

  it('that end before they are ready have failed, also with exit status 0', () => {
    const box = new Box([
      {name: 'a', command, ready: {file: 'f'}},
      {name: 'b', command, needs: ['a']},
    ]);
    box.applications.begin();
    box.runs(0);
    box.ends(0);
    expect(box.take()).to.deep.equal(['start 0.1', 'wind up']);
    expect(box.applications.rawStatus()).to.equal(1 << 8);
    expect(box.report().map(({outcome}) => outcome.reason)).to.deep.equal([
      'it ended before it was ready',
      'it needs a, which was never ready',
    ]);
    // looked at once more at its end
    const late = new Box([
      {name: 'a', command, ready: {file: 'f'}},
      {name: 'b', command, needs: ['a']},
    ]);
    late.applications.begin();
    late.runs(0);
    late.ready.add('a');
    late.ends(0);
    expect(late.take()).to.deep.equal(['start 0.1', 'start 1.1']);
  });

  it('one is killed for memory and the others run on, or all are stopped', () => {
    const two: Written = [
      {name: 'a', command, restart: {on: 'failure', limit: 5}},
      {name: 'b', command},
    ];
    const spared = new Box(two, {onOom: 'kill-application'});
    spared.applications.begin();
    spared.runs(0);
    spared.runs(1);
    spared.take();
    spared.oom.set(0, {oomKills: 1, ownLimit: false});
    spared.memoryKilled();
    spared.memoryKilled();
    expect(spared.take()).to.deep.equal(['kill 0']);
    spared.ends(0, KILLED);
    expect(spared.take()).to.deep.equal([]);
    spared.ends(1);
    expect(spared.take()).to.deep.equal(['wind up']);
    expect(spared.report('payload').map(({outcome}) => [outcome.status, outcome.limitScope])).to.deep.equal([
      ['limit', 'payload'],
      ['completed', null],
    ]);
    expect(spared.end().killedForMemory).to.deep.equal(['a']);
    expect(spared.applications.rawStatus()).to.equal(KILLED);

    const shared = new Box(two);
    shared.applications.begin();
    shared.runs(0);
    shared.runs(1);
    shared.take();
    shared.oom.set(0, {oomKills: 1, ownLimit: false});
    shared.memoryKilled();
    expect(shared.take()).to.deep.equal(['kill 0', 'kill all']);
    expect(shared.end().killedForOwnLimit).to.deep.equal([]);

    const stopped = new Box(two);
    stopped.applications.begin();
    stopped.runs(0);
    stopped.runs(1);
    stopped.take();
    stopped.oom.set(0, {oomKills: 1, ownLimit: true});
    // it was not told before its end
    stopped.ends(0, KILLED);
    expect(stopped.take()).to.deep.equal(['stop all']);
    expect(stopped.end().killedForOwnLimit).to.deep.equal(['a']);
    stopped.ends(1, 15);
    expect(stopped.report().map(({outcome}) => [outcome.status, outcome.limitScope])).to.deep.equal([
      ['limit', 'application'],
      ['stopped', null],
    ]);
  });

  it('nothing is started after the caller wanted an end, but after another signal', () => {
    const box = new Box(PIPELINE);
    box.applications.begin();
    box.runs(1);
    box.take();
    box.applications.signalled(10);
    box.applications.signalled(15);
    box.ends(1);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.outcomes()).to.deep.equal(['not-started', 'stopped', 'not-started', 'not-started']);
    const beforeAny = new Box(PIPELINE);
    beforeAny.applications.stopping();
    beforeAny.applications.begin();
    expect(beforeAny.take()).to.deep.equal(['wind up']);
  });

  it('a signal that crosses with a start reaches what was started, once', () => {
    const box = new Box(PIPELINE);
    box.applications.begin();
    box.runs(1);
    box.ends(1);
    box.runs(2);
    box.take();
    box.applications.signalled(15);
    expect(box.take()).to.deep.equal(['signal 15 to 3']);
  });

  it('a job that was stopped before all were started has not completed', () => {
    for (const stop of [(box: Box) => box.applications.signalled(2), (box: Box) => box.applications.stopping()]) {
      const box = new Box(PIPELINE);
      box.applications.begin();
      box.runs(1);
      stop(box);
      box.ends(1);
      expect(box.applications.rawStatus()).to.be.oneOf([2, 15]);
    }
    const all = new Box([{name: 'a', command}]);
    all.applications.begin();
    all.runs(0);
    all.applications.signalled(15);
    all.ends(0);
    expect(all.applications.rawStatus()).to.equal(0);
  });

  it('a job that is stopped while one that failed waits to be started again has failed', () => {
    const box = new Box([{name: 'a', command, restart: {on: 'failure', limit: 5}}]);
    box.applications.begin();
    box.runs(0);
    box.ends(0, EXIT_3);
    box.applications.signalled(15);
    box.pass();
    expect(box.take()).to.deep.equal(['start 0.1', 'wind up']);
    expect(box.outcomes()).to.deep.equal(['failed']);
    expect(box.applications.rawStatus()).to.equal(EXIT_3);
  });

  it('an application that runs again and is lost is not failed by its earlier start', () => {
    const box = new Box([{name: 'a', command, restart: {on: 'failure', limit: 5}}]);
    box.applications.begin();
    box.runs(0);
    box.ends(0, EXIT_3);
    box.pass();
    expect(box.outcomes()).to.deep.equal(['lost']);
    box.runs(0, 2);
    expect(box.report()[0]?.outcome).to.include({status: 'lost', exitCode: null});
  });

  it('the rest is stopped when the primary one can never be started', () => {
    const failed = new Box(
      [
        {name: 'db', command, ready: 'started'},
        {name: 'prepare', command},
        {name: 'main', command, needs: ['db', 'prepare']},
      ],
      {primary: 'main', onFailure: 'continue'},
    );
    failed.applications.begin();
    failed.runs(0);
    failed.runs(1);
    failed.take();
    failed.ends(1, EXIT_3);
    expect(failed.take()).to.deep.equal(['stop all']);
    failed.ends(0, 15);
    expect(failed.take()).to.deep.equal(['wind up']);
    expect(failed.applications.rawStatus()).to.equal(EXIT_3);

    const late = new Box(
      [
        {name: 'db', command, ready: {port: 80, within: '10ms'}},
        {name: 'main', command, needs: ['db']},
      ],
      {primary: 'main', onFailure: 'continue'},
    );
    late.applications.begin();
    late.runs(0);
    late.pass();
    expect(late.take()).to.deep.equal(['start 0.1', 'stop all']);
    late.ends(0, 0);
    expect(late.take()).to.deep.equal(['wind up']);
    expect(late.applications.rawStatus()).to.equal(1 << 8);
  });

  it('the rest is stopped when the primary ends after a signal that the rest ignored', () => {
    const box = new Box(
      [
        {name: 'main', command},
        {name: 'deaf', command},
      ],
      {primary: 'main'},
    );
    box.applications.begin();
    box.runs(0);
    box.runs(1);
    box.take();
    box.applications.signalled(15);
    box.ends(0, 15);
    expect(box.take()).to.deep.equal(['stop all']);
    box.ends(1, KILLED);
    expect(box.take()).to.deep.equal(['wind up']);
    expect(box.applications.rawStatus()).to.equal(15);
  });
});

describe('services of a small machine', () => {
  const SERVICES = [
    {name: 'web', command: ['x']},
    {name: 'db', command: ['x'], restart: {on: 'failure' as const, limit: 1}},
  ];
  const box = (): Box => Box.withServices(SERVICES);

  it('run before the payload, and are ended after it', () => {
    const made = box();
    made.applications.begin();
    expect(made.take()).to.deep.equal(['start 0.1', 'start 1.1']);
    made.runs(0);
    expect(made.take()).to.deep.equal([]);
    made.runs(1);
    expect(made.take()).to.deep.equal(['start 2.1']);
    made.runs(2);
    made.ends(2, 3 << 8);
    expect(made.take()).to.deep.equal(['release 0 with 15 in 120 s', 'release 1 with 15 in 120 s']);
    made.ends(1, 15);
    made.ends(0, 15);
    expect(made.take()).to.deep.equal(['wind up']);
    expect(made.applications.rawStatus()).to.equal(3 << 8);
    expect(made.end().servicesFault).to.equal(null);
    expect(made.outcomes()).to.deep.equal(['stopped', 'stopped', 'failed']);
  });

  it('a service that fails before the payload runs is the job’s fault, with its log', () => {
    const made = box();
    made.applications.begin();
    made.runs(1);
    made.ends(0, 1 << 8);
    expect(made.take()).to.include('release 1 with 15 in 120 s');
    made.ends(1, 15);
    expect(made.take()).to.deep.equal(['wind up']);
    expect(made.end().servicesFault).to.deep.equal({name: 'web', reason: 'it ended with exit status 1'});
    expect(made.report().map(({role, log}) => [role, log])).to.deep.equal([
      ['service', 'log of 0'],
      ['service', 'log of 1'],
      ['payload', 'log of 2'],
    ]);
  });

  it('a service that ends with exit status 0 has failed too', () => {
    const made = box();
    made.applications.begin();
    made.runs(0);
    made.runs(1);
    made.runs(2);
    made.ends(0, 0);
    expect(made.take()).to.include('stop all');
    made.ends(2, 15);
    made.ends(1, 15);
    expect(made.end().servicesFault).to.equal(null);
    expect(made.end().serviceFailure).to.deep.equal({name: 'web', reason: 'it ended before the payload'});
    expect(made.applications.rawStatus()).to.equal(15);
  });

  it('is started again where it may be, but not when it was told to end', () => {
    const made = box();
    made.applications.begin();
    made.runs(0);
    made.runs(1);
    made.take();
    made.ends(1, 1 << 8);
    made.pass();
    expect(made.take()).to.include('start 1.2');
    made.runs(1, 2);
    made.runs(2);
    made.ends(2);
    made.ends(1, 1 << 8, 2);
    made.ends(0, 15);
    expect(made.take().at(-1)).to.equal('wind up');
  });

  it('a caller’s SIGTERM before the payload ends the services', () => {
    const made = box();
    made.applications.begin();
    made.runs(0);
    made.applications.signalled(15);
    made.runs(1);
    expect(
      made
        .take()
        .filter((each) => each.startsWith('release'))
        .sort(),
    ).to.deep.equal(['release 0 with 15 in 120 s', 'release 1 with 15 in 120 s']);
    made.ends(0, 15);
    made.ends(1, 15);
    expect(made.applications.rawStatus()).to.equal(15);
    expect(made.take()).to.deep.equal(['wind up']);
  });

  it('a payload that cannot be executed is told so', () => {
    const made = box();
    made.applications.begin();
    made.runs(0);
    made.runs(1);
    made.applications.failed(2, 1, 'exec: no such file');
    made.ends(0, 15);
    made.ends(1, 15);
    expect(made.end().payloadFault).to.equal('exec: no such file');
    expect(made.applications.rawStatus()).to.equal(127 << 8);
  });

  it('a payload whose keeper was killed with the service, before it could say that the payload executes, has run', () => {
    const made = box();
    made.applications.begin();
    made.runs(0);
    made.runs(1);
    made.take();
    // `kill -9 -1` as the payload's first deed: neither end is told by the keeper itself
    made.ends(0, KILLED);
    made.ends(2, KILLED);
    made.ends(1, 15);
    expect(made.end()).to.deep.include({servicesFault: null, payloadFault: null});
    expect(made.end().serviceFailure).to.deep.equal({name: 'web', reason: 'it ended with SIGKILL'});
    expect(made.applications.rawStatus()).to.equal(KILLED);
    const [, , payload] = made.report();
    expect(payload).to.deep.include({starts: 1, startEpochUs: 1400, wallUs: 0});
    expect(payload?.outcome).to.include({signal: 'SIGKILL'}).and.not.include({status: 'not-started'});
  });
});
