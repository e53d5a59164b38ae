/** A box by Docker: options of its client. */

import {expect} from 'chai';
import {mountOption} from '../../../plugins/docker/quote.js';
import {optionOf, visible, waysTo, type Part} from '../../../plugins/docker/steps.js';
import {engine} from '../../../plugins/docker/engine.js';
import {podman} from '../../../plugins/oci/podman.js';
import {planRefusal} from '../../../src/plan/engine.js';
import type {EngineStep, EngineTask} from '@tare/contract';
import type {Plan} from '../../../src/schema/generated/plan-1.js';
import {undoOf} from '../../../src/steps/undo.js';
import {HOST, launchOf} from '../../support/engines.js';
import {asUser, call, CONTAINERS, DOCKER, facts, plan, ROOT, USER, WORK, type Parts} from '../plan/build.js';

const ROOTS = {caller: ROOT, scratch: {...facts().scratch, containers: {...CONTAINERS, user: false}}};
const boxed = (parts: Parts = {}): Plan =>
  plan({
    policy: {engines: ['docker']},
    ...parts,
    call: {...asUser({...USER, groups: [100, 27]}), ...parts.call},
    facts: {engines: [DOCKER], ...ROOTS, ...parts.facts},
  });
const argv = (made: Plan): readonly string[] => launchOf(made).argv;
/** Values of an option. */
const all = (made: Plan, option: string): string[] =>
  argv(made).flatMap((word, index, words) => (words[index - 1] === option ? [word] : []));
const at = (made: Plan, place: string): string[] => [
  ...all(made, '--mount').filter((option) => option.split(',').includes(`target=${place}`)),
  ...all(made, '--tmpfs').filter((option) => option.startsWith(`${place}:`)),
];

const because = 'a test';
const bind = (source: string, destination: string): EngineStep => ({
  op: 'mount.bind',
  source,
  destination,
  options: ['rw'],
  optional: false,
  because,
});
const partsOf = (...steps: EngineStep[]): Part[] =>
  steps.flatMap((step) => {
    const row = engine.steps[step.op] as (step: EngineStep, task: EngineTask) => readonly Part[];
    return row(step, {node: HOST, exists: () => false} as unknown as EngineTask);
  });
const options = (...steps: EngineStep[]): string[] => visible(partsOf(...steps)).map((mount) => optionOf(mount).join(' '));

