import {expect} from 'chai';
import {readAnswer, wholeNumber} from '../../../src/cvmfs/answer.js';
import {closeEntry, entryOf, classify, wasLost, type RepositoryState} from '../../../src/cvmfs/classify.js';

const NAME = 'atlas.cern.ch';
const say = (...lines: string[]): string => `${lines.map((line) => line.replace(' ', '\t')).join('\n')}\n`;
const WELL = ['epoch 1700000000000000', 'step root', 'root yes', 'automount no', 'before nfs4', 'step open', 'mounted nfs4', 'entries yes'];
const wanted = (minimumRevision: number | null = null): {repository: string; minimumRevision: number | null} => ({
  repository: NAME,
  minimumRevision,
});
const judged = (lines: string[], minimumRevision: number | null = null): RepositoryState =>
  classify(readAnswer(say(...lines)), wanted(minimumRevision));

describe('what a look at a repository found', () => {
  const rows: [string, string[], RepositoryState['state'], RegExp | null][] = [
    ['an answer', [...WELL, 'done yes'], 'ok', null],
    ['no answer in time', [...WELL.slice(0, 6), 'late yes', 'us 20000123'], 'hung', /^no answer in 20 s: opening it, which mounts it$/],
    ['no answer of another look', ['step other', 'late yes', 'us 1000000'], 'hung', /another look/],
    ['nothing there', ['root yes', 'automount no', 'step open', 'errno 2', 'error No such file'], 'absent', /^no such directory$/],
    ['no CVMFS', ['root no', 'automount no', 'step open', 'errno 2', 'error No such file'], 'absent', /^there is no CVMFS$/],
    ['not mounted', ['root yes', 'automount yes', 'step open', 'errno 2', 'error x'], 'absent', /automounter did not/],
    ['an empty directory', ['step list', 'mounted ', 'entries no', 'done yes'], 'absent', /empty/],
    ['an empty repository', ['step list', 'mounted fuse', 'entries no', 'done yes'], 'ok', null],
    ['a plain directory', ['step list', 'mounted ', 'entries yes', 'done yes'], 'ok', null],
    ['a dead client', ['step statfs', 'errno 107', 'error Transport'], 'broken', /^asking for its size: Transport: its client has died$/],
    ['an error without a meaning', ['step list', 'errno 5', 'error Input'], 'broken', /^reading its directory: Input$/],
    ['a name that goes in the middle', ['step list', 'errno 2', 'error No such file'], 'broken', /^reading its directory/],
    ['a tool that died', ['step list'], 'broken', /^reading its directory: it ended early$/],
    ['nothing at all', [], 'broken', /^the look at it: it ended early$/],
    ['another repository', [...WELL, 'user.fqrn lhcb.cern.ch', 'done yes'], 'broken', /another repository: lhcb/],
  ];
  for (const [title, lines, state, reason] of rows)
    it(`${title}: ${state}`, () => {
      const verdict = judged(lines);
      expect(verdict.state).to.equal(state);
      if (reason === null) expect(verdict.reason).to.equal(null);
      else expect(verdict.reason).to.match(reason);
    });
  it('a revision that is too old is stale, an unknown one is not', () => {
    expect(judged([...WELL, 'user.revision 7', 'done yes'], 8)).to.deep.equal({state: 'stale', reason: 'revision 7 is older than 8'});
    expect(judged([...WELL, 'user.revision 8', 'done yes'], 8).state).to.equal('ok');
    expect(judged([...WELL, 'user.revision x', 'done yes'], 8).state).to.equal('ok');
    expect(judged([...WELL, 'done yes'], 8).state).to.equal('ok');
  });
  it('numbers of a client are numbers, or nothing', () => {
    for (const text of ['', '-1', '1.5', '1e9', '99999999999999999', 'NaN', undefined]) expect(wholeNumber(text), text).to.equal(null);
    expect(wholeNumber(' 17\n')).to.equal(17);
  });
  it('lines that are none, and keys of objects, do no harm', () => {
    const answer = readAnswer('no tab\n__proto__\tx\nuser.__proto__\tx\n\tempty\nuser.\tx\ndone\tyes');
    expect(answer).to.include({done: true, late: false, epochUs: null});
  });
});

