import {expect} from 'chai';
import type {EngineFacts} from '@tare/contract';
import type {Facts, ViewFacts} from '../../../src/host/facts.js';
import {planRefusal} from '../../../src/plan/engine.js';
import type {Step, StepOf} from '../../../src/plan/step.js';
import {ENGINES} from '../../../src/plugins.js';
import {readEngine} from '../../../src/host/engine.js';
import type {JobDocument} from '../../../src/schema/generated/job-1.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {launchOf} from '../../support/engines.js';
import {CONTAINERS, MIB, no, plan, ROOT, yes} from '../plan/build.js';

const PARTS = {virtiofsd: '/usr/libexec/virtiofsd', kernel: '/boot/vmlinuz-6.12', kvm: '/dev/kvm'};
const QEMU: EngineFacts = {
  ...{name: 'qemu', path: '/usr/bin/qemu-system-x86_64', version: '10.0.13', setuid: false, abilities: [], parts: PARTS},
  how: 'a test',
};
const VIEWS: ViewFacts = {user: true, overlay: yes, options: ['userxattr'], fuse: no, mounts: [], writable: []};
const because = 'a test';
const engine = ENGINES.find(({name}) => name === 'qemu');

function asUser(job: Partial<JobDocument> = {}, facts: Partial<Facts> = {}): Plan {
  return plan({
    job: {image: '/i', pattern: 'vm-lite', network: 'none', ...job},
    policy: {images: ['/i'], engines: ['qemu'], degraded: 'alarm'},
    facts: {
      system: {
        subordinate: {uids: {start: 100_000, count: 65_536}, gids: {start: 200_000, count: 65_536}, how: 'a test', remedy: null},
        init: null,
      },
      views: VIEWS,
      engines: [QEMU],
      devices: ['/dev/fuse'],
      ...facts,
    },
  });
}
const machine = (job: Partial<JobDocument> = {}, facts: Partial<Facts> = {}): Plan =>
  asUser(job, {
    caller: ROOT,
    views: {...VIEWS, user: false},
    scratch: {directory: '/s', fileSystem: 'xfs', freeBytes: 1, writable: true, how: '', containers: {...CONTAINERS, user: false}},
    ...facts,
  });
/** The three parts of the command line. */
function sections(made: Plan, parts: Readonly<Record<string, string>> = PARTS): string[][] {
  const found: string[][] = [[]];
  for (const word of launchOf(made, {parts, exists: () => false}).argv)
    if (word === '--') found.push([]);
    else found.at(-1)?.push(word);
  return found;
}
const withSteps = (...steps: Step[]): Plan => ({...machine(), steps});
const options = (...steps: Step[]): string[] => (sections(withSteps(...steps))[0] ?? []).slice(8);
const bind = (source: string, destination: string, more: Partial<StepOf<'mount.bind'>> = {}): Step => ({
  ...{op: 'mount.bind', source, destination, options: ['rw'], optional: false, because},
  ...more,
});
const refusal = (made: Pick<Plan, 'steps' | 'limits'>): string | null => (engine === undefined ? 'no engine' : planRefusal(engine, made));

/** As it is found on a node without /dev/kvm. @param unreadable paths */
const foundOn = (unreadable: readonly string[] = []): EngineFacts =>
  readEngine(engine!, {
    tree: {
      text: () => null,
      head: () => null,
      exists: (path) => path === '/usr/libexec/virtiofsd' || path.startsWith('/boot/vmlinuz'),
      isDirectory: () => false,
      entries: (path, wanted) =>
        path === '/boot/'
          ? ['config-6.12', 'vmlinuz-6.9', 'vmlinuz-6.12'].map((name) => ({name, kind: 'file' as const})).filter(wanted)
          : [],
      link: () => null,
      readable: (path) => !unreadable.includes(path),
      writable: () => false,
      program: (path) => (path === '/usr/bin/qemu-system-x86_64' ? {mode: 0o755, uid: 0, size: 1, mtimeMs: 1} : null),
      owner: () => null,
      freeBytes: () => null,
    },
    mounts: [],
    status: {noNewPrivileges: false} as never,
    caller: ROOT,
    version: () => '10.0.13',
  });

