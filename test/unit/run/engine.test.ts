import {expect} from 'chai';
import type {Engine} from '@tare/contract';
import {ENGINES} from '../../../src/plugins.js';
import {EngineUnwritten, writeEngine} from '../../../src/run/engine.js';
import {facts, plan, USER} from '../plan/build.js';

const write = (engines: readonly Engine[]): Promise<unknown> =>
  writeEngine(plan(), {facts: facts(), caller: USER}, engines, {id: 'ab', boxDirectory: '/nonexistent', joins: []}).catch(
    (error: unknown) => error,
  );

describe('an engine that cannot be told a plan', () => {
  const fails = (): never => {
    throw new Error('a test');
  };
  for (const [title, engines, says] of [
    ['is not there', [], 'does not have the engine'],
    ['translates no step', ENGINES.map((one) => ({...one, steps: {}}) as unknown as Engine), 'cannot do the step'],
    ['does not translate', ENGINES.map((one) => ({...one, translate: fails})), 'a test'],
  ] as const)
    it(`${title}: it is left out, as one that does not start`, async () => {
      const error = await write(engines);
      expect(error).to.be.instanceOf(EngineUnwritten);
      expect((error as EngineUnwritten).code).to.equal('ENGINE_FAILED');
      expect((error as EngineUnwritten).message).to.include(says);
    });

  it('one that can is told', async () => {
    expect(await write(ENGINES))
      .to.be.an('array')
      .and.include('/usr/bin/bwrap');
  });
});
