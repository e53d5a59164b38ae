import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import {builtinProfile, wholeBoxProfile} from '../../../src/engine/seccomp.js';
import {launchStrings} from '../../../src/engine/launch.js';
import {TareError} from '../../../src/errors.js';
import type {Facts, SystemFacts, ViewFacts} from '../../../src/host/facts.js';
import {explainPlan} from '../../../src/steps/explain.js';
import {INITS} from '../../../src/plan/inits.js';
import {stepOf, stepsOf} from '../../../src/plan/step.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {launchOf, ociConfig} from '../../support/engines.js';
import {call, CONTAINERS, CRUN, NO_CGROUP, no, plan, RUNC, v1, yes, type Parts} from './build.js';

const SYSTEM: SystemFacts = {
  subordinate: {uids: {start: 100_000, count: 65_536}, gids: {start: 200_000, count: 65_536}, how: 'a test', remedy: null},
  init: null,
};
const VIEWS: ViewFacts = {user: true, overlay: yes, options: ['userxattr'], fuse: no, mounts: [], writable: []};
const ROOT = {uid: 0, gid: 0, groups: [0], name: 'root', home: '/root'};

interface Change {
  job?: Partial<JobDocument>;
  facts?: Partial<Facts>;
  system?: Partial<SystemFacts>;
  policy?: NonNullable<Parts['policy']>;
  call?: Parts['call'];
}
function small({job, facts, system, policy, call: called}: Change = {}): Plan {
  return plan({
    ...(called === undefined ? {} : {call: called}),
    job: {image: '/i', services: [{name: 'web', command: ['nginx', '-g', 'daemon off;']}], ...job},
    policy: {images: ['/i'], ...policy},
    facts: {system: {...SYSTEM, ...system}, views: VIEWS, engines: [CRUN], ...facts},
  });
}
const asRoot = (change: Change = {}): Plan =>
  small({
    ...change,
    facts: {
      caller: ROOT,
      views: {...VIEWS, user: false},
      scratch: {directory: '/s', fileSystem: 'xfs', freeBytes: 1, writable: true, how: '', containers: {...CONTAINERS, user: false}},
      ...change.facts,
    },
  });
const config = (made: Plan, exists = true) =>
  ociConfig(made, {exists: () => exists}) as {
    root: {path: string};
    process: {args: string[]};
    mounts: {destination: string; source: string; options: string[]}[];
    linux: {seccomp?: object; namespaces: {type: string}[]; uidMappings?: object[]; maskedPaths?: string[]; cgroupsPath?: string};
  };
const launched = (made: Plan, callerArgvIndex: number | null = null): string[] =>
  launchStrings(made, {
    ...{boxDirectory: '/b', id: 'ab', engineArgv: [], callerArgvIndex},
    joins: {engine: [], payload: [], applications: []},
  });
const code = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    return error instanceof TareError ? error.code : String(error);
  }
  return 'none';
};

