/** What all files here share: a CE for a suite, and the programs of jobs. */

import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {UsageRecord} from '../../../src/record/record.js';
import {need} from '../../support/need.js';
import {Ce, type ArcJob, type CeOptions, type Description, type Used} from '../../support/ce.js';
import {installed, isRoot, payload, program} from '../../support/tare.js';

export const WRAPPER = join(installed(), 'bin/tare-wrap');

/** What each argument becomes, and what is there of the wrapper's own. */
export const ECHO = '#!/bin/sh\necho ready\nfor each; do printf "<%s>" "$each"; done\necho\nenv | grep -c TARE_\nexit 0\n';

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
export function figuresOf({time, net}: UsageRecord): Omit<Used, 'ExitCode' | 'CPUCount'> {
  const seconds = (us: number | null): number => Math.round((us ?? Number.NaN) / 1e6);
  return {
    UsedWalltime: seconds(time.wallUs),
    UsedCPUUserTime: seconds(net.cpuUserUs),
    UsedCPUKernelTime: seconds(net.cpuSystemUs),
    UsedMemory: Math.ceil((net.memPeakBytes ?? Number.NaN) / 1024),
  };
}
