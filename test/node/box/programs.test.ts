/** Real programs in one box, and a stand-in for what is too large, which ask for no namespaces and mounts. docs/reference/system-calls.md has them as a table. */

import {tryInOneBox} from '../../support/one-box.js';
import {PROGRAMS} from '../../support/programs.js';

tryInOneBox(
  'programs in one box',
  PROGRAMS.filter(({by}) => by === 'default'),
);
