import {expect} from 'chai';
import type {Engine, EngineFacts} from '@tare/contract';
import type {Facts} from '../../../src/host/facts.js';
import {chooseEngine, planRefusal, type EngineInputs} from '../../../src/plan/engine.js';
import {unknownEngines, unknownText} from '../../../src/plan/engine-names.js';
import {stepOf} from '../../../src/plan/step.js';
import {ENGINES} from '../../../src/plugins.js';
import {BUBBLEWRAP, call, CRUN, facts, LXC, no, notListed, plan, policy, RUNC, thrown, type Parts} from '../plan/build.js';

const BOX = {pattern: 'ulimit++', network: 'host', userProgram: false} as const;
const MACHINE = {...BOX, pattern: 'vm-lite'} as const;
const ALL = [BUBBLEWRAP, CRUN, RUNC];
const KNOWN = ENGINES.map(({name}) => name).join(', ');

/** Name and reason; or why there is none. */
function chosen(
  needs: Parameters<typeof chooseEngine>[1],
  change: Partial<EngineInputs> & {found?: EngineFacts[]; listed?: string[]} = {},
): string {
  const {found = ALL, listed, ...more} = change;
  const inputs = {
    facts: facts({engines: found}),
    policy: policy(listed === undefined ? {} : {engines: listed}),
    engines: ENGINES,
    only: null,
    ...more,
  };
  const choice = chooseEngine(inputs, needs);
  return typeof choice === 'string' ? choice : `${choice.engine.name}: ${choice.because}`;
}