describe('a small machine', () => {
  it('is what a job with services is, by an OCI runtime', () => {
    const made = small();
    expect(made.pattern).to.deep.equal({value: 'vm-lite', because: 'services of its own (job.yaml#/services/0)'});
    expect(made.engine).to.deep.include({name: 'crun', path: '/usr/bin/crun', version: '1.21'});
    expect(made.engine.because).to.match(/^a test; bubblewrap gives init no capabilities/);
    expect(stepOf(made, 'namespace.unshare')?.namespaces).to.deep.equal(['pid', 'mount', 'ipc', 'uts', 'cgroup']);
    expect(stepOf(made, 'payload.execute')).to.equal(undefined);
  });

  it('services first, then the payload, whose end is the job’s', () => {
    const made = small();
    const steps = stepsOf(made, 'application.execute');
    expect(steps.map(({name, needs, output, system}) => [name, needs, output === 'caller', system?.role, system?.as])).to.deep.equal([
      ['web', [], false, 'service', 'root'],
      ['payload', [0], true, 'payload', 'job'],
    ]);
    expect(made.applications).to.deep.include({primary: 1, onFailure: 'stop-all', onOom: 'stop-all'});
  });

  it('may have several applications beside its services', () => {
    const applications = ['a', 'b'].map((name) => ({name, command: ['x'], ...(name === 'b' ? {needs: ['a']} : {})}));
    const steps = stepsOf(small({job: {command: undefined as never, applications, primary: 'b'}}), 'application.execute');
    expect(steps.map(({index, name, needs}) => [index, name, needs])).to.deep.equal([
      [0, 'web', []],
      [1, 'a', [0]],
      [2, 'b', [0, 1]],
    ]);
  });

  it('an image’s init is process 1 of its own, and all others are among its processes', () => {
    const made = small({job: {init: 'sysvinit', services: ['nginx']}, system: {init: '/sbin/init'}});
    const [init, boot, payload] = stepsOf(made, 'application.execute');
    expect(init).to.deep.include({name: 'init', argv: ['/sbin/init']});
    expect(init?.system).to.deep.include({first: true, ownGroups: false, stopSignal: 2, stopWithinUs: 120e6});
    expect(boot).to.deep.include({name: 'services', needs: [0], ready: {when: 'completed', withinUs: 120e6}});
    expect(boot?.argv.slice(-2)).to.deep.equal(['boot', 'nginx']);
    expect(boot?.system).to.deep.include({role: 'boot', as: 'root', guestOf: 0});
    expect(payload?.system).to.deep.include({role: 'payload', as: 'job', guestOf: 0});
    expect(payload?.needs).to.deep.equal([0, 1]);
  });

  it('systemd needs groups of version 2 of its own', () => {
    const job = {init: 'systemd', services: ['nginx']} as const;
    expect(stepsOf(small({job: {...job, services: [...job.services]}}), 'application.execute')[0]?.system?.ownGroups).to.equal(true);
    for (const cgroup of [NO_CGROUP, v1({memory: 'memory', pids: 'pids'})])
      expect(code(() => small({job: {init: 'systemd', services: ['nginx']}, facts: {cgroup}}))).to.equal('INIT_UNAVAILABLE');
    expect(code(() => small({job: {init: 'busybox', services: ['nginx']}, facts: {cgroup: NO_CGROUP}}))).to.equal('none');
  });

  const refused: [why: string, make: () => unknown, code: string][] = [
    ['no image', () => plan({job: {services: [{name: 'a', command: ['x']}]}}), 'PATTERN_UNAVAILABLE'],
    ['another pattern', () => small({job: {pattern: 'ulimit++'}}), 'PATTERN_UNAVAILABLE'],
    ['no OCI runtime', () => small({facts: {engines: [{...CRUN, path: null}]}}), 'BOX_UNAVAILABLE'],
    ['an old crun', () => small({facts: {engines: [{...CRUN, version: '0.13'}]}}), 'BOX_UNAVAILABLE'],
    ['observed only', () => small({policy: {mode: 'observe'}}), 'BOX_UNAVAILABLE'],
    ['in a box', () => small({facts: {within: {recordId: null, how: 'a test'}}}), 'BOX_UNAVAILABLE'],
    ['no view', () => small({facts: {views: {...VIEWS, overlay: no}}}), 'FILESYSTEM_UNAVAILABLE'],
    ['an image that is not allowed', () => small({policy: {images: ['/other']}}), 'IMAGE_FORBIDDEN'],
    ['the pattern is not allowed', () => small({policy: {patterns: ['ulimit++']}}), 'PATTERN_FORBIDDEN'],
  ];
  for (const [why, make, expected] of refused) it(`is refused: ${why}`, () => expect(code(make)).to.equal(expected));

  it('is explained', () => {
    const text = JSON.stringify(explainPlan(small()));
    for (const words of ['root of the box', '65536 uids from 100000', 'system calls', 'nginx', '/run/tare/services/web.log'])
      expect(text).to.include(words);
    expect(JSON.stringify(explainPlan(small({system: {subordinate: {...SYSTEM.subordinate, uids: {start: 0, count: 0}}}})))).to.include(
      'services of other accounts cannot run',
    );
  });
});

describe('a small machine of a user', () => {
  it('has the user for its root, and the user again as the payload', () => {
    expect(stepOf(small(), 'view.unshare')?.root).to.deep.include({uids: SYSTEM.subordinate.uids, gids: SYSTEM.subordinate.gids});
    const strings = launched(small());
    const payload = strings.slice(strings.indexOf('Npayload'));
    expect(payload).to.include.members(['c0', 'n']);
    expect(payload.some((each) => each.startsWith('x'))).to.equal(true);
    expect(strings.some((each) => each.startsWith('U') || each.startsWith('q'))).to.equal(false);
    expect(config(small()).linux.uidMappings).to.equal(undefined);
  });
  it('has a /proc that is closed: else the kernel gives the payload’s account files of init’s', () => {
    const options = (one: Plan) => config(one).mounts.find(({destination}) => destination === '/proc')?.options;
    expect([options(small()), options(asRoot())].map((each) => each?.includes('hidepid=1'))).to.deep.equal([true, false]);
  });
});

