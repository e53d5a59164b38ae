/** The startd's program outside Tare's folder, run by sh: a folder of stand-ins for Tare's programs, and what root's timer would leave. */

import {spawnSync} from 'node:child_process';
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {renderedAd} from '../../../plugins/htcondor/health.js';
import {problemsOfProm, sampleOf} from '../../support/prom.js';

const PROGRAM = fileURLToPath(new URL('../../../configs/htcondor/tare-health.sh', import.meta.url));
const HEALTHY = renderedAd({healthy: true, boxed: true, failures: 1, degraded: {unboxed: 2}, reason: null, spool: null});

describe('the health program of the startd', () => {
  let place = '';
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'tare-health-'));
    for (const name of ['folder/bin', 'folder/libexec', 'node', 'cwd']) mkdirSync(join(place, name), {recursive: true});
    put('folder/bin/tare', 'echo "$@" >>"$(dirname "$0")/../calls"\nexit 0');
    put('folder/bin/tare-wrap', 'exit 0');
    put('folder/libexec/tare', 'exit 0');
    looked(HEALTHY);
  });
  afterEach(() => {
    rmSync(place, {recursive: true, force: true});
  });

  const at = (name: string): string => join(place, name);
  const put = (name: string, script: string): void => {
    writeFileSync(at(name), `#!/bin/sh\n${script}\n`);
    chmodSync(at(name), 0o755);
  };
  /** What root's timer does. */
  const looked = (ad: string, secondsAgo = 0): void => {
    writeFileSync(at('node/health.ad'), ad);
    writeFileSync(at('node/health.json'), '{}');
    const then = Date.now() / 1000 - secondsAgo;
    utimesSync(at('node/health.json'), then, then);
  };
  const ask = (env: NodeJS.ProcessEnv = {}): {ad: Record<string, string>; end: string} => {
    const {stdout, stderr, status} = spawnSync('sh', [PROGRAM, at('folder'), at('node'), '60'], {
      cwd: at('cwd'),
      encoding: 'utf8',
      env: {...process.env, ...env},
    });
    expect([stderr, status]).to.deep.equal(['', 0]);
    const lines = stdout.trimEnd().split('\n');
    return {ad: Object.fromEntries(lines.slice(0, -1).map((line) => line.split(' = ') as [string, string])), end: lines.at(-1) ?? ''};
  };
  const calls = (): string => readFileSync(at('folder/calls'), 'utf8');

  it('says what root’s timer found, and when it looked itself', () => {
    const {ad} = ask();
    expect(Math.abs(Number(ad['TareHealthTime']) - Date.now() / 1000)).to.be.lessThan(10);
    delete ad['TareHealthTime'];
    expect(ad).to.deep.equal({
      TareHealthy: 'True',
      TareBoxed: 'True',
      TareFailures: '1',
      TareDegraded: '"unboxed 2"',
      TareFault: 'undefined',
      TareReason: 'undefined',
    });
  });

  it('starts Tare once, and again when it changed: it is asked too often for more', () => {
    for (let time = 0; time < 3; time++) ask();
    expect(calls()).to.equal('--version\n');
    put('folder/libexec/tare', 'exit 1');
    ask();
    expect(calls()).to.equal('--version\n--version\n');
  });

  it('stays, where it is told for how long, and says at once what root’s timer finds meanwhile', () => {
    mkdirSync(at('bin'));
    // the shells differ in how small a difference of two times they see
    put(
      'bin/sleep',
      `echo "$@" >>${at('sleeps')}
case $(wc -l <${at('sleeps')}) in
  2) mv ${at('node/next.ad')} ${at('node/health.ad')} ;;
  3) touch -d @0 ${at('node/health.ad')} ;;
esac`,
    );
    writeFileSync(
      at('node/next.ad'),
      renderedAd({healthy: false, boxed: false, failures: 3, degraded: {}, reason: 'a box as alice: no', spool: null}),
    );
    const then = Date.now() / 1000 + 100;
    utimesSync(at('node/next.ad'), then, then);
    const {stdout} = spawnSync('sh', [PROGRAM, at('folder'), at('node'), '60', '20'], {
      cwd: at('cwd'),
      encoding: 'utf8',
      env: {...process.env, PATH: `${at('bin')}:${process.env['PATH'] ?? ''}`},
    });
    expect(stdout.match(/^(?:TareHealthy.*|-.*)$/gm)).to.deep.equal([
      'TareHealthy = True',
      '- update:true',
      'TareHealthy = False',
      '- update:true',
    ]);
    expect(readFileSync(at('sleeps'), 'utf8')).to.equal('5\n5\n5\n');
  });

  it('asks for an update of the collector when the answer changed, and not otherwise', () => {
    expect([ask().end, ask().end]).to.deep.equal(['- update:true', '-']);
    rmSync(at('folder'), {recursive: true});
    expect([ask().end, ask().end]).to.deep.equal(['- update:true', '-']);
  });

  const broken: Record<string, [does: () => void, reason: RegExp, fault?: string]> = {
    'the folder is gone': [() => rmSync(at('folder'), {recursive: true}), /folder: bin and libexec are not there/],
    'libexec is gone': [() => rmSync(at('folder/libexec'), {recursive: true}), /not there/],
    'the wrapper cannot be executed': [() => chmodSync(at('folder/bin/tare-wrap'), 0o644), /cannot be executed/],
    'a link leads nowhere': [
      () => {
        rmSync(at('folder/libexec/tare'));
        symlinkSync('/nowhere/tare', at('folder/libexec/tare'));
      },
      /not there/,
    ],
    'Tare does not run': [() => put('folder/bin/tare', 'exit 1'), /bin\/tare --version fails/],
    'root’s timer has stopped': [() => looked(HEALTHY, 100), /the timer of root has not looked at this node for more than 60 s/, 'timer'],
    'root’s timer looked in the future': [() => looked(HEALTHY, -100), /the timer of root has not looked/, 'timer'],
    'the result is empty': [() => looked(''), /does not say whether this node is healthy/, 'timer'],
    'the result has no time': [() => rmSync(at('node/health.json')), /the timer of root has not looked/, 'timer'],
    'root’s timer found a fault': [
      () =>
        looked(renderedAd({healthy: false, boxed: false, failures: 3, degraded: {}, reason: 'no bubblewrap', faults: ['engine', 'box']})),
      /^"no bubblewrap"$/,
      'engine box',
    ],
  };
  for (const [what, [breakIt, reason, fault = 'folder']] of Object.entries(broken)) {
    it(`not healthy, with the reason: ${what}`, () => {
      ask(); // all was well
      breakIt();
      for (let time = 0; time < 2; time++) {
        const {ad} = ask();
        expect(ad).to.include({TareHealthy: 'False', TareFault: `"${fault}"`});
        expect(ad['TareReason']).to.match(reason);
      }
      const prom = readFileSync(at('cwd/tare-health.prom'), 'utf8');
      expect(problemsOfProm(prom)).to.deep.equal([]);
      expect(sampleOf(prom, 'tare_batch_healthy')).to.equal(0);
      for (const each of fault.split(' ')) expect(sampleOf(prom, `tare_batch_fault{fault="${each}"}`), each).to.equal(1);
    });
  }

  for (const [what, program] of [
    ['Tare', '--version'],
    ['the file system', '-L'],
  ] as const)
    it(`${what} is late: not healthy when it is so twice in a row, since a node may be loaded`, () => {
      ask();
      mkdirSync(at('slow'));
      put('folder/libexec/tare', 'exit 0; # another');
      put('slow/timeout', `case "$*" in *${program}*) exit 124 ;; esac; exec /usr/bin/timeout "$@"`);
      const slow = (): string | undefined => ask({PATH: `${at('slow')}:${process.env.PATH ?? ''}`}).ad['TareHealthy'];
      expect([slow(), ask().ad['TareHealthy'], slow(), slow(), ask().ad['TareHealthy']]).to.deep.equal(
        program === '-L' ? ['True', 'True', 'True', 'False', 'True'] : ['True', 'True', 'True', 'True', 'True'],
      );
      put('folder/libexec/tare', 'exit 0; # yet another');
      expect([slow(), slow(), slow(), ask().ad['TareHealthy']]).to.deep.equal(['True', 'False', 'False', 'True']);
    });

  it('healthy again when all is well again', () => {
    rmSync(at('folder/libexec/tare'));
    expect(ask().ad).to.include({TareHealthy: 'False'});
    put('folder/libexec/tare', 'exit 0');
    expect(ask().ad).to.include({TareHealthy: 'True', TareFault: 'undefined', TareReason: 'undefined'});
    const prom = readFileSync(at('cwd/tare-health.prom'), 'utf8');
    expect(sampleOf(prom, 'tare_batch_healthy')).to.equal(1);
    expect(Math.abs((sampleOf(prom, 'tare_batch_time_seconds') ?? 0) - Date.now() / 1000)).to.be.below(10);
    expect(prom).not.to.include('tare_batch_fault');
    expect(problemsOfProm(prom)).to.deep.equal([]);
  });

  it('asks Tare itself where root has no timer, and believes no silence', () => {
    rmSync(at('node/health.ad'));
    put('folder/bin/tare', 'test "$1" = --version || printf \'TareHealthy = True\\nTareHealthTime = 5\\nTareReason = "for once"\\n-\\n\'');
    expect(ask().ad).to.include({TareHealthy: 'True', TareReason: '"for once"'}).and.not.include({TareHealthTime: '5'});
    put('folder/bin/tare', 'exit 0');
    expect(ask().ad).to.include({TareHealthy: 'False'});
  });

  it('keeps nothing where it may not write, and says the same', () => {
    rmSync(at('cwd'), {recursive: true});
    mkdirSync(join(at('cwd'), 'tare-health.last'), {recursive: true}); // no file can be written over it, by nobody
    expect([ask(), ask()].map(({ad, end}) => [ad['TareHealthy'], end])).to.deep.equal([
      ['True', '- update:true'],
      ['True', '- update:true'],
    ]);
  });
});
