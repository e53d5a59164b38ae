/** Run as another user: prints the facts, and makes and removes a group in every parent that was found. */

import {readFacts} from '../../../src/host/index.js';
import {spawnBriefly} from '../../../src/host/spawn.js';
import {ENGINES} from '../../../src/plugins.js';
import {tryParents} from './try-parents.js';

const facts = readFacts({
  engines: ENGINES,
  caller: {uid: process.getuid!(), gid: process.getgid!(), groups: process.getgroups!()},
  scratchDirectory: '/var/tmp',
  pinned: [],
  spawn: spawnBriefly,
});
process.stdout.write(JSON.stringify({facts, made: tryParents(facts)}));