describe('a small machine of root', () => {
  it('has ids that no account has in a user namespace, but for the payload’s account, and an image that is shown so', () => {
    expect(stepOf(asRoot(), 'namespace.unshare')?.namespaces[0]).to.equal('user');
    expect(config(asRoot()).linux.uidMappings).to.deep.equal([
      {containerID: 0, hostID: 1_878_982_656, size: 1001},
      {containerID: 1001, hostID: 1001, size: 1},
      {containerID: 1002, hostID: 1_878_983_658, size: 64_534},
    ]);
    expect(stepOf(asRoot(), 'mount.overlay')?.lower).to.equal(stepOf(asRoot(), 'mount.shift')?.at);
    expect(asRoot().flags).to.not.include('node-root');
  });
  it('is refused where its ids are in use: by a file of the node, or by the payload’s account', () => {
    const refusal = (change: Change): string | undefined => {
      try {
        asRoot(change);
        return undefined;
      } catch (error) {
        const {code, details} = error as TareError;
        return `${code}: ${String(details.found)}`;
      }
    };
    const idsTaken = 'carol (1879000000) in /etc/passwd';
    expect(refusal({call: call({idsTaken})})).to.equal(`MACHINE_IDS: ${idsTaken}`);
    const machineIds = (start: number) => ({policy: {identity: {machineIds: {start}}}});
    expect(refusal(machineIds(1001))).to.equal('MACHINE_IDS: 1001, the payload’s account or a group of it');
    expect(refusal(machineIds(1002))).to.equal(undefined);
    expect(refusal({...machineIds(1002), call: call({idsTaken})})).to.match(/^MACHINE_IDS/);
  });
  it('has groups in every hierarchy of version 1, whether or not there is a limit; runc makes them itself', () => {
    const others = [
      {name: 'devices', parent: '/sys/fs/cgroup/devices/slot'},
      {name: 'name=systemd', parent: '/sys/fs/cgroup/systemd/slot'},
    ];
    const cgroup = {...v1({memory: 'memory', cpuset: 'cpuset'}), others};
    const hierarchies = (made: Plan, leaf: string): string[] =>
      stepsOf(made, 'cgroup.create').flatMap(({directory, controllers}) =>
        directory.endsWith(leaf) ? [`${directory.split('/')[4] ?? ''} ${controllers.join()}`] : [],
      );
    const all = ['memory memory', 'cpuset cpuset', 'devices devices', 'systemd name=systemd'];
    const made = asRoot({facts: {cgroup}});
    for (const leaf of ['/tare-{id}', '/engine', '/app-web/job', '/app-payload/job'])
      expect(hierarchies(made, leaf), leaf).to.deep.equal(all);
    expect(hierarchies(small({facts: {cgroup}}), '/engine')).to.deep.equal(['memory memory']);
    expect(hierarchies(asRoot({facts: {cgroup, engines: [RUNC]}}), '/engine')).to.deep.equal(['memory memory']);
  });
  it('has the node’s ids where the image cannot be shown with others, which is flagged', () => {
    const made = asRoot({call: call({lost: ['ids']})});
    expect(config(made).linux.uidMappings).to.deep.equal([{containerID: 0, hostID: 0, size: 4_294_967_295}]);
    expect([stepOf(made, 'mount.shift'), made.degraded?.what.map(({code}) => code)]).to.deep.equal([undefined, ['node-root']]);
    expect(made.steps.flatMap((step) => (step.op === 'directory.create' && step.owner === 'root' ? [step.path] : []))).to.deep.equal([]);
  });
  it('its payload becomes the job’s user, which the engine does not do', () => {
    const strings = launched(asRoot());
    expect(strings.filter((each) => /^[Uqx]/.test(each)).map((each) => each[0])).to.deep.equal(['q']);
    expect(strings.slice(strings.indexOf('Npayload'))).to.include.members(['c0', 'n']);
  });
});

