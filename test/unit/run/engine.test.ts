import {mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Engine} from '@tare/contract';
import {ENGINES} from '../../../src/plugins.js';
import {EngineUnwritten, writeEngine} from '../../../src/run/engine.js';
import {facts, LXC, plan, USER} from '../plan/build.js';

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

describe('what an engine has of a box', () => {
  const box = mkdtempSync(join(tmpdir(), 'tare-'));
  after(() => {
    rmSync(box, {recursive: true});
  });

  it('are its files and links; it is told which of what is bound is there, and is a file', async () => {
    for (const folder of ['container', 'runtime', 'devices', 'folder']) mkdirSync(join(box, folder));
    writeFileSync(join(box, 'a file'), '');
    const made = plan({policy: {engines: ['lxc']}, facts: {engines: [LXC]}});
    for (const name of ['folder', 'a file', 'nothing'])
      made.steps.push({
        ...{op: 'mount.bind', source: `{box}/${name}`, destination: `/tmp/${name}`, options: ['ro'], optional: true, because: 'a test'},
      });
    await writeEngine(made, {facts: facts({engines: [LXC]}), caller: USER}, ENGINES, {id: 'ab', boxDirectory: box, joins: []});
    const config = readFileSync(join(box, 'container/config'), 'utf8');
    expect(config).to.include(`${box}/folder tmp/folder none rbind,ro,nosuid,nodev,create=dir 0 0\n`);
    expect(config).to.include(`${box}/a\\040file tmp/a\\040file none rbind,ro,nosuid,nodev,create=file 0 0\n`);
    expect(config).not.to.include('tmp/nothing');
    expect(readlinkSync(join(box, 'devices/ptmx'))).to.equal('pts/ptmx');
  });
});
