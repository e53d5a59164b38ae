// The import arrows of src/ (docs/explanation/architecture.md): what each folder may import, everything else is forbidden.
const pure = require('./scripts/pure.json');

const PURE = `^src/(${pure.folders.join('|')})/`;
const IMPURE_FILES = `^src/(${pure.except.join('|')})`;

/** One row per folder, lowest first. `host/facts` is the types of the facts; reading them (`host`) is for those who have effects. */
const DATA = ['schema', 'job', 'policy', 'plan', 'steps'];
const BELOW_A_BOX = [
  'host',
  'migrate',
  'record',
  'node-state',
  'export',
  'engine',
  'cgroup',
  'network',
  'cvmfs',
  'process',
  'files',
  'decide',
  'supervise',
];
const MAY_IMPORT = {
  schema: [],
  job: ['schema'],
  policy: ['schema', 'job'],
  plan: ['schema', 'job', 'policy'],
  steps: ['schema', 'job', 'policy', 'plan'],
  host: [],
  batch: [],
  migrate: DATA,
  record: [...DATA, 'migrate'],
  'node-state': [...DATA, 'record'],
  import: ['schema', 'job', 'policy'],
  export: [...DATA, 'migrate', 'record'],
  image: [...DATA, 'host', 'record', 'export'],
  engine: DATA,
  equivalent: [...DATA, 'engine'],
  cgroup: [...DATA, 'record'],
  network: [...DATA, 'record'],
  cvmfs: DATA,
  decide: [...DATA, 'record', 'cvmfs'],
  process: [...DATA, 'host', 'record'],
  files: [...DATA, 'host', 'record', 'process'],
  supervise: [...DATA, 'host', 'record', 'decide', 'engine', 'cgroup', 'process', 'files'],
  box: [...DATA, ...BELOW_A_BOX],
  repositories: [...DATA, 'migrate', 'record', 'process', 'cvmfs', 'box'],
  prepare: [...DATA, ...BELOW_A_BOX, 'image', 'box'],
  live: [...DATA, ...BELOW_A_BOX, 'box', 'prepare'],
  step: [...DATA, ...BELOW_A_BOX, 'migrate', 'box', 'prepare'],
  sweep: [...DATA, ...BELOW_A_BOX, 'box', 'repositories', 'step'],
  run: [...DATA, ...BELOW_A_BOX, 'batch', 'image', 'box', 'repositories', 'prepare', 'step', 'sweep'],
  report: [...DATA, 'record'],
};
// the command line calls whoever does it
MAY_IMPORT.commands = Object.keys(MAY_IMPORT);
const FOLDERS = Object.keys(MAY_IMPORT);
/** Who looks at the node itself; all others are given facts. */
const READ_FACTS = FOLDERS.filter((folder) => MAY_IMPORT[folder].includes('host')).concat('host');

const arrows = Object.entries(MAY_IMPORT).map(([folder, targets]) => ({
  name: `arrows-${folder}`,
  comment: `src/${folder} may import ${targets.join(', ') || 'nothing else of src/'}, errors.ts, version.ts, builtin.ts and the types in host/facts.ts`,
  severity: 'error',
  from: {path: `^src/${folder}/`},
  to: {
    path: '^src/',
    pathNot: [
      `^src/(${[folder, ...targets].join('|')})/`,
      '^src/(builtin|errors|version)\\.ts$',
      '^src/host/facts\\.ts$',
      ...(folder === 'commands' ? ['^src/plugins\\.ts$'] : []),
    ],
  },
}));

module.exports = {
  forbidden: [
    ...arrows,
    {
      name: 'arrows-wrap',
      comment: 'the supervisor behind tare-wrap has neither the command line nor the reports',
      severity: 'error',
      from: {path: '^src/wrap\\.ts$'},
      to: {path: '^src/(commands|report)/'},
    },
    {
      name: 'what-all-import-is-lowest',
      severity: 'error',
      from: {path: '^src/(builtin|errors|version)\\.ts$'},
      to: {dependencyTypesNot: ['type-only']},
    },
    {
      name: 'no-folder-without-a-row',
      comment: 'a new folder of src/ gets its row in MAY_IMPORT first',
      severity: 'error',
      from: {},
      to: {path: '^src/[^/]+/', pathNot: `^src/(${FOLDERS.join('|')})/`},
    },
    {
      name: 'facts-only-as-types',
      severity: 'error',
      from: {path: '^src/', pathNot: `^src/(${READ_FACTS.join('|')})/|^src/wrap\\.ts$`},
      to: {path: '^src/host/', dependencyTypesNot: ['type-only']},
    },
    {
      name: 'pure-stays-pure',
      comment:
        'no file, no process, no clock, no environment: of Node only path, crypto (digests) and os (numbers of signals); eslint.config.js says which names of these',
      severity: 'error',
      from: {path: PURE, pathNot: IMPURE_FILES},
      to: {dependencyTypes: ['core'], pathNot: '^(node:)?(path|path/posix|crypto|os)$'},
    },
    {
      name: 'pure-does-not-see-effects',
      severity: 'error',
      from: {path: PURE, pathNot: IMPURE_FILES},
      to: {path: IMPURE_FILES, dependencyTypesNot: ['type-only']},
    },
    {name: 'no-circular', severity: 'error', from: {}, to: {circular: true}},
    {name: 'no-unresolvable', severity: 'error', from: {}, to: {couldNotResolve: true}},
    {
      name: 'no-dev-dependency',
      comment: 'what is only a development dependency is not there on a worker node',
      severity: 'error',
      from: {path: '^(src|bin)/'},
      to: {dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only']},
    },
    {
      name: 'only-commands-import-oclif',
      severity: 'error',
      from: {path: '^src/', pathNot: '^src/commands/'},
      to: {path: '(^|/)@oclif/'},
    },
    {
      name: 'core-never-imports-plugins',
      comment: 'but the one list of those that come with Tare, and the commands that they bring',
      severity: 'error',
      from: {path: '^src/', pathNot: '^src/plugins\\.ts$|^src/commands/[^/]+/'},
      to: {path: '^plugins/', pathNot: '^plugins/contract/'},
    },
    {
      name: 'contract-only-as-types',
      severity: 'error',
      from: {path: '^src/'},
      to: {path: '^plugins/contract/', dependencyTypesNot: ['type-only']},
    },
    {
      name: 'plugins-are-leaves',
      comment: 'a plugin imports the contract and itself, never another plugin and never src/',
      severity: 'error',
      from: {path: '^plugins/([^/]+)/', pathNot: '^plugins/contract/'},
      to: {path: '^(plugins|src)/', pathNot: '^plugins/($1|contract)/'},
    },
    {
      name: 'contract-is-lowest',
      comment:
        'what an engine is given is made of the steps of a plan, whose types are made from the schema: the contract takes these as types',
      severity: 'error',
      from: {path: '^plugins/contract/'},
      to: {path: '^(plugins|src)/', pathNot: '^plugins/contract/|^src/schema/generated/plan-1\\.ts$'},
    },
    {
      name: 'contract-takes-types-only',
      severity: 'error',
      from: {path: '^plugins/contract/'},
      to: {path: '^src/', dependencyTypesNot: ['type-only']},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: {fileName: 'tsconfig.json'},
    doNotFollow: {path: ['node_modules', '^build/', '^dist/']},
    exclude: {path: ['\\.d\\.ts$']},
    enhancedResolveOptions: {exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types']},
  },
};
