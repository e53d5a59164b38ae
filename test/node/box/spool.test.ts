/** Spools that are full or read-only: the record goes to the next place, and no job is lost for it. waiting.test.ts: no place takes it. */
import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {isRoot, until} from '../../support/tare.js';

describeSite('a spool that takes nothing, %s', {each: true, mayLeave: true, timeout: patience(20_000)}, (site) => {
  let full: string;
  let other: string;
  beforeEach(function () {
    need(this, isRoot, 'only root can mount a small file system');
    full = join(site.directory, 'full');
    other = join(site.directory, 'other');
    for (const place of [full, other]) mkdirSync(place);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tare-test', full]);
    site.give(full, other);
  });
  afterEach(() => {
    execFileSync('umount', [full]);
  });
  const fill = (): void => {
    try {
      writeFileSync(join(full, 'filler'), Buffer.alloc(1024 * 1024));
    } catch {
      // that was the aim
    }
  };
  const policy = (spool: string[], extra: object = {}): string =>
    site.policy({
      directories: {state: join(site.directory, 'state'), scratch: join(site.directory, 'scratch'), spool},
      ...extra,
    });
  const recordsIn = (place: string): UsageRecord[] =>
    readdirSync(place)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(place, name), 'utf8')) as UsageRecord);

  it('full: the next place has the record', async () => {
    fill();
    const {code, stdout} = await site.command(['run', '--policy', policy([full, other]), '--', '/bin/echo', 'ran']);
    expect([code, stdout]).to.deep.equal([0, 'ran\n']);
    expect(recordsIn(other).map(({state}) => state)).to.deep.equal(['final']);
    expect(readdirSync(full)).to.deep.equal(['filler']);
  });

  it('read-only, not there and not to be made: the next place has it', async () => {
    execFileSync('mount', ['-o', 'remount,ro', full]);
    const places = [full, join(full, 'below'), '/proc/nowhere', other];
    const {code, stdout} = await site.command(['run', '--policy', policy(places), '--', '/bin/echo', 'ran']);
    expect([code, stdout]).to.deep.equal([0, 'ran\n']);
    expect(recordsIn(other).map(({state}) => state)).to.deep.equal(['final']);
  });

  it('full meanwhile: the final record is elsewhere, and no other is left', async () => {
    const child = site.command([
      'run',
      '--policy',
      policy([full, other]),
      '--',
      '/bin/sh',
      '-c',
      'while ! test -e go; do sleep 0.05; done',
    ]);
    await until('the started record', () => recordsIn(full).some(({state}) => state === 'started'));
    fill();
    writeFileSync(join(site.work, 'go'), '');
    expect((await child).code).to.equal(0);
    expect(recordsIn(other).map(({state}) => state)).to.deep.equal(['final']);
    expect(recordsIn(full)).to.deep.equal([]);
    rmSync(join(site.work, 'go'));
  });

  it('all full: the log has the record too, and the job ends as it ended', async () => {
    fill();
    const log = join(other, 'log');
    const directories = {state: join(site.directory, 'state'), scratch: join(site.directory, 'scratch'), spool: [full], log};
    const file = site.policy({directories, log: {format: 'json'}});
    const {code, stdout} = await site.command(['run', '--policy', file, '--', '/bin/sh', '-c', 'echo ran; exit 7']);
    expect([code, stdout]).to.deep.equal([7, 'ran\n']);
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    const kept = lines.map((line) => JSON.parse(line) as {record?: UsageRecord}).flatMap(({record}) => record ?? []);
    expect(kept.map(({state, outcome}) => [state, outcome.exitCode])).to.deep.equal([['final', 7]]);
    expect(readdirSync(join(site.directory, 'state/boxes'))).to.have.length(1);
  });
});
