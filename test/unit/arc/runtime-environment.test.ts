import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect} from 'chai';
import {CALLOUT, isPlain, runtimeEnvironment} from '../../../plugins/arc/runtime-environment.js';

const configured = (name: string): string => readFileSync(new URL(`../../../configs/arc/${name}`, import.meta.url), 'utf8');

describe('the runtime environment of ARC', () => {
  it('is the file in configs/', () => {
    expect(runtimeEnvironment({wrapper: '/opt/tare/bin/tare-wrap'})).to.equal(configured('ENV/TARE'));
    expect(CALLOUT).to.equal(configured('tare-finishing'));
  });

  it('names the place where Tare lies, if that can stand in a script', () => {
    expect(runtimeEnvironment({wrapper: '/cvmfs/site/tare/bin/tare-wrap'}))
      .to.include(':-/cvmfs/site/tare/bin/tare-wrap}')
      .and.not.include('/opt');
    for (const no of ['opt', '/a b', '/a"b', '/$(id)', '/a;b', '/a\nb', '/a\\b', "/a'b"]) expect(isPlain(no), no).to.equal(false);
  });

  for (const shell of ['bash', 'dash']) {
    it(`puts itself in front and tells what the site says first, in ${shell}`, () => {
      const script = [
        'control_path() { echo /nowhere; }',
        `joboption_arg_0='a"b' joboption_args=' "a\\"b" "two words"' joboption_env_0=TARE_ARC=evil joboption_count=2 joboption_jobname='x`,
        `policy=/evil'`,
        'set -- 0',
        configured('ENV/TARE'),
        'printf "%s\\n---\\n%s\\n" "$joboption_args" "$joboption_env_1"; env | grep -c joboption',
      ].join('\n');
      const out = execFileSync('sh', ['-c', `command -v ${shell} >/dev/null && exec ${shell} || exec sh`], {
        input: `${script}\ntrue\n`,
        encoding: 'utf8',
      });
      const [argv = '', told = ''] = out.split('\n---\n');
      expect(argv).to.match(/^\$\{TARE_RUN:\+.* "\$TARE_RUN"\}  "a\\"b" "two words"$/);
      expect(told.split('\n').slice(0, 5)).to.deep.equal([
        'TARE_ARC=wrapper=/opt/tare/bin/tare-wrap',
        'policy=',
        'pattern=',
        'job=',
        'inFront=no',
      ]);
      expect(told).to.include('\ncount=2\n').and.include('\nname=x policy=/evil\n');
      // not for the submit script's children, of which the job is one where ARC runs jobs itself
      expect(told.trimEnd().split('\n').at(-1)).to.equal('0');
    });
  }
});

describe('the callout of A-REX', () => {
  let directory: string;
  let job: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tare-callout-'));
    job = join(directory, 'jobs/123/456/789/abc');
    mkdirSync(job, {recursive: true});
  });
  afterEach(() => {
    rmSync(directory, {recursive: true});
  });
  const run = (): void => {
    execFileSync('sh', [new URL('../../../configs/arc/tare-finishing', import.meta.url).pathname, directory, '123456789abc']);
  };
  const file = (name: string): string => readFileSync(join(job, name), 'utf8');

  it('makes the last figures the last word, and adds the reason', () => {
    const before =
      'tare_record=1\ntare_WallTime=1s\ntare_record=1\ntare_WallTime=9s   \ntare_MaxResidentMemory=5kB\ntare_reason=out of memory: x\nWallTime=77s\nexitcode=137\n';
    writeFileSync(join(job, 'diag'), before);
    run();
    expect(file('diag')).to.equal(`${before}\nWallTime=9s   \nMaxResidentMemory=5kB\n`);
    expect(file('failed')).to.equal('Tare: out of memory: x\n');
  });

  it('takes nothing but numbers and plain text from a user, and makes no failure of a success', () => {
    const before =
      'tare_record=1\ntare_exitcode=0\ntare_WallTime=1s; rm\ntare_UserTime=-1s\ntare_nodename=x\ntare_reason=a\u001b[1mb\nexitcode=0\n';
    writeFileSync(join(job, 'diag'), before);
    run();
    expect(file('diag')).to.equal(before);
    expect(() => file('failed')).to.throw('ENOENT');
    writeFileSync(join(job, 'failed'), 'LRMS error\n');
    run();
    expect(file('failed')).to.equal('LRMS error\nTare: a[1mb\n');
  });

  it('follows no link, and does without a file', () => {
    run();
    const other = join(directory, 'other');
    writeFileSync(other, 'tare_record=1\ntare_WallTime=1s\n');
    symlinkSync(other, join(job, 'diag'));
    run();
    expect(readFileSync(other, 'utf8')).to.equal('tare_record=1\ntare_WallTime=1s\n');
  });
});
