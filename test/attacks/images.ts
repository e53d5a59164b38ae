/** Images whose parts are links to a directory of the node's, each by one of them. */

import {existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, lstatSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {busyboxImage} from '../support/machine.js';

/** From within the image: enough `..` for any place of it. */
const out = (path: string): string => `../../../../../../../../..${path}`;

/** By name: which path of the image becomes a link, and where it leads. */
const LINKS: Record<string, (victim: string, work: string) => [string, string]> = {
  dev: (victim) => ['dev', out(victim)],
  proc: (victim) => ['proc', out(victim)],
  sys: (victim) => ['sys', out(victim)],
  tmp: (victim) => ['tmp', out(victim)],
  run: (victim) => ['run', out(victim)],
  etc: (victim) => ['etc', out(victim)],
  'dev-null': () => ['dev/null', '/proc/sys/kernel/core_pattern'],
  'dev-console': () => ['dev/console', '/proc/sys/kernel/core_pattern'],
  'dev-pts': (victim) => ['dev/pts', out(victim)],
  // the parent of the work directory, which is made in the image
  work: (victim, work) => [dirname(work).slice(1), out(victim)],
};

/** @param victim an empty directory of the node's, to which the link leads */
export function evilImage(directory: string, kind: string, {victim, work}: {victim: string; work: string}): string {
  busyboxImage(directory);
  const [path = '', target = ''] = LINKS[kind]?.(victim, work) ?? [];
  const at = join(directory, path);
  if (existsSync(at)) rmSync(at, {recursive: true});
  mkdirSync(dirname(at), {recursive: true});
  symlinkSync(target, at);
  return directory;
}

/** What there is in the victim, to be compared. */
export const contentOf = (victim: string): string =>
  readdirSync(victim, {recursive: true, encoding: 'utf8'})
    .sort()
    .map((name) => `${name} ${lstatSync(join(victim, name)).mode.toString(8)}`)
    .join('\n');