describe('qemu', () => {
  it('is started by the bridge, which is told where the files are, and has the machine’s memory and CPUs', () => {
    const made = machine({limits: {memory: '1GiB', cores: 1.5}});
    expect(made.engine).to.deep.include({
      name: 'qemu',
      sealed: 'a virtual machine has a kernel of its own, which no process of the node enters',
    });
    const [bridge = [], files = [], emulator = []] = sections(made);
    expect(bridge.slice(0, 8)).to.deep.equal([
      ...['/proc/self/fd/4', 'tare-machine', 'folder', '/b/machine', 'kernel', '/boot/vmlinuz-6.12', 'kvm', '/dev/kvm'],
    ]);
    expect(files.slice(0, 5)).to.deep.equal(['/usr/libexec/virtiofsd', '--fd=100', '--shared-dir', '/b/machine', '--sandbox=chroot']);
    const after = (word: string): string | undefined => emulator[emulator.indexOf(word) + 1];
    expect([after('-m'), after('-smp'), after('-accel'), after('-object')]).to.deep.equal([
      ...['832M', '2', 'kvm,device=/dev/fdset/2', 'memory-backend-memfd,id=memory,size=832M,share=on'],
    ]);
  });

  it('is emulated without /dev/kvm, which the plan says as degraded', () => {
    const {virtiofsd, kernel} = PARTS;
    const [, , emulator = []] = sections(machine(), {virtiofsd, kernel});
    expect(emulator).to.include('tcg,tb-size=64');
    expect(emulator.join(' ')).to.match(/ -append console=ttyS0 .*no_timer_check( tare-system)?/);
    const found = foundOn();
    expect([found.path, found.parts, found.less?.map(({code}) => code)]).to.deep.equal([
      '/usr/bin/qemu-system-x86_64',
      {virtiofsd: '/usr/libexec/virtiofsd', kernel: '/boot/vmlinuz-6.12'},
      ['emulated'],
    ]);
    expect(found.how).to.equal(
      '/usr/bin/qemu-system-x86_64 --version; its kernel is /boot/vmlinuz-6.12; emulated (TCG), many times slower: /dev/kvm is not there or cannot be opened, or the processor has no virtualization',
    );
    expect(machine({}, {engines: [found]}).degraded?.what.map(({code}) => code)).to.deep.equal(['emulated']);
  });

  it('is not there where its kernel cannot be read, as with /boot for root alone', () => {
    const {path, how} = foundOn(['/boot/vmlinuz-6.12']);
    expect([path, how]).to.deep.equal([null, 'its kernel is not in /usr/local/lib/tare/vmlinuz, /boot/vmlinuz-*, or cannot be read there']);
  });

  it('has no more memory than the node, whatever the limit is', () => {
    const memory = (limit: string): string | undefined => {
      const [, , emulator = []] = sections(machine({limits: {memory: limit}}));
      return emulator[emulator.indexOf('-m') + 1];
    };
    // the node of these tests has 64 GiB
    expect([memory('64GiB'), memory('1TiB'), memory('63GiB')]).to.deep.equal(['65344M', '65344M', '64320M']);
  });

  it('of root’s, has the job’s account for qemu, and for virtiofsd ids that nobody has', () => {
    const [bridge = []] = sections(machine());
    const at = bridge.indexOf('account');
    expect(bridge.slice(at, at + 3)).to.deep.equal(['account', '1001', '100']);
    expect(bridge[bridge.indexOf('ids') + 1]).to.match(/^0 \d+ \d+\n/);
  });

  it('of a user’s, has the user namespace that enter made, for both', () => {
    const made = asUser();
    expect(made.engine.name).to.equal('qemu');
    const [bridge = []] = sections(made);
    expect(bridge.filter((word) => word === 'account' || word === 'ids')).to.deep.equal([]);
  });

  it('binds on the node what lies in the root, and in the machine what lies below its own mounts', () => {
    const made = options(
      bind('/view/0', '/'),
      bind('/etc/hosts', '/etc/hosts', {options: ['ro']}),
      {op: 'mount.dev', destination: '/dev', because},
      bind('/dev/fuse', '/dev/fuse', {options: ['dev']}),
      bind('/features', '/dev/tare', {options: ['ro']}),
      {op: 'mount.tmpfs', destination: '/run', mode: '0755', sizeBytes: MIB, because},
      bind('/services', '/run/tare'),
      bind('/devices', '/devices'),
      bind('/gone', '/gone', {optional: true}),
    );
    expect(made).to.deep.equal([
      ...['root', '/view/0'],
      ...['bind', '/etc/hosts', '/etc/hosts', 'ro'],
      ...['dev', '/dev'],
      ...['device', '/dev/fuse'],
      ...['share', '/features', 'ro', 'place', '0', '/dev/tare', 'ro'],
      ...['tmpfs', '/run', '0755', '1048576'],
      ...['share', '/services', 'rw', 'place', '1', '/run/tare', 'rw'],
      ...['bind', '/devices', '/devices', 'rw'],
    ]);
  });

  it('has the machine’s kernel hold the payload to its limit on processes', () => {
    const [bridge = []] = sections(machine({limits: {processes: 50}}));
    expect(bridge[bridge.indexOf('processes') + 1]).to.equal('52');
    expect(sections(machine())[0]).to.not.include('processes');
    // the kernel's own most
    const [most = []] = sections(machine({limits: {processes: 4_194_303}}));
    expect(most[most.indexOf('processes') + 1]).to.equal('4194304');
  });

  it('has a row for each other step', () => {
    const rows: [Step, string[]][] = [
      [{op: 'hostname.set', hostname: 'box', because}, ['hostname', 'box']],
      [{op: 'mount.proc', destination: '/proc', closed: true, because}, ['proc', '/proc', 'hidepid=1']],
      [{op: 'mount.proc', destination: '/proc', because}, ['proc', '/proc', '']],
      [{op: 'mount.sys', destination: '/sys', because}, ['sys', '/sys']],
      [{op: 'mount.tmpfs', destination: '/t', mode: '1777', sizeBytes: null, because}, ['tmpfs', '/t', '1777', '']],
      [{op: 'mount.readonly', destination: '/r', because}, ['readonly', '/r']],
      [{op: 'paths.protect', masked: ['/proc/keys'], readOnly: [], because}, []],
      [{op: 'privileges.drop', noNewPrivs: true, capabilities: 'none', because}, []],
    ];
    for (const [step, words] of rows) expect(options(step), step.op).to.deep.equal(words);
  });

  it('refuses what it cannot do, with a reason', () => {
    const made = machine();
    expect(refusal(made)).to.equal(null);
    const [unshare] = made.steps.filter((step) => step.op === 'namespace.unshare');
    const [payload] = made.steps.filter((step) => step.op === 'application.execute');
    if (unshare === undefined || payload === undefined) throw new Error('no such steps');
    const limits = (value: number): Plan['limits'] => ({...made.limits, memory: {...made.limits.memory, value}});
    const reasons: [Partial<Pick<Plan, 'steps' | 'limits'>>, RegExp][] = [
      [{steps: [...made.steps, payload]}, /^runs no services beside the payload/],
      [{steps: [{...unshare, namespaces: ['user', 'pid', 'mount']}]}, /^gives a machine no network/],
      [{steps: [...made.steps, bind('/dev/nvidia0', '/dev/nvidia0', {options: ['dev']})]}, /^gives a machine no devices of the node/],
      [{limits: limits(319 * MIB)}, /^needs a limit on memory of 320 MiB at least, 192 MiB of it for itself/],
    ];
    for (const [change, reason] of reasons) expect(refusal({...made, ...change})).to.match(reason);
    expect(refusal({...made, limits: limits(320 * MIB)})).to.equal(null);
    const processes = (value: number): Plan['limits'] => ({...made.limits, processes: {...made.limits.processes, value}});
    expect(refusal({...made, limits: processes(30)})).to.equal('needs a limit on processes of 31 at least, for threads of its own');
    expect(refusal({...made, limits: processes(31)})).to.equal(null);
    const cores = (value: number): Plan['limits'] => ({...made.limits, cores: {...made.limits.cores, value}});
    expect(refusal({...made, limits: cores(255.5)})).to.equal('gives a machine 255 CPUs at most');
    expect(refusal({...made, limits: cores(255)})).to.equal(null);
  });

  it('needs Linux 5.12 and QEMU 6', () => {
    expect(engine?.patterns['vm-lite']).to.deep.equal({version: '6.0', kernel: [5, 12]});
  });
});
