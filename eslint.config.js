import {readFileSync} from 'node:fs';
import {defineConfig, globalIgnores} from 'eslint/config';
import tseslint from 'typescript-eslint';
import {house} from './scripts/docstrings.mjs';

const pure = JSON.parse(readFileSync(new URL('scripts/pure.json', import.meta.url), 'utf8'));

/** What a pure folder would have to be given as an argument: it may not ask for it. */
const notPure = 'a pure folder is told the time, chance and the surroundings: take it as an argument';

/** Of the files that a job's paths come to, those that touch only what is the wrapper's own or the node's. */
const OWN_PLACES = [
  'accounts',
  'attack-place',
  'engine',
  'examine-repositories',
  'node-boxes',
  'node-folder',
  'node-glance',
  'node-marks',
  'node-probe',
  'seal',
  'trial',
].map((name) => `src/run/${name}.ts`);
const oneWay =
  'a path may be a job’s: root goes there as the job’s account, by src/files/job-files.ts; what is the wrapper’s own has a module of its own';
/** To look at a path (stat) is free; what opens, makes, changes or removes what it leads to is not. */
const LOOKS = [
  'accessSync',
  'closeSync',
  'constants',
  'existsSync',
  'fstatSync',
  'lstatSync',
  'readlinkSync',
  'realpathSync',
  'statfsSync',
  'statSync',
];
const ONE_WAY = [
  {name: 'node:fs', allowImportNames: LOOKS, allowTypeImports: true, message: oneWay},
  ...['fs', 'fs/promises', 'node:fs/promises'].map((name) => ({name, message: oneWay})),
];
const NO_OCLIF = {group: ['@oclif/*'], message: 'only src/commands imports oclif'};

/** Lines that a file and a function of src/ may have. */
const MOST_LINES = {'max-lines': ['error', 300], 'max-lines-per-function': ['error', 60]};
const MOST_LONGER = 10;
/** The files that may have more, each with the reason. */
const LONGER = [
  {
    file: 'src/decide/box.ts',
    rules: ['max-lines'],
    because: 'what is done about a box, whatever happens to it, is one state machine',
  },
  {file: 'src/decide/applications.ts', rules: ['max-lines'], because: 'which application starts and ends when is one state machine'},
  {
    file: 'src/supervise/scratch.ts',
    rules: ['max-lines'],
    because: 'one walk in short pieces, whose pace follows what it has found so far',
  },
  {
    file: 'src/supervise/watches.ts',
    rules: ['max-lines', 'max-lines-per-function'],
    because: 'all watches of a box are started in one function, whose timers and stop they share',
  },
  {
    file: 'src/engine/launch.ts',
    rules: ['max-lines-per-function'],
    because: 'one frame: its strings stand in the order in which enter uses them',
  },
];
if (LONGER.length > MOST_LONGER) throw new Error(`${LONGER.length} files are longer than they may be; at most ${MOST_LONGER} are`);

