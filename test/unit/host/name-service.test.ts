import {expect} from 'chai';
import {chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {keepAccount, readCachedAccount} from '../../../src/host/account-cache.js';
import {findRow, isFilesFirst, parseRow, remoteSources} from '../../../src/host/passwd.js';

describe('rows of passwd(5)', () => {
  it('give number, group, name and home', () => {
    expect(parseRow('alice:x:1000:100:Alice,,:/home/alice:/bin/sh')).to.deep.equal({
      uid: 1000,
      gid: 100,
      name: 'alice',
      home: '/home/alice',
    });
    expect(parseRow('dom\\al ice:*:70001:70001:::')).to.deep.equal({uid: 70001, gid: 70001, name: 'dom\\al ice', home: null});
  });

  it('are no rows when a part is missing, a number is none, or another source is meant', () => {
    for (const line of [
      '',
      'alice',
      'alice:x:1000:100:Alice:/home/alice',
      ':x:1:1::/:',
      'a:x::1::/:',
      'a:x:-1:1::/:',
      '+a:x:1:1::/:',
      '+::::::',
    ])
      expect(parseRow(line), line).to.equal(null);
  });

  it('are found by number, the first one first', () => {
    const passwd = 'root:x:0:0:root:/root:/bin/sh\n# c:x:7:7::/:\nlate:x:70:7::/:\none:x:7:8::/one:\ntwo:x:7:9::/two:\n';
    expect(findRow(passwd, 7)?.name).to.equal('one');
    expect(findRow(passwd, 8)).to.equal(null);
    expect(findRow('', 0)).to.equal(null);
  });
});

describe('nsswitch.conf(5)', () => {
  const conf = (passwd: string): string => `# passwd: sss\ngroup: sss files\n  passwd:${passwd} # and so on\npasswd_more: x\n`;

  it('says whether /etc/passwd has the last word on what is in it', () => {
    for (const first of [' files', '\tfiles sss', ' files [NOTFOUND=return] sss', 'files systemd'])
      expect(isFilesFirst(conf(first)), first).to.be.true;
    for (const other of [' sss files', ' compat', ' ldap', ' files [SUCCESS=continue] sss', ' files [success=merge] sss', ''])
      expect(isFilesFirst(conf(other)), other).to.be.false;
    expect(isFilesFirst('')).to.be.false;
  });

  it('names the sources that can be down', () => {
    expect(remoteSources(conf(' files sss [NOTFOUND=return] ldap systemd'))).to.deep.equal(['sss', 'ldap']);
    expect(remoteSources(conf(' files'))).to.deep.equal([]);
  });
});

describe('the cache of accounts', () => {
  const uid = process.getuid?.() ?? -1;
  const NOW = 1_790_000_000_000;
  const HOUR = 3_600_000;
  const ALICE = {uid: 1000, gid: 100, name: 'alice', home: null, groups: [100, 7]};
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-accounts-'));
    chmodSync(directory, 0o755);
    file = join(directory, 'accounts.json');
  });
  afterEach(() => {
    rmSync(directory, {recursive: true});
  });
  const read = (now: number, {groups = true, owners = [uid], key = 'alice'} = {}): unknown =>
    readCachedAccount(file, owners, key, {groups, now});

  it('keeps an answer for an hour, and not from the future', () => {
    keepAccount(file, uid, 'alice', ALICE, NOW);
    expect(read(NOW)).to.deep.equal(ALICE);
    expect(read(NOW + HOUR - 1)).to.deep.equal(ALICE);
    expect(read(NOW + HOUR)).to.equal(null);
    expect(read(NOW - 1)).to.equal(null);
    expect(read(NOW, {key: 'bob'})).to.equal(null);
    expect(read(NOW, {key: 'constructor'})).to.equal(null);
  });

  it('keeps other accounts’ answers that still hold, and has no groups where none were asked for', () => {
    keepAccount(file, uid, 'old', ALICE, NOW - HOUR);
    keepAccount(file, uid, 'bob', {...ALICE, name: 'bob', groups: []}, NOW - 5);
    keepAccount(file, uid, 'alice', ALICE, NOW);
    expect(read(NOW, {key: 'old'})).to.equal(null);
    expect(read(NOW, {key: 'bob'})).to.equal(null);
    expect(read(NOW, {key: 'bob', groups: false})).to.include({name: 'bob'});
    expect(read(NOW)).to.deep.equal(ALICE);
  });

  it('is used only where no other account could have written it', () => {
    keepAccount(file, uid, 'alice', ALICE, NOW);
    expect(read(NOW, {owners: [uid + 1]})).to.equal(null);
    chmodSync(file, 0o664);
    expect(read(NOW), 'a file that others can write').to.equal(null);
    chmodSync(file, 0o644);
    chmodSync(directory, 0o1777);
    expect(read(NOW), 'a directory that others can write').to.equal(null);
    chmodSync(directory, 0o755);
    expect(read(NOW)).to.deep.equal(ALICE);
  });

  it('is nothing when it is not there, or not ours, or not what it should be', () => {
    expect(read(NOW)).to.equal(null);
    const of = (entry: unknown): string => JSON.stringify({format: 'tare/account-cache/v1', entries: {alice: entry}});
    const good = {...ALICE, at: NOW};
    for (const text of [
      '',
      '[]',
      '{"format": "x"}',
      of(null),
      of({...good, uid: '0'}),
      of({...good, name: ''}),
      of({...good, groups: ['0']}),
      of({...good, at: null}),
    ]) {
      writeFileSync(file, text);
      expect(read(NOW), text).to.equal(null);
    }
    writeFileSync(file, of(good));
    expect(read(NOW)).to.deep.equal(ALICE);
  });

  it('does nothing where it cannot be written', () => {
    keepAccount(join(directory, 'nowhere/accounts.json'), uid, 'alice', ALICE, NOW);
    expect(existsSync(join(directory, 'nowhere'))).to.equal(false);
  });
});
