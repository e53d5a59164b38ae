/** What all files here share: the wrappers that a pool can have, and a pool for a suite. */

import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {LONG, need} from '../../support/need.js';
import {Pool, type Job, type PoolOptions} from '../../support/pool.js';
import {bin, installed, isRoot, program} from '../../support/tare.js';

export interface Variant {
  name: string;
  /** USER_JOB_WRAPPER; null: none. */
  wrapper: string | null;
}

/** The folder for worker nodes; a long run has the checkout too, which takes as long again. */
export const WRAPPERS: readonly (Variant & {wrapper: string})[] = [
  {name: 'dist/tare/bin/tare-wrap', wrapper: bin('tare-wrap')},
  ...(LONG ? [{name: 'bin/tare-wrap', wrapper: join(installed(), 'bin/tare-wrap')}] : []),
];
export const WITHOUT: Variant = {name: 'no wrapper', wrapper: null};

/** Gives the suite it is called in a pool; what its daemons wrote last is shown with each failure. */
export function poolFor({wrapper}: Variant, options: Omit<PoolOptions, 'wrapper'> = {}): () => Pool {
  let pool: Pool | null = null;
  before(async function () {
    need(this, isRoot, 'a pool whose jobs run as their submitter needs root');
    need(this, program('condor_master') !== null, 'HTCondor is not installed');
    need(this, wrapper === null || existsSync(wrapper), `${String(wrapper)} has not been built`);
    pool = await Pool.start(wrapper === null ? options : {...options, wrapper});
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed' && pool !== null) console.log(pool.logs());
  });
  after(async () => {
    await pool?.stop();
  });
  return () => {
    if (pool === null) throw new Error('the pool has not been started');
    return pool;
  };
}

/**
 * While the work is waited for, something happens to the job every 2 s: before 24.0.11 a schedd forgets a job that cools down until something does,
 * and on a site's schedd something always does.
 */
export async function nudged<T>(pool: Pool, job: Job, work: () => Promise<T>): Promise<T> {
  let priority = 0;
  const timer = setInterval(() => {
    void pool.tool('condor_prio', ['-p', String(++priority), job.id]).catch(() => undefined);
  }, 2000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