describe('the engine of a box', () => {
  it('is the first that can run the pattern, and says why none before it', () => {
    expect(chosen(BOX)).to.equal('bubblewrap: a test');
    expect(chosen(MACHINE)).to.match(/^crun: a test; bubblewrap gives init no capabilities/);
    expect(chosen(MACHINE, {found: [BUBBLEWRAP, {...CRUN, path: null, how: 'not here'}, RUNC]})).to.match(
      /^runc: a test; bubblewrap [^;]*; crun cannot be used \(not here\)$/,
    );
  });

  it('follows the order of the policy, and takes none that it does not list', () => {
    expect(chosen(BOX, {listed: ['crun', 'bubblewrap']})).to.equal('crun: a test');
    expect(chosen(MACHINE, {listed: ['runc', 'crun']})).to.equal('runc: a test');
    expect(chosen(MACHINE, {listed: ['bubblewrap']})).to.match(/^bubblewrap gives init no capabilities/);
    expect(chosen(BOX, {listed: ['later', 'bubblewrap']})).to.equal('bubblewrap: a test; later is no engine of this version of Tare');
  });

  it('is for boxes without a policy’s list what it was before there were several', () => {
    const without = {found: [{...BUBBLEWRAP, path: null, how: 'not here'}, CRUN, RUNC]};
    expect(chosen(BOX, without)).to.equal(`bubblewrap cannot be used (not here); ${notListed('ulimit++')}`);
    expect(chosen(BOX, {...without, listed: ['bubblewrap', 'crun']})).to.match(/^crun: /);
    expect(chosen(BOX, {...without, only: 'crun'})).to.match(/^crun: /);
    expect(chosen(BOX, {found: [...without.found, LXC], listed: ['bubblewrap', 'lxc']})).to.match(/^lxc: /);
  });

  it('is the one that the caller wants, of those that the policy lists', () => {
    expect(chosen(BOX, {only: 'crun'})).to.equal('crun: a test');
    expect(chosen(MACHINE, {only: 'bubblewrap'})).to.match(/^bubblewrap gives init no capabilities/);
    const error = thrown(() => chosen(BOX, {only: 'runc', listed: ['bubblewrap', 'crun']}));
    expect([error.code, error.exit, error.details.found, error.details.allowed]).to.deep.equal([
      'ENGINE_FORBIDDEN',
      126,
      '"runc"',
      'bubblewrap, crun',
    ]);
    expect(thrown(() => chosen(BOX, {only: 'nonsense'})).code).to.equal('ENGINE_FORBIDDEN');
  });

  it('what the kernel lacks is told once: it lacks that for all of them; but not for a setuid one', () => {
    const namespaces = {...facts().namespaces, user: no};
    expect(chosen(BOX, {facts: facts({engines: ALL, namespaces}), listed: ['bubblewrap', 'crun']})).to.equal(
      'no user namespace (a test says no)',
    );
    const setuid = facts({engines: [CRUN, {...BUBBLEWRAP, setuid: true}], namespaces});
    expect(chosen(BOX, {facts: setuid, listed: ['crun', 'bubblewrap']})).to.equal(
      'bubblewrap: a test; crun cannot: no user namespace (a test says no)',
    );
  });

  it('a profile of AppArmor that lets some engines make user namespaces lets no other', () => {
    const node = (only: string[]): Facts =>
      facts({
        engines: ALL,
        namespaces: {...facts().namespaces, user: {available: true, how: 'AppArmor profiles', remedy: null, only}},
      });
    expect(chosen(BOX, {facts: node(['bubblewrap']), listed: ['crun', 'bubblewrap']})).to.equal(
      'bubblewrap: a test; crun cannot: no user namespace (AppArmor profiles)',
    );
    expect(chosen(BOX, {facts: node(['bubblewrap']), listed: ['crun']})).to.equal('crun cannot: no user namespace (AppArmor profiles)');
    expect(chosen(BOX, {facts: node(['bubblewrap', 'crun', 'tare']), listed: ['crun', 'bubblewrap']})).to.equal('crun: a test');
    expect(chosen(BOX, {facts: node(['bubblewrap', 'crun', 'tare']), listed: ['bubblewrap', 'crun']})).to.equal('bubblewrap: a test');
  });

  it('where Tare itself may make no user namespace, one whose boxes Tare prepares cannot be used by a user, and can by root', () => {
    const user = {available: true, how: 'AppArmor profiles', remedy: null, only: ['bubblewrap', 'crun']};
    const node = facts({engines: ALL, namespaces: {...facts().namespaces, user}});
    for (const [needs, listed] of [
      [BOX, ['crun']],
      [MACHINE, ['crun']],
    ] as const)
      expect(chosen(needs, {facts: node, listed: [...listed]})).to.match(/^crun cannot: no user namespace for Tare itself, .*"userns,"/);
    expect(chosen(BOX, {facts: node, listed: ['crun', 'bubblewrap']})).to.match(
      /^bubblewrap: a test; crun cannot: no user namespace for Tare/,
    );
    const scratch = {...node.scratch, containers: {...node.scratch.containers, user: false}};
    expect(chosen(BOX, {facts: {...node, scratch}, listed: ['crun']})).to.equal('crun: a test');
  });

  it('a version that is too old, and groups that it cannot be told of, are its own obstacles', () => {
    expect(chosen(MACHINE, {found: [{...CRUN, version: '0.13'}], listed: ['crun']})).to.equal('crun 0.13 is too old, 0.14 is the least');
    expect(chosen(BOX, {found: [{...BUBBLEWRAP, version: '0.3.0'}], listed: ['bubblewrap']})).to.equal(
      'bubblewrap 0.3.0 is too old, 0.3.1 is the least',
    );
    const lxc = (version: string, kernel: [number, number] = [6, 1], userProgram = false): string =>
      chosen(
        {...BOX, userProgram},
        {
          facts: facts({engines: [{...LXC, version}], kernel: {release: '', version: kernel, how: ''}}),
          listed: ['lxc'],
        },
      );
    expect(lxc('5.0.3')).to.equal('lxc 5.0.3 is too old, 6.0 is the least');
    expect(lxc('6.0', [5, 11])).to.equal('lxc needs Linux 5.12 for a box');
    expect(lxc('6.0.4', [5, 12], true)).to.equal('lxc makes a network that no program of the user’s can enter');
    expect(lxc('7.0.0', [5, 12])).to.equal('lxc: a test');
  });
});

