/** ENV/TARE on a real CE of ARC that runs jobs itself (lrms = fork): the job's script has the last word on its figures. */

import {readFileSync, rmSync, symlinkSync} from 'node:fs';
import {expect} from 'chai';
import type {ArcJob, Used} from '../../support/ce.js';
import {payload, processes, until} from '../../support/tare.js';
import {ceFor, figuresOf, hitsOf, MAIN_JOB} from './ces.js';

/** What each argument becomes, and what is there of the wrapper's own. */
const ECHO = `#!/bin/sh
echo ready
for each; do printf '<%s>' "$each"; done
echo
env | grep -c TARE_
umask
pwd
`;
const ARGUMENTS = ['two words', "quo'te", 'dou"ble', 'dollar$HOME', 'back\\slash', '*', ';', '-n', '$(id)'];

describe('ARC that runs jobs itself', () => {
  const ce = ceFor();
  const jobs: Record<string, ArcJob> = {};
  const job = (name: string): ArcJob => jobs[name] ?? expect.fail(`no job ${name}`);
  /** `figuresOf` the record, beside what ARC has. */
  const same = (used: Used, {record}: ArcJob): void => {
    const {ExitCode: _, CPUCount: __, ...measured} = used;
    expect(measured).to.deep.equal(figuresOf(record));
  };

  before('submits them all, which then run beside each other', async function () {
    this.timeout(120_000);
    jobs['plain'] = await ce().submit({script: '#!/bin/sh\necho ready; id -un; sleep 2; exit 3\n'});
    jobs['arguments'] = await ce().submit({script: ECHO, arguments: ARGUMENTS});
    jobs['main'] = await ce().submit(MAIN_JOB);
    jobs['wall'] = await ce().submit({
      script: `#!/bin/sh\necho ready; exec ${payload('trap-term')} TERM\n`,
      xrsl: '(wallTime="5 seconds")(outputFiles=("TERM" ""))',
    });
    jobs['steering'] = await ce().submit({
      script: ECHO,
      xrsl: `(environment=("TARE_ARC" "wrapper=/bin/false") ("TARE_WRAPPER" "/bin/false") ("TARE_RUN" "/bin/false"))`,
    });
    jobs['descriptor'] = await ce().submit({
      script: '#!/bin/sh\nexit 9\n',
      xrsl: '(runTimeEnvironment="ENV/TARE" "pattern=quotas++" "job=two.yaml" "colour=red")',
      files: {
        'two.yaml':
          'schema: tare/job/v1\napplications:\n  - {name: one, command: [/bin/sleep, "2"]}\n  - {name: two, command: [/bin/sleep, "1"]}\n',
      },
    });
    jobs['pattern'] = await ce().submit({script: ECHO, xrsl: '(runTimeEnvironment="ENV/TARE" "pattern=squares")'});
  });

  it('runs a plain job in a box as the mapped account, and has its figures', async () => {
    const plain = job('plain');
    const used = await plain.finished();
    expect(plain.session('out.txt')).to.equal(`ready\n${ce().account.name}\n`);
    expect(plain.control('failed')).to.include('(3)');
    const {record} = plain;
    expect([record.mode, record.lrms.type, record.trust]).to.deep.equal(['box', 'arc', 'user']);
    expect(record.lrms).to.include({host: 'localhost', queue: 'fork', localJobId: plain.id, globalJobId: `localhost#${plain.id}`});
    expect(record.user.global).to.equal('/DC=org/DC=nordugrid/DC=ARC/O=TestCA/CN=E2E User');
    expect(record.payload.name).to.equal('a test');
    expect(record.outcome).to.include({status: 'failed', exitCode: 3});
    expect(used.ExitCode).to.equal(3);
    expect(used.UsedWalltime).to.be.within(2, 4);
    same(used, plain);
    // never the wrapper's
    expect(plain.control('diag').match(/^exitcode=.*$/gm)).to.deep.equal(['exitcode=3']);
  });

  it('gives the main job its two cores and the known bytes, and accounts for both', async () => {
    const main = job('main');
    const used = await main.finished();
    expect(main.session('err.txt')).to.include('workers=2 ');
    const {found, known} = await hitsOf(main);
    expect(found).to.equal(known);
    const {record} = main;
    expect(record.allocation).to.include({cores: 2, memoryLimitBytes: (2 * 512 - 64) * 2 ** 20});
    expect(used).to.include({ExitCode: 0, CPUCount: 2});
    same(used, main);
  });

  it('ends a job that is over its wall time so that it can save what it has', async () => {
    const wall = job('wall');
    const used = await wall.finished();
    expect(wall.session('TERM')).to.equal('TERM\ndone\n');
    expect(wall.record.outcome).to.include({status: 'limit', limit: 'wallTime'});
    expect(wall.control('errors')).to.include('ENV/TARE: wallTime: over its limit on wall time');
    same(used, wall);
  });

  it('is not steered by what a user sets', async () => {
    const steering = job('steering');
    await steering.finished();
    expect(steering.record.mode).to.equal('box');
    expect(steering.control('failed')).to.equal('');
  });

  it('takes descriptor and pattern from the job’s description', async () => {
    const descriptor = job('descriptor');
    same(await descriptor.finished(), descriptor);
    expect(descriptor.record).to.include({pattern: 'quotas++'});
    expect(descriptor.record.applications.map(({name}) => name)).to.deep.equal(['one', 'two']);
  });

  it('fails a job with a pattern that there is not, and says why', async () => {
    const pattern = job('pattern');
    const used = await pattern.finished();
    expect(used.ExitCode).to.equal(125);
    expect(pattern.session('err.txt')).to.match(/tare: .*pattern= of ENV\/TARE in the job’s description.*squares/s);
    expect(pattern.session('out.txt')).to.equal('');
    expect(pattern.record.outcome).to.include({status: 'wrapper-failure', code: 'DOCUMENT_INVALID'});
    expect(pattern.control('errors')).to.match(/ENV\/TARE: .*squares/);
  });

  it('runs jobs unwrapped on a node without Tare, with the very same arguments', async () => {
    const wrapped = job('arguments');
    await wrapped.finished();
    const wrapper = ce().wrapper;
    rmSync(wrapper);
    try {
      const bare = await ce().submit({script: ECHO, arguments: ARGUMENTS});
      const used = await bare.finished();
      expect(used.ExitCode).to.equal(0);
      expect(bare.records()).to.deep.equal([]);
      expect(bare.control('errors')).to.include(`ENV/TARE: there is no ${wrapper} on this node; the job runs unwrapped`);
      const lines = (text: string): string[] => text.split('\n').slice(0, 2);
      expect(lines(wrapped.session('out.txt'))).to.deep.equal(lines(bare.session('out.txt').replaceAll(bare.id, wrapped.id)));
      expect(wrapped.session('out.txt').split('\n').slice(2)).to.deep.equal(['0', '0077', ce().at('session', wrapped.id), '']);
      expect(wrapped.session('out.txt')).to.include(`<two words><quo'te><dou"ble><dollar${ce().at('session', wrapped.id)}>`);
    } finally {
      symlinkSync(ce().wrappersPlace, wrapper);
    }
  });
});

