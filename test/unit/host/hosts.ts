/** Facts of the captured hosts. */

import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Facts} from '../../../src/host/facts.js';
import {readAccess} from '../../../src/host/fixture.js';
import {readFacts} from '../../../src/host/index.js';
import {ENGINES} from '../../../src/plugins.js';

export const HOSTS = fileURLToPath(new URL('../../../fixtures/hosts', import.meta.url));

export function factsOf(name: string, scratchDirectory = '/var/tmp'): Facts {
  const root = join(HOSTS, name);
  const access = readAccess(root);
  if (access === null) throw new Error(`${root} is no captured host`);
  return readFacts({root, engines: ENGINES, caller: access.caller, scratchDirectory, pinned: [], landlock: () => '7'});
}
