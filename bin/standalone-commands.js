// The command line of the compiled program: as tare.js, but oclif finds no folder to look for commands in, so it is given them.
import {dirname} from 'node:path';
import {settings} from '@oclif/core';
import {attachShim} from '../build/src/commands/shared/shim.js';
import {takeConsole} from '../build/src/commands/shared/output.js';
import {startCommandLine} from '../build/src/commands/shared/start.js';
import manifest from '../oclif.manifest.json' with {type: 'json'};
import pjson from '../package.json' with {type: 'json'};

/** Only the one that is called is loaded; what help says of the others is in the manifest. */
const COMMANDS = {
  'arc:rte': () => import('../build/src/commands/arc/rte.js'),
  diff: () => import('../build/src/commands/diff.js'),
  doctor: () => import('../build/src/commands/doctor.js'),
  events: () => import('../build/src/commands/events.js'),
  exec: () => import('../build/src/commands/exec.js'),
  hold: () => import('../build/src/commands/hold.js'),
  'htcondor:config': () => import('../build/src/commands/htcondor/config.js'),
  'htcondor:health': () => import('../build/src/commands/htcondor/health.js'),
  'images:inspect': () => import('../build/src/commands/images/inspect.js'),
  'images:list': () => import('../build/src/commands/images/list.js'),
  'images:prune': () => import('../build/src/commands/images/prune.js'),
  'images:search': () => import('../build/src/commands/images/search.js'),
  import: () => import('../build/src/commands/import.js'),
  inspect: () => import('../build/src/commands/inspect.js'),
  kill: () => import('../build/src/commands/kill.js'),
  logs: () => import('../build/src/commands/logs.js'),
  'node:probe': () => import('../build/src/commands/node/probe.js'),
  'node:reset': () => import('../build/src/commands/node/reset.js'),
  pause: () => import('../build/src/commands/pause.js'),
  plan: () => import('../build/src/commands/plan.js'),
  ps: () => import('../build/src/commands/ps.js'),
  'records:seal': () => import('../build/src/commands/records/seal.js'),
  'records:sweep': () => import('../build/src/commands/records/sweep.js'),
  'records:export': () => import('../build/src/commands/records/export.js'),
  'records:list': () => import('../build/src/commands/records/list.js'),
  'records:prune': () => import('../build/src/commands/records/prune.js'),
  'records:show': () => import('../build/src/commands/records/show.js'),
  'records:verify': () => import('../build/src/commands/records/verify.js'),
  resume: () => import('../build/src/commands/resume.js'),
  run: () => import('../build/src/commands/run.js'),
  schema: () => import('../build/src/commands/schema.js'),
  stats: () => import('../build/src/commands/stats.js'),
  top: () => import('../build/src/commands/top.js'),
  validate: () => import('../build/src/commands/validate.js'),
};

const root = dirname(process.execPath);
const {name, description, version, oclif} = pjson;
const plugin = {
  alias: name,
  commandIDs: Object.keys(COMMANDS),
  commands: Object.entries(manifest.commands).map(([id, command]) => ({...command, load: () => plugin.findCommand(id)})),
  hasManifest: true,
  hooks: {},
  isRoot: true,
  moduleType: 'module',
  name,
  options: {root},
  pjson: {name, description, version, oclif: {...oclif, commands: undefined}},
  root,
  topics: Object.entries(oclif.topics).map(([topic, about]) => ({name: topic, ...about})),
  type: 'core',
  valid: true,
  version,
  load: () => Promise.resolve(),
  async findCommand(id) {
    const {default: command} = await COMMANDS[id]();
    return Object.assign(command, {id, plugin});
  },
};

// without an argument the compiler's own writes to standard output
const {error} = console;
console.error = (...words) => error.apply(console, words.length === 0 ? [''] : words);
process.argv = [...process.argv.slice(0, 2), ...attachShim(process.argv.slice(2))];
settings.enableAutoTranspile = false;
delete process.env.NODE_ENV;
takeConsole();
await startCommandLine({root, plugins: [plugin], userPlugins: false, devPlugins: false});
