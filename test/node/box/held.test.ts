/** What no size of a process shows, and no walk finds: it is weighed where the kernel weighs nothing, once, and the reason names it. */
import {spawn} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {hasGroups} from '../../support/groups.js';
import {LONG, need} from '../../support/need.js';
import {patience} from '../../support/pace.js';
import {bin, ending, isRoot, payload, ROLES, Site, type Role} from '../../support/tare.js';
import type {UsageRecord} from '../../../src/record/record.js';

const MIB = 2 ** 20;
const LIMIT = ['--memory', '48MiB', '--wall-time', '120s'];
/** More than the limit, held until the box is killed, or for so long that looks come, s. */
const OVER = '96';
const HELD = String(patience(40));

interface Seen {
  record: UsageRecord;
  stdout: string;
  stderr: string;
}

/** Root finds no groups; a user has none. */
async function run(site: Site, name: string, ...argv: string[]): Promise<Seen> {
  const copy = join(site.directory, 'spool', `${name}.json`);
  const words = [bin('tare'), 'run', '--policy', site.policy({seccomp: 'pilot'}), '--record', copy, ...argv];
  const hide = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"';
  const command = site.role === 'root' ? ['unshare', '--mount', 'sh', '-c', hide, 'sh', ...words] : words;
  const {stdout, stderr} = await ending(
    spawn(command[0] ?? '', command.slice(1), {cwd: site.work, stdio: ['ignore', 'pipe', 'pipe'], ...site.credentials}),
  );
  if (!existsSync(copy)) throw new Error(`no record of ${name}\n${stdout}\n${stderr}`);
  return {record: JSON.parse(readFileSync(copy, 'utf8')) as UsageRecord, stdout, stderr};
}

/** All at once, so that they take little longer than one; each is judged by itself. */
function together<Name extends string>(role: Role, jobs: Readonly<Record<Name, readonly string[]>>): (name: Name) => Promise<Seen> {
  const ended = new Map<string, Promise<Seen>>();
  const site = new Site(role);
  before(function () {
    need(this, role === 'user' || isRoot, 'only root can hide the groups');
    for (const [name, argv] of Object.entries<readonly string[]>(jobs)) {
      const end = run(site, name, ...argv);
      end.catch(() => undefined); // whoever waits for it sees it
      ended.set(name, end);
    }
  });
  after(async () => {
    await Promise.allSettled(ended.values());
    expect(site.leftovers()).to.deep.equal([]);
    site.remove();
  });
  return (name) => ended.get(name) ?? Promise.reject(new Error(`${name} was not started`));
}

const hold = (way: string, mib = OVER, ...more: string[]): string[] => [...LIMIT, '--', payload('hold'), way, mib, '--hold', HELD, ...more];

/** Ways to hold memory, and how the reason names them. */
const WAYS = {
  memfd: /iB in memfds/,
  secret: /iB in memfds/,
  thread: /iB in memfds/,
  sysv: /iB in System V/,
  sockets: /iB in socket buffers/,
  pipes: /iB in pipes/,
  tables: /iB in page tables/,
  ramfs: /iB in file systems in memory/,
  nested: /iB in file systems in memory/,
  detached: /iB in file systems in memory/,
} as const;
type Way = keyof typeof WAYS;
/** The attacks on memory (test/attacks) try most of them too. All take 10 s, with root. */
const TRIED = LONG ? (Object.keys(WAYS) as Way[]) : (['nested'] as const);

