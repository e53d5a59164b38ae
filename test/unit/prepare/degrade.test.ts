import {expect} from 'chai';
import type {EngineFacts} from '@tare/contract';
import type {ViewFacts} from '../../../src/host/facts.js';
import {ENGINES} from '../../../src/plugins.js';
import {canDegrade, degrade} from '../../../src/prepare/degrade.js';
import {prepareFrom, type Prepared} from '../../../src/prepare/planned.js';
import {BUBBLEWRAP, call, CRUN, facts, job, no, policy, RUNC, thrown, USER, yes, type Parts} from '../plan/build.js';

const VIEWS: ViewFacts = {user: true, overlay: yes, options: [], fuse: no, mounts: [], writable: []};
const RANGE = {start: 100_000, count: 65_536};

function prepared({job: document, policy: rules, facts: node, call: called}: Parts): Prepared {
  return prepareFrom({job: job(document), policy: policy(rules), facts: facts(node), call: call(called), engines: ENGINES}, null);
}
const box = (engines: EngineFacts[], listed?: string[], called: Parts['call'] = {}): Prepared =>
  prepared({facts: {engines}, policy: listed === undefined ? {} : {engines: listed}, call: called});
const machine = (engines: EngineFacts[]): Prepared =>
  prepared({
    job: {image: '/i', services: [{name: 'web', command: ['nginx']}]},
    policy: {images: ['/i']},
    facts: {
      engines,
      views: VIEWS,
      system: {subordinate: {uids: RANGE, gids: RANGE, how: 'a test', remedy: null}, init: null},
    },
  });

describe('once more without an engine that failed', () => {
  it('by the next one that the policy lists, and the plan says what became of the first', () => {
    const first = box([BUBBLEWRAP, CRUN], ['bubblewrap', 'crun']);
    expect([first.plan.engine.name, canDegrade(first, 'box')]).to.deep.equal(['bubblewrap', true]);
    const {plan} = degrade(first, 'box', 'the engine failed: a test');
    expect([plan.mode.value, plan.engine.name, plan.flags]).to.deep.equal(['box', 'crun', []]);
    expect(plan.engine.because).to.equal('a test; bubblewrap cannot be used (the engine failed: a test)');
  });

  it('else without a box, unless the caller wants that engine', () => {
    const first = box([BUBBLEWRAP, CRUN]);
    const {plan} = degrade(first, 'box', 'the engine failed: a test');
    expect([plan.mode.value, plan.flags.includes('unboxed')]).to.deep.equal(['limits-only', true]);
    const wanted = box([BUBBLEWRAP, CRUN], undefined, {
      engine: 'crun',
      identity: {value: USER, provenance: {source: 'caller', at: 'a test'}},
    });
    expect(thrown(() => degrade(wanted, 'box', 'the engine failed: a test')).code).to.equal('BOX_UNAVAILABLE');
  });

  it('a small machine is one by another engine, or none', () => {
    const first = machine([CRUN, RUNC]);
    expect([first.plan.engine.name, canDegrade(first, 'box')]).to.deep.equal(['crun', true]);
    expect(degrade(first, 'box', 'the engine failed: a test').plan.engine.name).to.equal('runc');
    expect(canDegrade(machine([BUBBLEWRAP, CRUN]), 'box')).to.equal(false);
  });
});
