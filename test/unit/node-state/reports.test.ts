import {expect} from 'chai';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {formatReport, parseReports} from '../../../src/node-state/report.js';
import {openReports, readReports, reportNode} from '../../../src/node-state/reports.js';
import type {NodePlaces} from '../../../src/policy/places.js';
import {need} from '../../support/need.js';

const UID = process.getuid?.() ?? 0;

describe('a line of a report', () => {
  it('is read as it was written; lines of another form are passed over', () => {
    const line = formatReport({kind: 'failed', code: 'ENGINE_FAILED', id: 'ab12'}, 1000);
    expect(line).to.equal('1000 failed ENGINE_FAILED ab12\n');
    const others = 'x\n1000 other X ab\n1000 failed X Y ab\n1000 failed ../x ab\n\u0000\n1000 failed X\n';
    expect(parseReports(line + others, 7, 1000)).to.deep.equal([
      {uid: 7, epochMs: 1000, kind: 'failed', code: 'ENGINE_FAILED', id: 'ab12'},
    ]);
    expect(formatReport({kind: 'failed', code: 'a b\n', id: '\n'}, 5)).to.equal('5 failed UNKNOWN -\n');
  });

  it('of the future or of yesterday tells nothing, and there is an end to how many are read', () => {
    const now = 1_800_000_000_000;
    const at = (epochMs: number): string => formatReport({kind: 'failed', code: 'X', id: 'a'}, epochMs);
    expect(parseReports(at(now + 600_000) + at(now - 90_000_000), 1, now)).to.deep.equal([]);
    expect(parseReports(at(now).repeat(2000), 1, now)).to.have.length(1000);
  });
});

describe('reports of a node', () => {
  let base: string;
  let places: NodePlaces;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tare-reports-'));
    places = {uid: UID, shared: join(base, 'node'), own: join(base, 'state/node')};
  });
  afterEach(() => {
    rmSync(base, {recursive: true, force: true});
  });
  const FAILED = {kind: 'failed', code: 'ENGINE_FAILED', id: 'ab12'} as const;
  const codes = (): string[] => (readReports(places, Date.now()) ?? []).map(({uid, kind, code}) => `${String(uid)} ${kind} ${code}`);

  it('are read as they were reported, from the node’s directory and from an account’s', () => {
    reportNode(places, FAILED);
    reportNode(places, {...FAILED, kind: 'degraded', code: 'unboxed'});
    expect(codes()).to.deep.equal([`${String(UID)} failed ENGINE_FAILED`, `${String(UID)} degraded unboxed`]);
    expect(existsSync(UID === 0 ? places.shared : places.own)).to.equal(true);
  });

  it('say that an account has jobs once an hour', () => {
    for (let n = 0; n < 3; n++) reportNode(places, {kind: 'started', code: 'job', id: 'ab'});
    expect(codes()).to.deep.equal([`${String(UID)} started job`]);
  });

  it('of one account are bounded, and the last are kept', () => {
    reportNode(places, FAILED);
    const folder = join(UID === 0 ? places.shared : places.own, 'reports');
    const file = join(folder, String(UID));
    writeFileSync(file, formatReport({...FAILED, code: 'OLD'}, Date.now()).repeat(3000));
    reportNode(places, {...FAILED, code: 'NEW'});
    expect(statSync(file).size).to.be.below(17 * 1024);
    expect(codes().at(-1)).to.equal(`${String(UID)} failed NEW`);
    expect(readFileSync(file, 'utf8').split('\n', 1)[0]).to.match(/^\d+ failed OLD ab12$/);
  });

  it('go to one directory of root, to which all may write and which only root may list', function () {
    need(this, UID === 0, 'only root makes it');
    expect(openReports(places)).to.equal(join(places.shared, 'reports'));
    expect((statSync(join(places.shared, 'reports')).mode & 0o7777).toString(8)).to.equal('1733');
    reportNode(places, FAILED);
    expect((statSync(join(places.shared, 'reports/0')).mode & 0o777).toString(8)).to.equal('600');
  });

  it('that another account made up do not count, are not followed, and are taken away', function () {
    need(this, UID === 0, 'only root can give files away');
    const folder = openReports(places);
    const line = formatReport(FAILED, Date.now());
    const put = (name: string, uid: number): void => {
      writeFileSync(join(folder, name), line);
      chownSync(join(folder, name), uid, uid);
    };
    put('0', 1234); // in root's way
    put('1235', 1234);
    put('1234', 1234);
    put('1234.1', 1234);
    put('notes', 1234);
    symlinkSync('/etc/shadow', join(folder, '1236'));
    mkdirSync(join(folder, '1237/full'), {recursive: true});
    reportNode(places, FAILED); // to 0.1
    expect(codes().sort()).to.deep.equal(['0 failed ENGINE_FAILED', '1234 failed ENGINE_FAILED', '1234 failed ENGINE_FAILED']);
    openReports(places);
    const left = readdirSync(folder).sort();
    expect(left.slice(0, 3)).to.deep.equal(['0.1', '1234', '1234.1']);
    expect(left.slice(3)).to.have.length(1); // what root does not walk is moved aside
    expect(codes()).to.have.length(3);
  });

  it('are not written where another account could have put links in the way', () => {
    const elsewhere = join(base, 'elsewhere');
    mkdirSync(elsewhere);
    mkdirSync(places.shared);
    chmodSync(places.shared, 0o777);
    mkdirSync(join(base, 'state'));
    symlinkSync(elsewhere, places.own);
    reportNode(places, FAILED);
    expect([existsSync(join(elsewhere, 'reports')), existsSync(join(places.shared, 'reports/0'))]).to.deep.equal([false, false]);
  });

  it('on a node where nothing can be written cost nothing', () => {
    places = {uid: UID, shared: '/proc/nothing', own: '/proc/nothing/node'};
    reportNode(places, FAILED);
    expect(readReports(places, Date.now())).to.deep.equal([]);
  });
});