for (const role of ROLES.filter((one) => (one === 'root' ? LONG : !hasGroups(one)))) {
  describe(`memory that no process has mapped, watched, ${role}`, function () {
    this.timeout(patience(60_000));
    const job = together(role, {
      ...(Object.fromEntries(TRIED.map((way) => [way, hold(way)])) as Record<Way, string[]>),
      undumpable: hold('memfd', OVER, '--undumpable'),
      twice: ['--memory', '100MiB', '--', payload('hold'), 'mapped', '70', '--hold', String(patience(2))],
      little: ['--memory', '100MiB', '--', payload('hold'), 'sockets', '10', '--hold', String(patience(2))],
    });

    for (const way of TRIED)
      it(`${way}: killed for memory, and the reason names it`, async function () {
        const {record, stdout, stderr} = await job(way);
        need(this, !stderr.includes('no user namespace here'), 'the kernel allows no user namespace in the box');
        need(this, !stderr.includes('no memfd_secret here'), 'the kernel has no memfd_secret');
        need(this, !/mmap: .*EAGAIN|mmap: Resource/.test(stderr), 'the account may not lock so much memory');
        expect(record.outcome, stdout + stderr).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
        expect(record.outcome.reason)
          .to.match(/^over its memory limit: 48 MiB allowed, /)
          .and.to.match(WAYS[way]);
        expect(record.outcome.evidence)
          .to.match(/^sampled PSS .* and /)
          .and.to.match(WAYS[way]);
        expect(record.watch?.heldReads).to.be.above(0);
        expect(record.watch?.heldPeakBytes).to.be.within(48 * MIB, 140 * MIB);
        expect(record.usage.memPeakBytes).to.be.above(48 * MIB);
        expect(record.usage.memPeakSource).to.equal('sampled:pss, and what is held without being mapped');
      });

    it('also of a process that is not dumpable', async () => {
      const {record, stderr} = await job('undumpable');
      expect(record.outcome, stderr).to.include({status: 'limit', limit: 'memory'});
      expect(record.outcome.reason).to.match(WAYS.memfd);
    });

    it('what is mapped, by two, is counted once', async () => {
      const {record, stdout, stderr} = await job('twice');
      expect([record.outcome.status, stdout], stderr).to.deep.equal(['completed', 'held\n']);
      expect(record.watch?.heldReads).to.be.above(0);
    });

    it('no process is stopped below the limit', async () => {
      const {record, stdout, stderr} = await job('little');
      expect([record.outcome.status, stdout], stderr).to.deep.equal(['completed', 'held\n']);
    });
  });
}

describe('space on scratch that no walk finds', function () {
  this.timeout(patience(60_000));
  const inTmp = (command: string): string[] => ['--', '/bin/sh', '-c', `cd /tmp && exec ${payload('hold')} ${command}`];
  // root's is the kernel's to keep
  const job = together('user', {
    deleted: ['--scratch', '32MiB', ...inTmp(`deleted 96 --hold ${HELD}`)],
    locked: ['--scratch', '32MiB', ...inTmp(`locked 96 --hold ${HELD}`)],
    files: ['--scratch', '8MiB', ...inTmp(`files 30 --hold ${HELD}`)],
    renamed: ['--scratch', '32MiB', ...inTmp('renamed 20')],
    few: ['--scratch', '32MiB', ...inTmp(`files 1 --hold ${String(patience(1))}`)],
  });

  it('deleted files that are open', async () => {
    const {record, stderr} = await job('deleted');
    expect(record.outcome, stderr).to.include({status: 'limit', limit: 'scratch'});
    expect(record.outcome.reason).to.match(/^over its limit on scratch, \d.* in deleted files that are open$/);
    expect(record.usage.scratchPeakBytes).to.be.within(32 * MIB, 97 * MIB);
  });

  it('directories that the payload has locked', async () => {
    const {record, stderr} = await job('locked');
    expect(record.outcome, stderr).to.include({status: 'limit', limit: 'scratch'});
    expect(record.outcome.reason).to.match(/^over its limit on scratch, \d.* in directories that are locked$/);
  });

  it('files without bytes', async () => {
    const {record, stderr} = await job('files');
    expect(record.outcome, stderr).to.include({status: 'limit', limit: 'scratch'});
    expect(record.outcome.evidence).to.match(/^found \d+ files on scratch, allowed 2048, one for each 4 KiB$/);
  });

  it('a file that gets its name late is counted once', async function () {
    const {record, stdout, stderr} = await job('renamed');
    need(this, !stderr.includes('no files without names'), 'this file system has no O_TMPFILE');
    expect([record.outcome.status, stdout], stderr).to.deep.equal(['completed', 'held\n']);
  });

  it('a thousand files are allowed in any case', async () => {
    const {record, stdout, stderr} = await job('few');
    expect([record.outcome.status, stdout], stderr).to.deep.equal(['completed', 'held\n']);
  });
});
