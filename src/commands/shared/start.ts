/** The beginning of both command lines: oclif's own, but that a file of ours that cannot be read is said as what it is. */

import {flush, handle, run, type Interfaces} from '@oclif/core';
import {notBuilt} from '../../errors.js';
import {explain} from './output.js';

/** Runs the command line by oclif, and reports a file of Tare that cannot be loaded as NOT_BUILT. Sets the exit status. */
export async function startCommandLine(options: Interfaces.LoadOptions): Promise<void> {
  try {
    await run(process.argv.slice(2), options);
    void flush();
  } catch (error) {
    if (isUnread(error)) process.exit(explain(notBuilt(error)));
    await handle(error as Error);
  }
}

/** What a command does has words of its own: what is left is what loads it. */
const isUnread = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'syscall' in error && !('oclif' in error);
