/** Root takes users' records over, and finds what has been forged. */
import {expect} from 'chai';
import {chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {canonicalJson} from '../../../src/plan/canonical.js';
import type {UsageRecord} from '../../../src/record/record.js';
import {recordId} from '../../../src/record/uuid.js';
import {describeSite} from '../../support/describe-site.js';
import {need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {ending, isRoot} from '../../support/tare.js';

interface Summary {
  sealed: number;
  open: number;
  rejected: {path: string; uid: number; reason: string}[];
}

describeSite('sealing', {roles: ['user'], each: true, mayLeave: true, timeout: patience(20_000)}, (site) => {
  beforeEach(function () {
    need(this, isRoot, 'only root seals');
  });
  const policy = (): string =>
    site.policy({
      directories: {
        ...Object.fromEntries(['state', 'spool', 'scratch', 'sealed'].map((name) => [name, join(site.directory, name)])),
      },
    });
  const seal = async (): Promise<Summary> => {
    const {stdout, stderr} = await site.command(['records', 'seal', '--json', '--policy', policy()], {uid: 0, gid: 0});
    expect(stdout, stderr).to.match(/^\{/);
    return JSON.parse(stdout) as Summary;
  };
  const run = async (): Promise<UsageRecord> => {
    const {code} = await site.command(['run', '--policy', policy(), '--', '/bin/true']);
    expect(code).to.equal(0);
    const [record] = site.records() as [UsageRecord];
    return record;
  };
  const path = ({recordId: id}: UsageRecord): string => join(site.directory, 'spool', `${id}.json`);
  const sealedPath = ({recordId: id}: UsageRecord): string => join(site.directory, 'sealed', id.slice(0, 2), `${id}.json`);
  const write = (record: UsageRecord): void => {
    writeFileSync(path(record), `${canonicalJson(record)}\n`);
    site.give(path(record));
  };

  it('moves a record that is over to where only root can write, with its seal', async () => {
    const record = await run();
    expect(await seal()).to.deep.equal({sealed: 1, open: 0, rejected: []});
    expect(site.records()).to.deep.equal([]);
    const kept = JSON.parse(readFileSync(sealedPath(record), 'utf8')) as UsageRecord;
    expect(kept.sealed).to.deep.equal({uid: 65534, node: record.host.node});
    expect({...kept, sealed: null}).to.deep.equal(record);
    expect(await seal()).to.deep.equal({sealed: 0, open: 0, rejected: []});
    // as after a crash between copy and removal
    write(record);
    expect(await seal()).to.deep.equal({sealed: 1, open: 0, rejected: []});
    expect(site.records()).to.deep.equal([]);
  });

  it('leaves records that are not closed', async () => {
    const record = await run();
    write({...record, state: 'started', outcome: {...record.outcome, status: 'running'}});
    expect(await seal()).to.deep.equal({sealed: 0, open: 1, rejected: []});
  });

  const FORGED: [title: string, forge: (record: UsageRecord) => UsageRecord, reason: RegExp][] = [
    ['another user’s', (record) => ({...record, user: {...record.user, uid: 1234}}), /user\/uid: 1234 in a file of uid 65534/],
    ['one of root’s', (record) => ({...record, trust: 'root'}), /says that root wrote/],
    ['one that is sealed', (record) => ({...record, sealed: {uid: 65534, node: 'x'}}), /says that root wrote or sealed/],
    ['an attempt that was renamed', (record) => ({...record, lrms: {...record.lrms, attempt: 7}}), /recordId/],
    [
      'an end in the future',
      ({time, ...record}) => ({...record, time: {...time, startEpochUs: 4e15, endEpochUs: 4e15 + (time.wallUs ?? 0)}}),
      /ended after it was written/,
    ],
    ['an end that is not start and wall', ({time, ...record}) => ({...record, time: {...time, wallUs: 5}}), /start \+ wall/],
  ];
  for (const [title, forge, reason] of FORGED) {
    it(`finds ${title}`, async () => {
      const record = await run();
      write(forge(record));
      const {sealed, rejected} = await seal();
      expect(sealed).to.equal(0);
      expect(rejected.map((one) => one.reason).join()).to.match(reason);
      expect(existsSync(path(record))).to.equal(true);
      expect(existsSync(sealedPath(record))).to.equal(false);
    });
  }

  it('says all that it found, through a pipe that is read later', async () => {
    const record = await run();
    truncateSync(path(record), 3 * 1024 * 1024 * 1024);
    const names = Array.from({length: 3000}, (_, index) => `${String(index).padStart(8, '0')}-ad8d-51cd-b686-d1992a2495c5`);
    for (const name of names) write({...record, recordId: name});
    const argv = ['records', 'seal', '--policy', policy()];
    const read = async (extra: string[]): Promise<{code: number | null; stdout: string; stderr: string}> => {
      const child = site.start([...argv, ...extra], {uid: 0, gid: 0});
      const end = ending(child);
      for (const stream of [child.stdout, child.stderr]) {
        stream?.pause();
        setTimeout(() => stream?.resume(), 1500);
      }
      return end;
    };
    const {code, stdout} = await read(['--json']);
    expect(code).to.equal(1);
    const {rejected} = JSON.parse(stdout) as Summary;
    expect(rejected).to.have.length(names.length + 1);
    const reason = rejected.find((one) => one.path === path(record))?.reason;
    expect(reason).to.equal('3221225472 bytes; a record has at most 1048576');
    expect((await read([])).stderr.trimEnd().split('\n')).to.have.length(names.length + 1);
  });

  it('finds a second record of an attempt that is sealed', async () => {
    const record = await run();
    await seal();
    write({...record, usage: {...record.usage, oomKills: 99}});
    expect((await seal()).rejected.map(({reason}) => reason).join()).to.match(/another record is sealed under this id/);
  });

  it('obeys no link, no pipe and no directory of another’s', async () => {
    const record = await run();
    const secret = join(site.directory, 'secret.json');
    writeFileSync(secret, `${canonicalJson(record)}\n`, {mode: 0o600});
    rmSync(path(record));
    symlinkSync(secret, path(record));
    expect(await seal()).to.deep.equal({sealed: 0, open: 0, rejected: []});
    rmSync(path(record));
    // a spool of the user's that leads to root's files
    const spool = join(site.directory, 'spool');
    rmSync(spool, {recursive: true});
    mkdirSync(join(site.directory, 'roots'));
    const id = recordId({site: null, globalJobId: 'x', attempt: 1, application: 0});
    writeFileSync(join(site.directory, 'roots', `${id}.json`), '{}');
    symlinkSync(join(site.directory, 'roots'), spool);
    expect(await seal()).to.deep.equal({sealed: 0, open: 0, rejected: []});
    expect(readdirSync(join(site.directory, 'roots'))).to.deep.equal([`${id}.json`]);
  });

  it('is refused to others, and where others can write', async () => {
    const {code, stderr} = await site.command(['records', 'seal', '--policy', policy()]);
    expect([code, stderr]).to.deep.equal([125, 'tare: only root seals records; found: uid 65534\n']);
    mkdirSync(join(site.directory, 'sealed'));
    chownSync(join(site.directory, 'sealed'), 65534, 65534);
    const theirs = await site.command(['records', 'seal', '--policy', policy()], {uid: 0, gid: 0});
    expect(theirs.code).to.equal(125);
    expect(theirs.stderr).to.include('a directory that only root can write to');
  });

  it('what a user’s file says of its own trust does not reach an exporter that asks for sealed records', async () => {
    const record = await run();
    write({...record, trust: 'root', sealed: {uid: 65534, node: 'x'}});
    const out = join(site.directory, 'out');
    const file = site.policy({
      directories: {
        ...Object.fromEntries(['state', 'spool', 'scratch', 'sealed', 'exporters'].map((name) => [name, join(site.directory, name)])),
      },
      exporters: {jsonl: {directory: out, sealedOnly: true}},
    });
    const {stdout, stderr} = await site.command(['records', 'export', '--json', '--policy', file], {uid: 0, gid: 0});
    expect(stdout, stderr).to.include('"delivered":0').and.include('"passed":1');
  });
});
