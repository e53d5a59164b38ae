/** A box by libvirt's LXC driver: the text that it is told, and what is left to init. */

import {expect} from 'chai';
import type {EngineFacts} from '@tare/contract';
import {domainOf} from '../../../plugins/libvirt/domain.js';
import {engine} from '../../../plugins/libvirt/engine.js';
import {waysOf} from '../../../plugins/libvirt/ways.js';
import {xmlText} from '../../../plugins/libvirt/xml.js';
import {rightsStrings} from '../../../src/engine/launch.js';
import {TareError} from '../../../src/errors.js';
import {planRefusal} from '../../../src/plan/engine.js';
import {stepsOf, type Step, type StepOf} from '../../../src/plan/step.js';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {launchOf} from '../../support/engines.js';
import {asUser, CONTAINERS, facts, plan, ROOT, USER, WORK, type Parts} from '../plan/build.js';

const LIBVIRT: EngineFacts = {name: 'libvirt', path: '/usr/bin/virsh', version: '11.3.0', setuid: false, abilities: [], how: 'a test'};
const NODE = {caller: ROOT, engines: [LIBVIRT], scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const boxed = (parts: Parts = {}): Plan =>
  plan({policy: {engines: ['libvirt']}, call: asUser(USER), ...parts, facts: {...NODE, ...parts.facts}});
const domain = (made: Plan, context: Parameters<typeof launchOf>[1] = {}): string => launchOf(made, context).files[0]?.text ?? '';
const because = 'a test';
const of = (...steps: Step[]): Plan => ({...boxed(), steps: [...boxed().steps.filter(({op}) => op === 'identity.take'), ...steps]});
const bind = (source: string, options: ('ro' | 'rw' | 'dev')[], optional = false): Step => ({
  op: 'mount.bind',
  source,
  destination: '/d',
  options,
  optional,
  because,
});

/** The elements of `<devices>` that come of a step. */
const elements = (step: Step, exists = true): string => {
  const [, text = ''] = /<devices>([^]*)<filesystem type="mount">[^]*?<\/devices>/.exec(domain(of(step), {exists: () => exists})) ?? [];
  return text.replaceAll(/>\s+/g, '>').trim();
};
/** The words of process 1 behind what the core names. */
const words = (made: Plan): string[] => [...domain(made).matchAll(/<initarg>(.*)<\/initarg>/g)].map(([, word = '']) => word).slice(4);
const mounted = (source: string, readOnly: boolean, target = '/d'): string =>
  `<filesystem type="mount"><source dir="${source}"/><target dir="${target}"/>${readOnly ? '<readonly/>' : ''}</filesystem>`;
/** What init does in any box. */
const always = (...more: string[]): string[] => ['hostname', 'node1', 'uncover', '/sys/fs/cgroup', ...more, 'uncover', '/dev/.tare'];

describe('a box by libvirt', () => {
  it('each step becomes elements of the domain, in their order, or what init does', () => {
    expect(elements(bind('/s', ['ro']))).to.equal(mounted('/s', true));
    expect(elements(bind('/s', ['rw']))).to.equal(mounted('/s', false));
    expect(elements(bind('/s', ['ro'], true))).to.equal(mounted('/s', true));
    expect(elements(bind('/s', ['ro'], true), false)).to.equal('');
    expect(elements(bind('/s', ['dev']))).to.equal(
      `<hostdev mode="capabilities" type="misc"><source><char>/d</char></source></hostdev>${mounted('/s', false)}`,
    );
    expect(elements(bind('/a"b&<c>', ['ro']))).to.equal(mounted('/a&#34;b&#38;&#60;c&#62;', true));
    expect(elements({op: 'cvmfs.bind', repository: 'a.b', source: '/cvmfs/a.b', destination: '/d', because})).to.equal(
      mounted('/cvmfs/a.b', true),
    );
    const tmpfs = (sizeBytes: number | null): Step => ({op: 'mount.tmpfs', destination: '/d', mode: '0755', sizeBytes, because});
    const inMemory = (kib: number): string =>
      `<filesystem type="ram"><source usage="${String(kib)}" units="KiB"/><target dir="/d"/></filesystem>`;
    expect(elements(tmpfs(65_537))).to.equal(inMemory(65));
    expect(elements(tmpfs(null))).to.equal(inMemory(2 ** 30));
    expect(words(of(tmpfs(null)))).to.deep.equal(always('0755', '/d'));
    expect(words(of({op: 'mount.readonly', destination: '/d', because}))).to.deep.equal([...always(), 'readOnly', '/d']);
    expect(words(of({op: 'hostname.set', hostname: 'wn1-a', because}))).to.deep.equal(always('hostname', 'wn1-a'));
    expect(words(of({op: 'mount.proc', destination: '/proc', because}))).to.deep.equal(always('uncover', '/proc/meminfo'));
    const first = boxed().steps.flatMap((step) => (step.op === 'payload.execute' ? [{...step, first: true as const}] : []));
    expect(words(of({op: 'mount.proc', destination: '/proc', because}, ...first))).to.deep.equal(
      always('uncover', '/proc/meminfo', 'uncover', '/proc/sys'),
    );
    expect(words(of({op: 'mount.dev', destination: '/dev', because}))).to.deep.equal(always());
    expect(words(of({op: 'mount.dev', destination: '/dev', queues: '/dev/mqueue', because}))).to.deep.equal(
      always('queues', '/dev/mqueue'),
    );
    for (const step of [
      {op: 'mount.sys', destination: '/sys', because},
      {op: 'privileges.drop', noNewPrivs: true, capabilities: 'none', because},
    ] satisfies Step[])
      expect([elements(step), words(of(step))]).to.deep.equal(['', always()]);
  });

  it('a network of its own is asked for, and no other namespace, since a domain has them', () => {
    const unshare = (...namespaces: ('pid' | 'network')[]): string => domain(of({op: 'namespace.unshare', namespaces, because}));
    expect(unshare('pid')).not.to.include('privnet');
    expect(unshare('pid', 'network')).to.match(/<features>\s*<privnet\/>/);
    const made = stepsOf(boxed(), 'namespace.unshare').flatMap(({namespaces}) => namespaces);
    expect(made).to.deep.equal(['pid', 'mount', 'ipc', 'uts']);
  });

  it('is a transient domain of the job’s name, told in a file that only root reads', () => {
    const {argv, files, environment} = launchOf(boxed());
    expect(argv).to.deep.equal(['/usr/bin/virsh', '--quiet', '--connect', 'lxc:///system', 'create', '--file', '/b/domain/domain.xml']);
    expect(environment).to.equal(undefined);
    expect(files.map(({folder, name}) => `${folder}/${name}`)).to.deep.equal(['domain/domain.xml']);
    const [text = ''] = files.map((file) => file.text);
    expect(text).to.match(/^<domain type="lxc">\n {2}<name>tare-ab<\/name>\n/);
    expect(text).to.include('<init>/dev/.tare/init</init>\n    <initarg>tare-connect</initarg>\n    <initarg>/dev/.tare/socket</initarg>');
    expect(text).to.include(`<source dir="/"/>`);
    expect(text.indexOf('<source dir="/"/>')).to.be.lessThan(text.indexOf(`<source dir="${WORK}"/>`));
    expect(stepsOf(boxed(), 'directory.create').map(({path, mode, owner}) => `${path} ${mode} ${owner}`)).to.include.members([
      '{box}/domain 0700 caller',
      '{box}/bridge 0700 caller',
    ]);
  });

  it('init takes the payload’s account with all its groups, and has no more of root’s rights than that needs', () => {
    const made = boxed();
    const [account = ''] = [...domain(made).matchAll(/<initarg>(.*)<\/initarg>/g)].map(([, word = '']) => word).slice(3);
    expect(account).to.equal(`${String(USER.uid)} ${String(USER.gid)} ${USER.groups.join(',')}`);
    expect(domain(made).match(/<(\w+) state="on"\/>/g)).to.deep.equal(
      ['setgid', 'setpcap', 'setuid', 'sys_admin'].map((name) => `<${name} state="on"/>`),
    );
    expect(domain(made)).to.include('<capabilities policy="deny">');
  });

  it('what is read-only at last is so when nothing has to be made there any more', () => {
    const list = words(boxed());
    const first = list.indexOf('readOnly');
    expect(list.slice(first).filter((_, index) => index % 2 === 0)).to.satisfy((rest: string[]) =>
      rest.every((word) => word === 'readOnly'),
    );
    expect(list.slice(first)).to.include.members(['/dev', '/run']);
    expect(list.slice(0, first)).to.include.members(['/dev/shm', '1777', '/run', '0755', '/proc/meminfo', '/dev/.tare']);
  });

  it('a command that joins gives up root’s rights itself', () => {
    expect(rightsStrings(boxed(), 1001)).to.have.length.greaterThan(1);
  });

  it('a step that it cannot do is refused with the reason, as is all that is mounted before it starts', () => {
    const refused = (step: Step): string | null => planRefusal(engine, of(step));
    const closed: Step = {op: 'mount.closed', source: '/a', at: '{box}/a', destination: '/a', options: ['ro'], because} as unknown as Step;
    expect(refused(closed)).to.equal('does not see what is mounted for a box before it starts (mount.closed)');
    expect(refused({op: 'paths.protect', masked: [], readOnly: [], because})).to.equal('builds no small machines (paths.protect)');
    expect(planRefusal(engine, boxed())).to.equal(null);
  });

  it('is for root’s wrappers, and for networks that no program of the user’s stands for', () => {
    const node = {engine: LIBVIRT, pattern: 'ulimit++', uid: 0, groups: ['/']} as const;
    expect(engine.obstacle?.(node)).to.equal(null);
    expect(engine.obstacle?.({...node, uid: 1})).to.match(/root/);
    expect(engine.patterns['ulimit++']).to.include({network: 'closed'});
  });

  it('ways to what is mounted below the private /tmp are made as the account that removes them', () => {
    const at = (source: string, destination: string): StepOf<'mount.bind'> => {
      return {op: 'mount.bind', source, destination, options: ['rw'], optional: false, because};
    };
    const ways = (...steps: ReturnType<typeof at>[]): string[] =>
      waysOf({box: '/b', steps: [at('/', '/'), at('/b/tmp', '/tmp'), ...steps]});
    expect(ways(at('/tmp/x/y/work', '/tmp/x/y/work'), at('/tmp/x/y/v', '/tmp/x/y/v'))).to.deep.equal(['/b/tmp/x/y']);
    expect(ways(at('/tmp/proxy', '/tmp/proxy'), at('/c', '/c'), at('/d', '/c/d/e'))).to.deep.equal([]);
    expect(ways(at('/w', '/tmp/w'), at('/v', '/tmp/w/v/u'))).to.deep.equal([]);
    const made = of(at('/b/tmp', '/tmp'), at('/tmp/x/work', '/tmp/x/work'));
    const {argv} = launchOf(made);
    expect(argv.slice(3, 9)).to.deep.equal(['libvirt', String(USER.uid), String(USER.gid), '1', '/b/tmp/x', '/usr/bin/virsh']);
  });

  it('what XML cannot hold, or libvirt does not keep, is an error; what a parser would take for XML is a reference', () => {
    expect(xmlText('a &<>"\'\u0085é😀')).to.equal('a &#38;&#60;&#62;&#34;&#39;&#133;é😀');
    for (const bad of ['\u0000', '\u001b', '\t', '\n', '\r', '\ufffe', '\ud800', '\udc00a'])
      expect(() => xmlText(bad), JSON.stringify(bad)).to.throw(/cannot be told/);
    // of the job's, and no failure of the program: no list of calls, and nothing to report
    expect(() => domain(of(bind('/a\u0001', ['ro'])))).to.throw(TareError, /cannot be told/);
    expect(() => domainOf({id: 'a', init: {argv: ['/i'], descriptors: 2, folder: null}} as never, [])).to.throw(/descriptors/);
  });
});
