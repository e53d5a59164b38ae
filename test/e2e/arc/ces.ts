/** What all files here share: a CE for a suite, and the programs of jobs. */

import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {UsageRecord} from '../../../src/record/record.js';
import {need} from '../../support/need.js';
import {Ce, type ArcJob, type CeOptions, type Description, type Used} from '../../support/ce.js';
import {bin, installed, isRoot, payload, program, until} from '../../support/tare.js';

export const WRAPPER = bin('tare-wrap');

/** What each argument becomes, and what is there of the wrapper's own. */
const ECHO = '#!/bin/sh\necho ready\nfor each; do printf "<%s>" "$each"; done\necho\nenv | grep -c TARE_\nexit 0\n';

/** Arguments that a shell would take apart. */
export const ARGUMENTS_JOB: Description = {
  script: ECHO,
  arguments: ['two words', "quo'te", 'dou"ble', 'back\\slash', '*'],
  xrsl: '(memory=300)',
};
export const ARGUMENTS_ECHOED = `ready\n<two words><quo'te><dou"ble><back\\slash><*>\n0\n`;

/** Touches so many MiB, which are to be over its limit. */
export const memoryJob = (mib: number): Description => ({
  script: `#!/bin/sh\necho ready; ${payload('touch-memory')} ${String(mib)} --hold 60\n`,
  xrsl: '(memory=300)',
});
/** Over what the usual reserve leaves it of the memory that it asks for. */
export const MEMORY_JOB = memoryJob(290);

/** What ARC is to say of it, over whatever batch system. */
export async function saysOverMemory(job: ArcJob): Promise<void> {
  const used = await job.finished();
  expect(used.ExitCode).to.equal(137);
  expect(job.control('failed')).to.include('Tare: out of memory: ');
  expect(used.UsedMemory).to.equal(figuresOf(job.record).UsedMemory);
}

/** Kills a job that has burnt two seconds and waits for a child that sleeps: ARC has the figures of then, and nothing is left of it. */
export async function keepsFiguresWhenKilled(job: ArcJob, ce: Ce, before: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
  await job.running();
  await until('a note of two seconds', () => /^tare_UserTime=2s/m.test(job.diag), 60);
  await before();
  await job.kill();
  const used = await job.finished();
  expect(used.UsedCPUUserTime).to.equal(2);
  expect(used.UsedWalltime).to.be.above(1);
  await until('the end of its processes', () => ce.processes().length === 0, 20);
}

/** The simulation, of whose result the checksum is known. */
export const MAIN_JOB: Description = {
  script: `#!/bin/sh\nexec ${payload('mcsim')} --events 200 --seed 42 --workers 2 --output HITS\n`,
  xrsl: '(count=2)(memory=512)(outputFiles=("HITS" ""))',
};

/** Fetches its result: checksum found, and known. */
export async function hitsOf(job: ArcJob): Promise<{found: string; known: string | undefined}> {
  const hits = readFileSync(join(await job.fetch(), 'HITS'));
  const [known] = readFileSync(join(installed(), 'fixtures/payloads/mcsim.sha256'), 'utf8').trim().split(/\s+/);
  return {found: createHash('sha256').update(hits).digest('hex'), known};
}

/** Gives the suite it is called in a CE; what its daemons wrote last is shown with each failure. */
export function ceFor(options: Partial<CeOptions> = {}): () => Ce {
  let ce: Ce | null = null;
  before(async function () {
    need(this, isRoot, 'a CE whose jobs run as a local account needs root');
    need(this, program('arcctl') !== null && program('arcsub') !== null && program('sqlite3') !== null, 'ARC is not installed');
    ce = await Ce.start({wrapper: WRAPPER, ...options});
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed' && ce !== null) console.log(ce.logs());
  });
  after(async () => {
    await ce?.stop();
  });
  return () => {
    if (ce === null) throw new Error('the CE has not been started');
    return ce;
  };
}

/** The figures of a record as ARC has them: whole seconds, and kB. */
export function figuresOf({time, usage}: UsageRecord): Omit<Used, 'ExitCode' | 'CPUCount'> {
  const seconds = (us: number | null): number => Math.round((us ?? Number.NaN) / 1e6);
  return {
    UsedWalltime: seconds(time.wallUs),
    UsedCPUUserTime: seconds(usage.cpuUserUs),
    UsedCPUKernelTime: seconds(usage.cpuSystemUs),
    UsedMemory: Math.ceil((usage.memPeakBytes ?? Number.NaN) / 1024),
  };
}
