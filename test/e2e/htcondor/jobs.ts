/** Jobs of the tests. */

import {existsSync} from 'node:fs';
import {join} from 'node:path';
import type {Ad, Description, Job, Pool, SubmitOptions} from '../../support/pool.js';
import {until} from '../../support/tare.js';

/** A script as the job's arguments, written as condor_submit wants it. */
export const shell = (script: string): Description => ({
  executable: '/bin/sh',
  transfer_executable: false,
  arguments: `"-c '${script.replaceAll("'", "''").replaceAll('"', '""').replaceAll('$', '$(DOLLAR)')}'"`,
});

/** Says that it is ready and works until it is ended. */
export const WAITS = ': >ready; while :; do sleep 0.1; done';

/** Submits a job that makes a file `ready`, and waits for that. */
export async function started(pool: Pool, description: Description, options: SubmitOptions = {}): Promise<Job> {
  const job = await pool.submit(description, options);
  await job.wait('executing');
  await until(`job ${job.id} to be ready`, () => existsSync(join(job.sandbox() ?? '/nowhere', 'ready')), 20);
  return job;
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Chosen attributes of an ad. */
export const pick = (ad: Ad, ...names: readonly string[]): Record<string, string | undefined> =>
  Object.fromEntries(names.map((name) => [name, ad.get(name)]));
