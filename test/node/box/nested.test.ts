/** Programs that make namespaces and mounts in a box: there by the profile pilot, and not by default. docs/reference/system-calls.md has them as a table. */

import {tryInOneBox} from '../../support/one-box.js';
import {PROGRAMS} from '../../support/programs.js';

tryInOneBox(
  'boxes in one box',
  PROGRAMS.filter(({by}) => by === 'pilot'),
);
