/** All checks of the conformance suite, in the order in which they are tried and shown. */

import type {Check} from '../check.js';
import {DAEMONS} from './daemons.js';
import {ENDINGS} from './endings.js';
import {INHERITED} from './inherited.js';
import {ISOLATION} from './isolation.js';
import {KILLED} from './killed.js';
import {LEFT} from './left.js';
import {LIMITS} from './limits.js';
import {LIVE} from './live.js';
import {NETWORK} from './network.js';
import {RECORD} from './record.js';
import {SIGNALS} from './signals.js';
import {STREAMS} from './streams.js';

/** A group is a heading of the table. */
export const CHECKS: Readonly<Record<string, readonly Check[]>> = {
  'How it ends': ENDINGS,
  'Standard streams': STREAMS,
  'What it inherits': INHERITED,
  Signals: SIGNALS,
  Limits: LIMITS,
  'Daemons and init': DAEMONS,
  Isolation: ISOLATION,
  'Network and CVMFS': NETWORK,
  Record: RECORD,
  'Live boxes': LIVE,
  'Killed by SIGKILL': KILLED,
  'What is left': LEFT,
};

/** The same in one list. */
export const ALL: readonly Check[] = Object.values(CHECKS).flat();
