import {expect} from 'chai';
import {follow, type LifeContext} from '../../../src/follow/life.js';
import type {Frame} from '../../../src/process/channel.js';
import {plan} from '../plan/build.js';

/** A front that says this, and then is gone; what it was told. */
function front(frames: readonly Frame[]): {channel: LifeContext['channel']; told: string[]} {
  const [left, told] = [[...frames], [] as string[]];
  const channel = {
    isDrained: true,
    next: () => Promise.resolve(left.shift() ?? null),
    send: ({name}: Frame) => void told.push(name),
  };
  return {channel: channel as unknown as LifeContext['channel'], told};
}

const nothing = (): void => undefined;
const groups = {
  kill: nothing,
  populated: () => false,
  waitEmpty: () => Promise.resolve(true),
  verdict: () => null,
  memoryEvents: () => ({version: null, groups: []}),
};

async function lifeOf(frames: readonly Frame[]): Promise<{life: Awaited<ReturnType<typeof follow>>; told: string[]}> {
  const {channel, told} = front(frames);
  const context = {
    ...{channel, groups, plan: plan(), log: {warn: nothing, info: nothing, error: nothing}},
    ...{
      boxDirectory: '/nowhere',
      frontPid: 1,
      cpus: 1,
      memoryBefore: {version: null, groups: []},
      brainsLost: 0,
      gathering: null,
      callers: [],
    },
    ...{stop: null, stopUs: null, onStop: nothing, marks: null, connect: null, holdUp: null, endClients: null, beforeExec: nothing},
    ...{afterExec: nothing, onApplications: nothing, isKilled: () => false, onSeen: nothing},
  };
  return {life: await follow(context as unknown as LifeContext), told};
}

/** No process has such a number (PID_MAX_LIMIT). */
const READY: Frame = {name: 'ready', initPid: 5000000, payloadPid: 5000001};

describe('the life of a box', () => {
  it('of a front that was killed when it had been told to go: the payload may have run, so it counts', async () => {
    const {life, told} = await lifeOf([READY]);
    expect(told).to.include('go');
    expect(life.frontLost).to.equal(true);
    expect(life.executedUs).to.be.a('number');
    expect(life.startEpochUs).to.be.a('number');
  });

  it('of a front that was killed before, or had said why nothing was executed: the payload did not run', async () => {
    const failed: Frame = {name: 'failed', step: 'exec', errno: 2, text: 'no such file'};
    for (const frames of [[], [READY, failed]]) {
      const {life} = await lifeOf(frames);
      expect([life.frontLost, life.executedUs, life.startEpochUs]).to.deep.equal([true, null, null]);
    }
  });
});