/** The place of singularity: what it does, without a container. Options come before the image, and the image before the command. */
const STAND_IN = `#!/bin/sh
echo "stand-in: $*" >&2
test "$1" = exec || exit 64
shift
while :; do case "$1" in --home) shift 2 ;; -*) shift ;; *) break ;; esac; done
shift
exec "$@"
`;

describe('ARC that runs jobs itself, with the callout', () => {
  const place = '/opt/tare-test-stand-in/singularity';
  const container = readFileSyncIfThere('/usr/share/arc/rte/ENV/SINGULARITY').replaceAll("'/usr/bin/singularity'", `'${place}'`);
  const ce = ceFor({callout: true, environments: {SINGULARITY: container}, files: {[place]: STAND_IN}});
  const jobs: Record<string, ArcJob> = {};
  const job = (name: string): ArcJob => jobs[name] ?? expect.fail(`no job ${name}`);

  before(async function () {
    this.timeout(120_000);
    jobs['memory'] = await ce().submit({
      script: `#!/bin/sh\necho ready; ${payload('touch-memory')} 290 --hold 60\nexit 5\n`,
      xrsl: '(memory=300)',
    });
    jobs['killed'] = await ce().submit({script: `#!/bin/sh\necho ready; ${payload('burn')} 2; sleep 987654\n`});
    const environment = '(runTimeEnvironment="ENV/SINGULARITY" "image")';
    jobs['around'] = await ce().submit({script: ECHO, arguments: ['two words', '$HOME'], xrsl: environment});
    jobs['within'] = await ce().submit({
      script: ECHO,
      arguments: ['two words', '$HOME'],
      xrsl: `(runTimeEnvironment="ENV/TARE")${environment}`,
    });
  });

  it('says that a job was over its memory', async () => {
    const memory = job('memory');
    const used = await memory.finished();
    expect(used.ExitCode).to.equal(137);
    expect(memory.control('failed')).to.match(/^LRMS error: \(137\)[^\n]*\nTare: out of memory: over its memory limit: /);
    expect(memory.record.outcome).to.include({status: 'limit', limit: 'memory', limitScope: 'payload'});
    expect(used.UsedMemory)
      .to.equal(figuresOf(memory.record).UsedMemory)
      .and.above(236 * 1024);
  });

  it('ends what arckill leaves running, and has the last figures', async () => {
    const killed = job('killed');
    await killed.running();
    await until('a note of two seconds', () => /^tare_UserTime=2s/m.test(killed.diag), 60);
    await until('the payload’s second half', () => processes().some(({argv}) => argv.includes('987654')), 20);
    await killed.kill();
    await until('the end of the payload', () => processes().every(({argv}) => !argv.includes('987654')), 20);
    const used = await killed.finished();
    await until('its record', () => killed.record.state === 'final', 20);
    expect(killed.record.outcome).to.include({status: 'stopped', reason: 'what had started it and waited for it was killed'});
    expect(used.UsedCPUUserTime).to.equal(2);
    expect(used.UsedWalltime).to.be.above(1);
    expect(ce().processes()).to.deep.equal([]);
  });

  it('runs around a container, which then has limits and no box', async () => {
    const around = job('around');
    await around.finished();
    expect(around.session('err.txt')).to.match(/^stand-in: exec --home \S+ image \.\/run\.sh two words \//);
    expect(around.session('out.txt')).to.match(/^ready\n<two words><\/[^>]*>\n0\n/);
    expect(around.record).to.include({mode: 'limits-only'});
    expect(around.control('failed')).to.equal('');
  });

  it('runs within a container', async () => {
    const within = job('within');
    await within.finished();
    expect(within.session('err.txt')).to.match(/^stand-in: exec --home \S+ image \/bin\/sh -c .* two words \//);
    expect(within.session('out.txt')).to.match(/^ready\n<two words><\/[^>]*>\n0\n/);
    expect(within.record).to.include({mode: 'box'});
  });
});

function readFileSyncIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
