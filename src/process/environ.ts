/** The environment that a process was started with (proc_pid_environ(5)). */

import {readFileSync} from 'node:fs';
import {errnoOf, TareError} from '../errors.js';

/** @throws TareError BOX_NOT_JOINED when it may not be read, or the process is gone */
export function readEnvironment(pid: number): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    throw new TareError('BOX_NOT_JOINED', {message: 'the payload’s environment cannot be read', found: errnoOf(error), cause: error});
  }
  return environmentOf(text.split('\0'));
}

/** The variables of `NAME=value` entries; of two with one name the first counts, as for getenv(3). */
export function environmentOf(entries: readonly string[]): Record<string, string> {
  // no name of a variable is one of JavaScript's
  const environment = Object.create(null) as Record<string, string>;
  for (const entry of entries) {
    const equals = entry.indexOf('=');
    if (equals > 0) environment[entry.slice(0, equals)] ??= entry.slice(equals + 1);
  }
  return environment;
}
