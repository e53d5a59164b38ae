// The command line, in a checkout. `@shim=N` comes from the shim (native/README.md) and is not the user's.
import {fileURLToPath} from 'node:url';
import {settings} from '@oclif/core';
import {attachShim} from '../build/src/commands/shared/shim.js';
import {takeConsole} from '../build/src/commands/shared/output.js';
import {startCommandLine} from '../build/src/commands/shared/start.js';

process.argv = [...process.argv.slice(0, 2), ...attachShim(process.argv.slice(2))];
// Neither the job's NODE_ENV nor a file below its HOME may load code into us.
settings.enableAutoTranspile = false;
delete process.env.NODE_ENV;
takeConsole();
await startCommandLine({root: fileURLToPath(new URL('..', import.meta.url)), userPlugins: false, devPlugins: false});