describe('the engine of a plan', () => {
  const made = (parts: Parts): ReturnType<typeof plan> => plan({facts: {engines: ALL, ...parts.facts}, ...parts});

  it('is named by the caller: then a box is needed, whatever the policy says of jobs without', () => {
    expect(made({call: call({engine: 'crun'})}).engine.name).to.equal('crun');
    const error = thrown(() => plan({facts: {engines: [{...CRUN, path: null}]}, call: call({engine: 'crun'})}));
    expect([error.code, error.details.where]).to.deep.equal(['BOX_UNAVAILABLE', '--engine crun, which only a box can keep']);
  });

  it('is refused in a box of Tare, where none is built; and where the policy only observes it is not used, and the record says so', () => {
    const within = {recordId: null, how: 'a test'};
    const error = thrown(() => made({facts: {within}, call: call({engine: 'crun'})}));
    expect([error.code, error.details.where, error.details.remedy]).to.deep.equal([
      'BOX_UNAVAILABLE',
      '--engine crun, which only a box can keep',
      'leave --engine out: the box around it isolates',
    ]);
    expect(made({facts: {within}}).mode.value).to.equal('limits-only');
    const observed = made({policy: {mode: 'observe', engines: ['bubblewrap']}, call: call({engine: 'crun'})});
    expect([observed.mode.value, observed.flags.includes('engine-unused')]).to.deep.equal(['observe', true]);
    expect(observed.mode.because).to.match(/; --engine crun builds nothing here$/);
    expect(observed.observed?.refused?.code).to.equal('ENGINE_FORBIDDEN');
    expect(made({policy: {mode: 'observe'}}).flags).not.to.include('engine-unused');
  });

  it('has a name that there is: a list without one is an error, and one name of several a warning', () => {
    const error = thrown(() => made({policy: {engines: ['bubblewarp']}}));
    expect([error.code, error.exit, error.details.found, error.details.allowed]).to.deep.equal([
      'ENGINE_UNKNOWN',
      125,
      '"bubblewarp"',
      KNOWN,
    ]);
    const rules = [{name: 'theirs', match: {vo: ['a']}, engines: ['krun']}];
    expect(thrown(() => made({policy: {rules}, job: {vo: 'a'}})).code).to.equal('ENGINE_UNKNOWN');
    expect(made({policy: {rules}, job: {vo: 'b'}}).engine.name).to.equal('bubblewrap');
    expect(made({policy: {engines: ['crun', 'bubblewarp']}}).engine.name).to.equal('crun');
    expect(made({policy: {mode: 'observe', engines: ['bubblewarp']}}).observed?.refused?.code).to.equal('ENGINE_UNKNOWN');
    expect(unknownEngines(policy({engines: ['crun', 'bubblewarp'], rules}), ENGINES).map(unknownText)).to.deep.equal([
      `policy.yaml#/engines: this version of Tare has no engine "bubblewarp"; it has ${KNOWN}`,
      `policy.yaml#/rules/0/engines: this version of Tare has no engine "krun"; it has ${KNOWN}`,
    ]);
    expect(unknownEngines(policy(), ENGINES)).to.deep.equal([]);
    const many = thrown(() => made({policy: {engines: ['x'.repeat(3000), ...Array.from({length: 300}, (_, i) => `e${String(i)}`)]}}));
    expect(many.details.found)
      .to.match(/^"x{58}…, "e0", .*, 293 more$/)
      .and.to.have.length.below(150);
  });

  it('can be a rule’s', () => {
    const rules = [{name: 'theirs', match: {vo: ['a']}, engines: ['crun']}];
    expect(made({policy: {rules}, job: {vo: 'a'}}).engine.name).to.equal('crun');
    expect(made({policy: {rules}, job: {vo: 'b'}}).engine.name).to.equal('bubblewrap');
  });

  it('is the next one where a step is one that it cannot do', () => {
    const lame: Engine = {...ENGINES[0]!, name: 'lame', steps: {...ENGINES[0]!.steps, 'mount.proc': 'mounts no /proc'}};
    const engines = [lame, ...ENGINES];
    const found = [{...BUBBLEWRAP, name: 'lame'}, BUBBLEWRAP];
    const listed = {engines: ['lame', 'bubblewrap']};
    expect(planRefusal(lame, plan())).to.equal('mounts no /proc (mount.proc)');
    const {engine, mode} = plan({facts: {engines: found}, policy: listed, engines});
    expect(engine.name).to.equal('bubblewrap');
    expect(engine.because).to.equal('a test; lame mounts no /proc (mount.proc)');
    expect(mode.because).to.match(/^bubblewrap and the namespaces/);
    const without = plan({facts: {engines: found}, policy: {engines: ['lame']}, engines});
    expect([without.mode.value, without.engine.name]).to.deep.equal(['limits-only', 'none']);
    expect(without.mode.because).to.equal('lame mounts no /proc (mount.proc); the policy lets the payload run unboxed (builtin)');
    expect(stepOf(without, 'namespace.unshare')).to.equal(undefined);
  });
});