export default defineConfig(
  globalIgnores(['build/', 'dist/', 'coverage/', 'fixtures/', 'native/', 'src/schema/generated/', '**/node_modules/']),
  {linterOptions: {reportUnusedDisableDirectives: 'error'}},
  {
    rules: {
      // `== null` is the short form of "null or undefined".
      eqeqeq: ['error', 'always', {null: 'ignore'}],
      'no-constant-condition': ['error', {checkLoops: 'allExceptWhileTrue'}],
      'no-fallthrough': 'error',
      'no-self-compare': 'error',
      'no-template-curly-in-string': 'error',
      'no-unsafe-finally': 'error',
      'no-unused-expressions': 'error',
      'no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_'}],
      'no-use-before-define': 'off',
      'no-useless-escape': 'error',
      'object-shorthand': ['error', 'always', {avoidQuotes: true}],
      'prefer-const': 'error',
      'no-var': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    // one program of all files; projectService checks src once for itself and once for the tests
    languageOptions: {parserOptions: {project: 'test/tsconfig.json', tsconfigRootDir: import.meta.dirname}},
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': ['error', {considerDefaultExhaustiveForUnions: true}],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', {fixStyle: 'separate-type-imports'}],
      '@typescript-eslint/no-unused-vars': ['error', {argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_'}],
      '@typescript-eslint/no-unused-expressions': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', {ignoreArrowShorthand: true}],
      // What has an index signature is read by key: the brackets say that the key is data.
      '@typescript-eslint/dot-notation': ['error', {allowIndexSignaturePropertyAccess: true}],
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
      // a third of the time of all rules, for enumerations, of which there are none, and for two classes of one shape
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-unused-vars': 'off',
      'no-unused-expressions': 'off',
    },
  },
  {
    files: ['src/**/*.ts', 'plugins/**/*.ts'],
    ignores: ['src/commands/**', 'plugins/*/commands/**'],
    rules: {
      'no-console': 'error',
      '@typescript-eslint/no-restricted-imports': ['error', {patterns: [NO_OCLIF]}],
    },
  },
  {
    files: ['src/batch/**/*.ts', 'src/prepare/**/*.ts', 'src/run/**/*.ts', 'plugins/**/*.ts'],
    ignores: ['plugins/*/commands/**', ...OWN_PLACES],
    rules: {'@typescript-eslint/no-restricted-imports': ['error', {paths: ONE_WAY, patterns: [NO_OCLIF]}]},
  },
  {
    files: ['src/commands/*.ts', 'plugins/*/commands/**/*.ts'],
    rules: {'@typescript-eslint/no-restricted-imports': ['error', {paths: ONE_WAY}]},
  },
  {
    files: ['src/commands/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.object.name="Args"]:not(:has(Property[key.name="ignoreStdin"]))',
          message: 'oclif reads an argument that is not given from stdin, which is the payload’s: set ignoreStdin',
        },
      ],
    },
  },
  {
    files: pure.folders.map((folder) => `src/${folder}/**/*.ts`),
    ignores: pure.except.map((start) => `src/${start}*`),
    rules: {
      'no-restricted-globals': [
        'error',
        ...['process', 'performance', 'crypto', 'fetch', 'navigator', 'globalThis', 'setTimeout', 'setInterval', 'setImmediate'].map(
          (name) => ({
            name,
            message: notPure,
          }),
        ),
      ],
      'no-restricted-properties': [
        'error',
        {object: 'Math', property: 'random', message: notPure},
        {object: 'Date', property: 'now', message: notPure},
      ],
      // `new Date(number)` is arithmetic; without an argument it is the clock. What shows a date in the node's own time zone is told by its name.
      'no-restricted-syntax': [
        'error',
        {selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: notPure},
        {selector: 'CallExpression[callee.name="Date"]', message: notPure},
        {
          selector:
            'MemberExpression[property.name=/^(getHours|getMinutes|getDate|getDay|getMonth|getFullYear|getTimezoneOffset|toLocale(Date|Time)?String)$/]',
          message: notPure,
        },
      ],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          paths: [
            {name: 'node:crypto', allowImportNames: ['createHash', 'hash'], message: notPure},
            {name: 'node:os', allowImportNames: ['constants'], message: notPure},
          ],
          patterns: [NO_OCLIF],
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // chai's assertions are expressions.
      '@typescript-eslint/no-unused-expressions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
    },
  },
  // scripts/docstrings.mjs names what needs none, with the reasons; generated files are not linted at all
  {files: ['src/**/*.ts', 'plugins/**/*.ts'], plugins: {house}, rules: {'house/docstring': 'error'}},
  {files: ['src/**/*.ts'], rules: MOST_LINES},
  ...LONGER.map(({file, rules}) => ({files: [file], rules: Object.fromEntries(rules.map((rule) => [rule, 'off']))})),
);
