/** The supervisor behind tare-wrap: no flags; the caller's argv is the payload's. */

import {ENGINES, PLUGINS} from './plugins.js';
import {serve} from './run/serve.js';
import {TARE_VERSION} from './version.js';

const DESCRIPTOR = 3;

await serve(DESCRIPTOR, ({argv}) => ({
  source: {kind: 'command', argv: argv.slice(1), callerArgvIndex: 1},
  flags: {},
  policyFile: null,
  recordCopy: null,
  verbose: false,
  usesStdout: false,
  role: 'wrapper',
  onlooker: null,
  plugins: PLUGINS,
  engines: ENGINES,
  version: TARE_VERSION,
}));