describe('the bundle', () => {
  it('has the image’s view for its root, and no mount for that', () => {
    const {root, mounts} = config(small());
    expect(root.path).to.equal('/b/view/0');
    expect(mounts.map(({destination}) => destination)).to.include.members([
      '/proc',
      '/dev',
      '/run',
      '/tmp',
      '/etc/passwd',
      '/run/tare/services',
    ]);
    expect(mounts.map(({destination}) => destination)).not.to.include('/');
  });
  it('leaves out what is bound if it is there, and is not', () => {
    const has = (exists: boolean) => config(small(), exists).mounts.some(({destination}) => destination === '/etc/resolv.conf');
    expect([has(true), has(false)]).to.deep.equal([true, false]);
  });
  it('hides what tells of the node; of an image’s init the new /proc does', () => {
    expect(config(small()).linux.maskedPaths).to.include('/proc/kcore');
    const init = small({job: {init: 'busybox', services: []}});
    expect(config(init).linux.maskedPaths).to.equal(undefined);
    const strings = launched(init);
    expect(strings.slice(strings.indexOf('Ninit'))).to.include.members(['P', 'y/proc/kcore', 'z/proc/sys']);
  });
  it('own network, own /sys', () => {
    const destinations = (network: 'host' | 'none') => config(small({job: {network}})).mounts.map(({destination}) => destination);
    expect([destinations('none').includes('/sys'), destinations('host').includes('/sys')]).to.deep.equal([true, false]);
  });
  it('the runtime has a filter on system calls as well, where it takes one that leaves speculation alone', () => {
    const filter = (change: Change): unknown => config(small(change)).linux.seccomp ?? null;
    const wanted = {...wholeBoxProfile(), architectures: ['SCMP_ARCH_X86_64'], flags: ['SECCOMP_FILTER_FLAG_SPEC_ALLOW']};
    const runc = (version: string | null): Change => ({facts: {engines: [{...RUNC, version}]}});
    expect([filter({}), filter(runc('1.2.0'))]).to.deep.equal([wanted, wanted]);
    expect([filter(runc('1.1.15')), filter(runc(null))]).to.deep.equal([null, null]);
    // what a site allows could be denied there
    expect([filter({policy: {seccomp: 'unconfined'}}), filter({policy: {seccomp: '/etc/tare/calls.json'}})]).to.deep.equal([null, null]);
  });
  it('crun is told to use no groups; runc is told the group that it is in', () => {
    expect(launchOf(small()).argv).to.deep.equal([
      '/usr/bin/crun',
      '--root',
      '/b/runtime',
      '--cgroup-manager=disabled',
      'run',
      '--bundle',
      '/b/bundle',
      '--preserve-fds',
      '2',
      'tare-ab',
    ]);
    const engines = [RUNC];
    const made = small({facts: {engines}});
    expect(launchOf(made).argv).not.to.include('--cgroup-manager=disabled');
    expect(config(made).linux.cgroupsPath).to.match(/^\/.*tare-ab\/engine$/);
    expect(config(small({facts: {engines, cgroup: v1({memory: 'memory', pids: 'pids'})}})).linux.cgroupsPath).to.equal(
      '/slot/tare-ab/engine',
    );
    expect(config(small()).linux.cgroupsPath).to.equal(undefined);
  });
  it('repositories: bound alone, and held by init by descriptors that the runtime hands on', () => {
    const made = small({job: {cvmfs: ['a.example.org', 'b.example.org']}});
    const own = config(made).mounts.filter(({destination}) => destination.startsWith('/cvmfs'));
    expect(own.map(({destination, options}) => [destination, options])).to.deep.equal([
      ['/cvmfs', ['nosuid', 'nodev', 'mode=0755', 'size=65536']],
      ['/cvmfs/a.example.org', ['rbind', 'ro', 'nosuid', 'nodev', 'rslave']],
      ['/cvmfs/b.example.org', ['rbind', 'ro', 'nosuid', 'nodev', 'rslave']],
    ]);
    expect(config(made).process.args).to.deep.equal(['/proc/self/fd/4', 'tare-init', '3,5,6']);
    expect(launchOf(made).argv.slice(-3)).to.deep.equal(['--preserve-fds', '4', 'tare-ab']);
    const strings = launched(made);
    expect(strings.slice(0, strings.indexOf('Mroot'))).to.include.members(['Mhold', 'm/cvmfs/a.example.org', 'm/cvmfs/b.example.org']);
    expect(config(small()).process.args).to.deep.equal(['/proc/self/fd/4', 'tare-init', '3']);
  });
  it('a step that it does not know is refused', () => {
    const made = small();
    made.steps.push({op: 'mount.squash', because: ''} as never);
    expect(code(() => config(made))).to.equal('ENGINE_FAILED');
  });
});

describe('services in the launch frame', () => {
  it('get no signal of the caller’s, none of its environment, and few capabilities', () => {
    const strings = launched(small());
    const web = strings.slice(strings.indexOf('Nweb'), strings.indexOf('Npayload'));
    expect(web).to.include.members(['S', '0', 'ca80405fb', 'vnginx', 'vdaemon off;']);
  });
  it('the payload’s argv is the caller’s, byte for byte', () => {
    expect(launched(small(), 2)).to.include('a@2');
  });
});

describe('inits of images', () => {
  it('all have a way to boot, to start a service, and to end', () => {
    for (const init of Object.values(INITS)) {
      for (const name of ['booted', 'begin', 'about']) expect(init.functions).to.match(new RegExp(`^${name}\\(\\)`, 'm'));
      expect(init.stopSignal).to.be.above(0);
    }
  });
});

describe('configs/seccomp.json', () => {
  it('is the profile default, for sites to begin with', () => {
    const file = new URL('../../../configs/seccomp.json', import.meta.url);
    expect(JSON.parse(readFileSync(file, 'utf8'))).to.deep.equal(builtinProfile('default', false));
  });
});
