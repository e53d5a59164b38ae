/** What a service of a small machine has said, of which the end goes into the record when it fails. */

import {fstatSync, readSync} from 'node:fs';
import {ifPossible} from '../errors.js';
import {SERVICE_LOGS} from '../plan/system.js';
import {inBox} from '../plan/step.js';
import {PLAIN, withFile} from '../record/durable.js';

const MOST_BYTES = 4096;

const serviceLog = (boxDirectory: string, name: string): string => `${inBox(SERVICE_LOGS.place, boxDirectory)}/${name}.log`;

/** Its last lines; null when there are none. What the box wrote is not trusted to be a file, or text. */
export const readServiceLog = (boxDirectory: string, name: string): string | null =>
  ifPossible(() => withFile(serviceLog(boxDirectory, name), PLAIN, lastLines));

function lastLines(file: number): string | null {
  const status = fstatSync(file);
  if (!status.isFile()) return null;
  const bytes = Buffer.alloc(Math.min(MOST_BYTES, status.size));
  const read = readSync(file, bytes, 0, bytes.length, status.size - bytes.length);
  const text = bytes
    .toString('utf8', 0, read)
    .replaceAll(/[^\P{Cc}\n\t]/gu, '?')
    .trim();
  const whole = status.size > MOST_BYTES ? text.slice(text.indexOf('\n') + 1) : text;
  return whole === '' ? null : whole;
}
