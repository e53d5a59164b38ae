import {expect} from 'chai';
import {BUILTIN} from '../../../src/policy/builtin.js';
import {ENGINES} from '../../../src/plugins.js';
import type {Policy} from '../../../src/policy/policy.js';
import {diagnose} from '../../../src/report/doctor.js';
import {renderDiagnosis, verdictOf} from '../../../src/report/doctor-text.js';
import type {State} from '../../../src/report/check.js';
import type {DoctorTools} from '../../../src/report/doctor-inputs.js';
import type {Diagnosis} from '../../../src/report/doctor.js';
import {factsOf} from '../host/hosts.js';

const TOOLS: DoctorTools = {native: {path: '/opt/tare/bin/tare', because: null}};
const written = <T>(value: T) => ({value, provenance: {source: 'policy' as const, at: 'site.yaml:/x'}});

function examine(host: string, policy: Partial<Policy> = {}, tools = TOOLS): Diagnosis {
  return diagnose({facts: factsOf(host), policy: {...BUILTIN, ...policy}, engines: ENGINES, tools});
}

function state({checks}: Diagnosis, name: string): State | undefined {
  return checks.find((check) => check.name === name)?.state;
}

describe('the doctor', () => {
  it('finds a node of root healthy', () => {
    const diagnosis = examine('debian13-v1root');
    expect(diagnosis.checks.filter((check) => check.state !== 'ok').map(({name}) => name)).to.deep.equal(['crun']);
    expect(diagnosis.patterns['ulimit++']).to.include({allowed: true, runnable: true});
    expect(diagnosis.patterns['quotas++']).to.deep.equal({allowed: true, runnable: true, because: 'bubblewrap can build the box'});
    expect(diagnosis.patterns['vm-lite']).to.include({allowed: true, runnable: false});
    expect(diagnosis.patterns['vm-lite'].because).to.match(
      /^bubblewrap gives init no capabilities, .*; crun cannot be used \(not in \/usr\/bin\/crun, /,
    );
    expect(diagnosis.healthy).to.equal(true);
  });

  it('says what the batch system does, and whether its group is delegated', () => {
    const look = (host: string, remedy: string | null) =>
      diagnose({facts: factsOf(host), policy: BUILTIN, engines: ENGINES, tools: TOOLS, batch: {found: 'job 5', remedy}}).checks.find(
        ({name}) => name === 'batch system',
      );
    expect(look('el9-v2-undelegated', 'set it')).to.include({
      state: 'limited',
      found: 'job 5; not delegated to this user',
      remedy: 'set it',
    });
    expect(look('el9-v2-condor24', null)).to.include({state: 'ok', found: 'job 5; delegated to this user'});
    expect(look('debian13-v1root', null)?.found).to.equal('job 5; root needs no delegation');
  });

  const table: Record<string, Record<string, State>> = {
    'debian13-v1-user': {cgroups: 'missing', 'memory controller': 'missing', freezer: 'missing', bubblewrap: 'ok'},
    'el9-v2-condor24': {
      cgroups: 'ok',
      'memory controller': 'limited',
      'cpu controller': 'ok',
      'cpuset controller': 'missing',
      freezer: 'ok',
      bubblewrap: 'limited',
    },
    'el9-v2-condor23': {cgroups: 'ok', 'cpu controller': 'ok', 'cpuset controller': 'missing', freezer: 'ok'},
    'el9-v2-systemd-delegate': {cgroups: 'ok', 'cpuset controller': 'ok'},
    'el9-v2-undelegated': {cgroups: 'missing', 'memory controller': 'missing'},
    'debian12-v2-user-session': {cgroups: 'ok', 'cpuset controller': 'missing'},
    'el7-v1': {'user namespace': 'missing', 'pid namespace': 'ok', 'cgroup namespace': 'missing', 'new /proc': 'ok', bubblewrap: 'limited'},
    'ubuntu24-v2-apparmor': {'user namespace': 'missing', 'pid namespace': 'missing', 'new /proc': 'missing', bubblewrap: 'ok'},
    'debian12-v2-docker': {'memory controller': 'missing', 'new /proc': 'missing', '/dev/fuse': 'missing', slot: 'ok'},
    'debian13-none': {cgroups: 'missing', 'memory controller': 'missing', bubblewrap: 'missing', scratch: 'ok'},
  };
  for (const [host, states] of Object.entries(table)) {
    it(`finds what ${host} lacks, and says what to do`, () => {
      const diagnosis = examine(host);
      for (const [name, expected] of Object.entries(states)) expect(state(diagnosis, name), name).to.equal(expected);
      for (const check of diagnosis.checks) {
        expect(check.costs, check.name).not.to.equal('');
        expect(check.remedy === null, check.name).to.equal(check.state === 'ok');
      }
      expect(diagnosis.patterns['ulimit++'].runnable).to.equal(true);
      expect(diagnosis.healthy).to.equal(true);
    });
  }

  const remedies: [host: string, check: string, found: RegExp, remedy: RegExp | null][] = [
    ['el9-v2-condor24', 'cgroups', /HTCondor 24\.8 or later; groups can be made for memory, cpu, pids, io/, null],
    ['el9-v2-condor24', 'cpuset controller', /no permission/, /^nothing can be set: HTCondor hands on memory/],
    ['el9-v2-condor23', 'cgroups', /HTCondor before 24\.8; groups can be made/, null],
    ['el9-v2-condor23', 'memory controller', /when its processes have moved to a leaf/, /Linux 5\.19/],
    ['el9-v2-systemd-delegate', 'cgroups', /a systemd service/, null],
    ['el9-v2-undelegated', 'cgroups', /a task of Slurm/, /SPANK.*ConstrainRAMSpace=yes/],
    ['el9-v2-undelegated', 'memory controller', /no permission/, /^Slurm hands no group to users/],
    ['debian12-v2-user-session', 'cpuset controller', /processes are in it|not available/, /systemctl edit user@\.service.*Delegate=/],
    ['debian12-v2-docker', 'memory controller', /read-only/, /^start the container with its own writable cgroup/],
  ];
  for (const [host, name, found, remedy] of remedies) {
    it(`knows the layout of ${host}, and what to change for ${name}`, () => {
      const check = examine(host).checks.find((each) => each.name === name);
      expect(check?.found).to.match(found);
      if (remedy === null) expect(check?.remedy).to.equal(null);
      else expect(check?.remedy).to.match(remedy);
    });
  }

  it('does not ask for a delegation that is there', () => {
    const facts = factsOf('el9-v2-systemd-delegate');
    const because =
      'processes are in it, and a group with processes cannot hand a controller to its children; process 7 in it is not the caller’s';
    const directory = '/sys/fs/cgroup/system.slice/run-u42.service';
    const memory = {...facts.cgroup.controllers.memory!, parent: null, refused: [{directory, because}]};
    const {checks} = diagnose({
      facts: {...facts, cgroup: {...facts.cgroup, controllers: {memory}}},
      policy: BUILTIN,
      engines: ENGINES,
      tools: TOOLS,
    });
    const remedy = checks.find(({name}) => name === 'memory controller')?.remedy;
    expect(remedy)
      .to.match(/can be used already/)
      .and.not.match(/Delegate=yes/);
  });

  it('says what a missing memory controller costs', () => {
    const check = examine('debian13-v1-user').checks.find(({name}) => name === 'memory controller');
    expect(check?.costs).to.match(/^memory is watched, not enforced/);
  });

  it('names engines of the policy that there are not, and finds a node ill where no name is known', () => {
    const row = ({checks}: Diagnosis) => checks.find(({name}) => name === 'engines of the policy');
    const known = ENGINES.map(({name}) => name).join(', ');
    const one = examine('el9-v2-condor24', {engines: written(['bubblewrap', 'krun'])});
    expect(row(one)).to.deep.include({
      state: 'limited',
      found: 'this version of Tare has no engine krun (site.yaml:/x)',
      remedy: `correct the name; engines are ${known}`,
    });
    expect(one.healthy).to.equal(true);
    const none = examine('el9-v2-condor24', {engines: written(['bubblewarp'])});
    expect([row(none)?.state, none.healthy]).to.deep.equal(['missing', false]);
    expect(none.patterns['ulimit++'].because).to.match(new RegExp(`has no engine "bubblewarp"; it has ${known}$`));
    expect(row(examine('el9-v2-condor24'))).to.equal(undefined);
  });

  it('says which filter on system calls payloads have, and where the kernel takes none', () => {
    const found = (policy?: Partial<Policy>) => examine('el9-v2-condor24', policy).checks.find(({name}) => name === 'system call filter');
    expect(found()).to.include({state: 'ok', found: 'default (builtin)'});
    expect(found({seccomp: written('pilot')})).to.include({state: 'ok', found: 'pilot (site.yaml:/x)'});
    expect(found({seccomp: written('unconfined')})).to.include({state: 'ok', found: 'none (site.yaml:/x)'});
    const facts = {...factsOf('el9-v2-condor24'), seccomp: {available: false, how: 'no line Seccomp', remedy: 'another kernel'}};
    const lacking = diagnose({facts, policy: BUILTIN, engines: ENGINES, tools: TOOLS});
    expect(lacking.checks.find(({name}) => name === 'system call filter')).to.deep.equal({
      ...{name: 'system call filter', state: 'limited', found: 'default (builtin); no line Seccomp'},
      ...{costs: 'payloads may make every system call', remedy: 'another kernel'},
    });
    expect(lacking.healthy).to.equal(true);
  });

  it('says which Landlock the kernel has, and where it is not used', () => {
    const found = (abi: number | null, policy: Partial<Policy> = {}) => {
      const landlock = {abi, queues: true, how: 'none here', remedy: abi === null ? 'another kernel' : null};
      const diagnosed = diagnose({
        facts: {...factsOf('el9-v2-condor24'), landlock},
        policy: {...BUILTIN, ...policy},
        engines: ENGINES,
        tools: TOOLS,
      });
      expect(diagnosed.healthy).to.equal(true);
      return diagnosed.checks.find(({name}) => name === 'Landlock');
    };
    expect(found(7)).to.include({state: 'ok', found: 'version 7', remedy: null});
    expect(found(7, {seccomp: written('pilot')})).to.include({state: 'ok', found: 'version 7; not used: seccomp is pilot (site.yaml:/x)'});
    expect(found(1)).to.include({state: 'limited', found: 'version 1', remedy: 'use Linux 5.19 or later'});
    expect(found(null)).to.include({state: 'limited', found: 'none here', remedy: 'another kernel'});
  });

  it('finds a node ill when the policy requires what it does not have', () => {
    const kernel = {...BUILTIN.enforcement, memory: written('kernel' as const)};
    const cases: [Partial<Policy>, RegExp][] = [
      [{enforcement: kernel}, /requires memory/],
      [{enforcement: {...BUILTIN.enforcement, cores: written('watched' as const)}}, /requires cores/],
      [{box: written('required' as const)}, /requires a box/],
      [{enforcement: {...BUILTIN.enforcement, processes: written('kernel' as const)}}, /requires processes/],
    ];
    for (const [policy, because] of cases) {
      const diagnosis = examine('ubuntu24-v2-apparmor', policy);
      expect(diagnosis.patterns['ulimit++'].because).to.match(because);
      expect(diagnosis.healthy).to.equal(false);
      // the same refuses a small machine
      if (policy.enforcement !== undefined) expect(diagnosis.patterns['vm-lite'].because).to.match(because);
      expect(examine('ubuntu24-v2-apparmor', {...policy, mode: written('observe' as const)}).healthy).to.equal(true);
    }
    expect(examine('el9-v2-condor24', {enforcement: kernel, box: written('required' as const)}).healthy).to.equal(true);
  });

  it('counts patterns of later versions only when the policy names them', () => {
    expect(examine('debian13-v1root', {patterns: written(['ulimit++', 'vm-lite'])}).healthy).to.equal(false);
    expect(examine('debian13-v1root', {patterns: written(['ulimit++'])}).healthy).to.equal(true);
  });

  it('ends with one verdict on the parts and on the box that was tried', () => {
    expect([
      verdictOf(true, {healthy: true, less: false}),
      verdictOf(true, {healthy: true, less: true}),
      verdictOf(true, {healthy: false, less: true}),
      verdictOf(false, {healthy: true, less: false}),
    ]).to.deep.equal([
      'healthy',
      'not healthy: the box that was tried got less than the policy wants',
      'not healthy: the box that was tried does not work',
      'not healthy: a pattern that the policy allows cannot run, or a disk has too little room',
    ]);
  });

  it('says that the kill switch is on, and leaves the node as healthy as it is', () => {
    const inputs = {facts: factsOf('debian13-v1root'), policy: BUILTIN, engines: ENGINES, tools: TOOLS};
    const off = diagnose({...inputs, killSwitch: {file: '/etc/tare/off', on: false}});
    expect([state(off, 'kill switch'), off.switchedOffBy]).to.deep.equal(['ok', null]);
    const on = diagnose({...inputs, killSwitch: {file: '/etc/tare/off', on: true}});
    expect([state(on, 'kill switch'), on.switchedOffBy, on.healthy]).to.deep.equal(['missing', '/etc/tare/off', off.healthy]);
    expect(renderDiagnosis(on)).to.contain('\nswitched off by /etc/tare/off: no job has box, limits or record\n');
  });

  it('finds a node ill without the static program', () => {
    const diagnosis = examine('debian13-v1root', {}, {native: {path: null, because: 'not built'}});
    expect(diagnosis.healthy).to.equal(false);
    expect(state(diagnosis, 'static program')).to.equal('missing');
  });

  it('prints within the width of the terminal, without colour unless asked', () => {
    const diagnosis = examine('el9-v2-undelegated');
    const text = renderDiagnosis(diagnosis, {width: 100});
    expect(Math.max(...text.split('\n').map((line) => line.length))).to.be.at.most(100);
    expect(text)
      .to.match(/memory controller: memory is watched/)

      .and.not.include('\u001B');
    expect(renderDiagnosis(diagnosis, {colour: true})).to.include('\u001B[31mmissing\u001B[39m');
  });
});