describe('the record’s entry', () => {
  const before = readAnswer(
    say(...WELL, 'user.fqrn atlas.cern.ch', 'user.revision 7', 'user.nioerr 3', 'user.root_hash abc', 'done yes', 'us 1500'),
  );
  const entry = entryOf(wanted(), before, classify(before, wanted()));
  const close = (...lines: string[]): typeof entry => closeEntry(entry, readAnswer(say(...lines)), 3);
  it('has what was found, and null for all else', () => {
    expect(entry).to.deep.equal({
      ...{repository: NAME, state: 'ok', reason: null, revision: 7, probedEpochUs: 1700000000000000, probeUs: 1500, mounted: 'before'},
      ...{fileSystem: 'nfs4', rootHash: 'abc', clientVersion: null, server: null, proxy: null, hitRate: null, stateAtEnd: null},
      ...{
        reasonAtEnd: null,
        revisionAtEnd: null,
        rootHashAtEnd: null,
        ioErrorsGained: null,
        downloads: null,
        downloadedBytes: null,
        offline: null,
        clientCpuUs: null,
        clientMemoryBytes: null,
        timeouts: null,
      },
    });
  });
  it('at the end: revision, errors gained, state', () => {
    const end = close(...WELL, 'user.revision 9', 'user.nioerr 5', 'user.hitrate 97.25', 'user.root_hash def', 'done yes');
    expect(end).to.include({
      revision: 7,
      revisionAtEnd: 9,
      ioErrorsGained: 2,
      hitRate: 97.25,
      rootHash: 'abc',
      rootHashAtEnd: 'def',
      stateAtEnd: 'ok',
    });
  });
  it('a client that was restarted, or does not tell, has an unknown number of new errors', () => {
    expect(close(...WELL, 'user.nioerr 1', 'done yes').ioErrorsGained).to.equal(null);
    expect(close(...WELL, 'done yes').ioErrorsGained).to.equal(null);
    expect(closeEntry(entry, readAnswer(say(...WELL, 'user.nioerr 1', 'done yes')), null).ioErrorsGained).to.equal(null);
  });
  it('no answer at the end is hung', () => {
    expect(close('step statfs', 'late yes', 'us 5000000')).to.include({state: 'ok', stateAtEnd: 'hung', revisionAtEnd: null});
  });
  it('mounted by the look, or not at all', () => {
    const look = (was: string, is: string): string | null =>
      entryOf(wanted(), readAnswer(say(`before ${was}`, `mounted ${is}`)), {state: 'ok', reason: null}).mounted;
    expect([look('', 'fuse'), look('fuse', 'fuse'), look('', '')]).to.deep.equal(['automount', 'before', null]);
  });

  it('what was fetched is the client’s since its start where it is Tare’s own, else what was gained', () => {
    const answer = readAnswer('user.ndownload\t50\nuser.rx\t7\noffline\tyes\ndone\tyes\n');
    const entry = entryOf({repository: 'a.b', minimumRevision: null}, readAnswer('done\tyes\n'), {state: 'ok', reason: null});
    const own = {...entry, mounted: 'tare' as const};
    expect(closeEntry(own, answer, null, {files: 20, kib: 3})).to.include({downloads: 50, downloadedBytes: 7168, offline: true});
    expect(closeEntry(entry, answer, null, {files: 20, kib: 3})).to.include({downloads: 30, downloadedBytes: 4096});
    // it was started anew
    expect(closeEntry(entry, answer, null, {files: 60, kib: 3})).to.include({downloads: null, downloadedBytes: 4096});
    expect(closeEntry(entry, answer, null)).to.include({downloads: null, downloadedBytes: null});
  });

  it('lost is what could be used before, and could not at the end', () => {
    const entry = entryOf({repository: 'a.b', minimumRevision: null}, readAnswer('done\tyes\n'), {state: 'ok', reason: null});
    const ends = ['ok', 'broken', 'hung', 'absent', null] as const;
    expect(ends.map((stateAtEnd) => wasLost({...entry, stateAtEnd}))).to.deep.equal([false, true, true, true, false]);
    expect(wasLost({...entry, state: 'broken', stateAtEnd: 'broken'})).to.equal(false);
  });
});