describe('a box by Docker', () => {
  it('has the directories at the top of the node, read-only, and links into /usr as directories; those that are followed are slaves', () => {
    const made = boxed();
    expect(at(made, '/usr')).to.deep.equal(['type=bind,source=/usr,target=/usr,readonly']);
    expect(at(made, '/bin')).to.deep.equal(['type=bind,source=/bin,target=/bin,readonly']);
    expect(at(made, '/home')).to.deep.equal(['type=bind,source=/home,target=/home,readonly,bind-propagation=rslave']);
    for (const place of ['/proc', '/dev', '/vmlinuz', '/']) expect(at(made, place), place).to.deep.equal([]);
    expect(at(made, '/sys')).to.have.length(1);
  });

  it('what a later mount covers is not mounted: Docker makes mounts in the order of their depth', () => {
    const made = boxed({call: call({run: ['/run/nscd']})});
    expect(at(made, '/run')).to.deep.equal(['/run:ro,exec,mode=0755']);
    expect(at(made, '/run/nscd')).to.deep.equal(['type=bind,source=/run/nscd,target=/run/nscd,readonly']);
    expect(at(made, '/tmp')).to.deep.equal(['type=bind,source=/b/tmp,target=/tmp']);
    expect(options(bind('/a', '/x/y'), bind('/b', '/x'), bind('/c', '/x/z'))).to.deep.equal([
      '--mount type=bind,source=/b,target=/x',
      '--mount type=bind,source=/c,target=/x/z',
    ]);
  });

  it('has the work directory, a shared memory of its own, and devices of the policy', () => {
    const made = boxed();
    expect(at(made, WORK)).to.deep.equal([`type=bind,source=${WORK},target=${WORK}`]);
    expect(at(made, '/dev/shm')[0]).to.match(/^\/dev\/shm:rw,exec,mode=1777/);
    expect(all(made, '--device')).to.include('/dev/fuse:/dev/fuse:rwm');
  });

  it('has the node’s names, where it has no others, and its host name', () => {
    expect(at(boxed(), '/etc/hosts')).to.deep.equal(['type=bind,source=/etc/hosts,target=/etc/hosts,readonly']);
    expect(at(boxed(), '/etc/hostname')).to.deep.equal([]);
    expect(argv(boxed())).to.include('--hostname=node1');
  });

  it('init has the account with its groups, and nothing else', () => {
    const made = boxed();
    expect(all(made, '--user')).to.deep.equal([`${String(USER.uid)}:${String(USER.gid)}`]);
    expect(all(made, '--group-add')).to.deep.equal(['100', '27']);
    expect(all(made, '--cap-drop')).to.deep.equal(['ALL']);
    expect(all(made, '--security-opt')).to.include.members(['no-new-privileges', 'seccomp=unconfined']);
    expect(all(made, '--userns')).to.deep.equal(['host']);
    expect(all(made, '--network')).to.deep.equal(['host']);
    expect(all(boxed({job: {network: 'none'}}), '--network')).to.deep.equal(['none']);
    expect(all(made, '--entrypoint')).to.deep.equal(['/dev/.tare/init']);
    expect(argv(made).slice(-4)).to.deep.equal(['tare-empty:1', 'tare-connect', '/dev/.tare/socket', '3']);
    expect(argv(made).slice(3, 9)).to.deep.equal(['docker', String(USER.uid), String(USER.gid), '0', '/usr/bin/docker', 'run']);
  });

  const because1 = {because};
  const rows: [what: string, steps: EngineStep[], option: string][] = [
    [
      'a repository',
      [{op: 'cvmfs.bind', source: '/home/a', destination: '/cvmfs', ...because1} as EngineStep],
      '--mount type=bind,source=/home/a,target=/cvmfs,readonly',
    ],
    ['a tmpfs', [{op: 'mount.tmpfs', destination: '/t', mode: '0700', sizeBytes: 4096, because}], '--tmpfs /t:rw,exec,mode=0700,size=4096'],
    [
      'one that is read-only at last',
      [
        {op: 'mount.tmpfs', destination: '/t', mode: '0755', sizeBytes: null, because},
        {op: 'mount.readonly', destination: '/t', because},
      ],
      '--tmpfs /t:ro,exec,mode=0755',
    ],
    ['commas and quotes', [bind('/a,readonly', '/b"c')], '--mount type=bind,"source=/a,readonly","target=/b""c"'],
    ['the end of a line', [bind('/a\nb', '/c')], '--mount type=bind,"source=/a\nb",target=/c'],
  ];
  for (const [what, steps, option] of rows)
    it(`mounts ${what}`, () => {
      expect(options(...steps)).to.deep.equal([option]);
    });

  const refusals: [what: string, make: () => unknown, because: RegExp][] = [
    ['a carriage return, which Go changes', () => mountOption({source: '/a\r\nb'}), /carriage return/],
    [
      'a tmpfs at a path with a colon',
      () => options({op: 'mount.tmpfs', destination: '/a:exec', mode: '0700', sizeBytes: null, because}),
      /has a colon/,
    ],
    [
      'a device at a path with a colon',
      () => partsOf({op: 'mount.bind', source: '/dev/a:b', destination: '/dev/a:b', options: ['dev'], optional: false, because}),
      /has a colon/,
    ],
    ['another root', () => options(bind('/image', '/')), /mounts nothing at \//],
    ['what is no mount read-only', () => options({op: 'mount.readonly', destination: '/x', because}), /is no mount/],
    [
      'a payload that is root',
      () => launchOf(boxed({call: asUser(ROOT), policy: {engines: ['docker'], identity: {allowRoot: true}}}), {caller: {uid: 0, gid: 0}}),
      /no payload as root/,
    ],
  ];
  for (const [what, make, why] of refusals)
    it(`refuses ${what}`, () => {
      expect(make).to.throw(why);
    });

  it('its container is removed with the box, since Docker keeps one that never started; Podman keeps all that it has in the box’s folder', () => {
    const removals = (made: Plan): object[] => undoOf(made, 'ab', '/b').filter(({op}) => op === 'container.remove');
    expect(removals(boxed())).to.deep.equal([{op: 'container.remove', client: '/usr/bin/docker', name: 'tare-ab'}]);
    expect(removals(plan())).to.deep.equal([]);
  });

  it('what its client leaves behind is waited for before the box’s folder is removed', () => {
    const waited = (made: Plan): object[] => undoOf(made, 'ab', '/s/tare-ab').filter(({op}) => op === 'client.wait');
    expect(waited(boxed())).to.deep.equal([{op: 'client.wait', path: '/s/tare-ab'}]);
    expect(waited(plan())).to.deep.equal([]);
  });

  it('has nothing of what is mounted for a box before the engine starts', () => {
    const steps: EngineStep[] = [{op: 'mount.move', source: '/', at: '/b/node', because}];
    const {limits} = boxed();
    expect(planRefusal(engine, {limits, steps})).to.match(/sees nothing of what is mounted for a box/);
    const view = {op: 'view.unshare', user: false, root: null, because} as const;
    expect(planRefusal(engine, {limits, steps: [view]})).to.match(/^has a daemon, which does not see what is mounted for the box: a test/);
    expect(planRefusal(podman, {limits, steps: [view, ...steps]})).to.equal(null);
  });

  it('ways to what is mounted below the private /tmp are made as the account that removes them', () => {
    const made = (steps: EngineStep[]): string[] => waysTo(visible(partsOf(...steps)), '/b');
    const tmp = bind('/b/tmp', '/tmp');
    expect(made([tmp, bind('/tmp/x/y/work', '/tmp/x/y/work'), bind('/tmp/x/y/state', '/tmp/x/y/state')])).to.deep.equal(['/b/tmp/x/y']);
    expect(made([tmp, bind('/tmp/proxy', '/tmp/proxy'), bind('/c', '/c'), bind('/d', '/c/d/e')])).to.deep.equal([]);
    expect(made([tmp, bind('/w', '/tmp/w'), bind('/v', '/tmp/w/v/u')])).to.deep.equal([]);
  });

  it('what is there only perhaps is asked for', () => {
    expect(partsOf({op: 'mount.bind', source: '/n', destination: '/n', options: ['ro'], optional: true, because})).to.deep.equal([]);
  });

  for (const [what, parts, why] of [
    ['another account than root', {facts: {caller: USER}, call: call()}, /docker is used by root only/],
    ['an older Docker', {facts: {engines: [{...DOCKER, version: '24.0.7'}]}}, /docker 24\.0\.7 is too old, 25\.0 is the least/],
  ] as [string, Parts, RegExp][])
    it(`is not built: ${what}`, () => {
      let said = '';
      try {
        said = boxed(parts).mode.because;
      } catch (error) {
        said = String(error);
      }
      expect(said).to.match(why);
    });
});
