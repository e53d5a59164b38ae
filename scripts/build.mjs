// npm run build [STEP…]: builds what is out of date; with names, those steps whether or not they are.
import {createHash} from 'node:crypto';
import {chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {BUILT_TESTS} from './built-tests.mjs';
import {TOOLCHAIN, compiler, nodeModules, nodeVersion, systemPackages} from './setup.mjs';
import {Stop, main, replaceFolder, root, step} from './steps.mjs';

const local = (name) => path.join(root, name);
const tool = (name) => local(`node_modules/.bin/${name}`);
const make = (label, folder) => step(label, 'make', ['-C', folder, `--jobs=${availableParallelism()}`]);

/**
 * The steps, in the order in which they are taken. `from`: files and folders that it reads, without those named in `but`;
 * `to`: what must exist afterwards; `needs`: steps that are taken before it, also where only it is named; `system`: see setup.mjs;
 * `onlyNamed`: nobody needs it but who asks for it.
 */
const STEPS = [
  {
    name: 'protocol',
    from: ['src/schema/protocol.json', 'scripts/build-protocol.mjs', 'scripts/protocol'],
    to: ['src/schema/generated/protocol.ts', 'native/generated/protocol.h', 'native/generated/protocol.c'],
    build: () => step('protocol', process.execPath, [local('scripts/build-protocol.mjs')]),
  },
  {
    name: 'native',
    needs: ['protocol'],
    from: ['native', 'test/attacks'],
    but: ['native/build', 'test/attacks/build'],
    to: ['native/build/tare', 'native/build/tare-attacks'],
    system: TOOLCHAIN,
    build: () => make('native program', 'native'),
  },
  {
    name: 'payloads',
    from: ['fixtures/payloads'],
    but: ['fixtures/payloads/build'],
    to: ['fixtures/payloads/build/mcsim'],
    system: TOOLCHAIN,
    build: () => make('payload programs', 'fixtures/payloads'),
  },
  {
    name: 'attacks',
    from: ['test/attacks'],
    but: ['test/attacks/build'],
    to: ['test/attacks/build/payload/keys'],
    system: TOOLCHAIN,
    onlyNamed: true,
    build: () => make('attacks', 'test/attacks'),
  },
  {
    name: 'schemas',
    needs: ['protocol'],
    from: ['src/schema', 'scripts/build-schemas.mjs'],
    but: ['src/schema/generated', 'src/schema/protocol.json'],
    to: ['src/schema/generated/job-1.validator.js'],
    npm: true,
    build: () => step('schemas', process.execPath, [local('scripts/build-schemas.mjs')]),
  },
  {
    name: 'filters',
    from: ['src/engine/bpf.ts', 'src/engine/seccomp.ts', 'src/engine/system-calls.ts', 'scripts/build-filters.mjs'],
    to: ['src/schema/generated/filters.ts'],
    npm: true,
    build: () => step('filters on system calls', process.execPath, ['--import=tsx', local('scripts/build-filters.mjs')]),
  },
  {
    name: 'tsc',
    needs: ['protocol', 'filters'],
    from: ['src', 'plugins', 'tsconfig.json'],
    to: ['build/src/wrap.js', 'build/src/commands'],
    npm: true,
    build: compile,
  },
  {
    name: 'manifest',
    from: ['build/src/commands', 'package.json', 'scripts/build-manifest.mjs'],
    to: ['oclif.manifest.json'],
    npm: true,
    build: () => step('list of commands', process.execPath, [local('scripts/build-manifest.mjs')]),
  },
  {name: 'bits', from: ['bin'], to: [], build: executableBits},
  {
    name: 'dist',
    from: [
      ...['bin', 'build', 'native/build', 'configs', 'docs/man', 'LICENSE', 'package.json', 'oclif.manifest.json'],
      ...['scripts/build-dist.mjs', 'scripts/man-page.mjs', 'scripts/packages', 'node_modules/@oven'],
    ],
    to: ['dist/tare/bin/tare', 'dist/tare/libexec/tare'],
    npm: true,
    onlyNamed: true,
    build: () => {
      compiler();
      step('folder for worker nodes', process.execPath, [local('scripts/build-dist.mjs')]);
    },
  },
  {
    name: 'tests',
    needs: ['schemas', 'filters'],
    from: ['src', 'plugins', 'test', 'scripts', 'package-lock.json'],
    but: ['test/attacks/build', 'test/engines/results'],
    to: [BUILT_TESTS],
    npm: true,
    onlyNamed: true,
    build: () => step('tests', process.execPath, [local('scripts/build-tests.mjs')]),
  },
  {
    name: 'packages',
    from: ['dist/tare', 'configs', 'scripts/packages', 'scripts/build-packages.mjs', 'package.json'],
    to: [],
    onlyNamed: true,
    build: () => step('packages', process.execPath, [local('scripts/build-packages.mjs')]),
  },
];

function compile() {
  // Anew: a deleted source file leaves nothing that oclif would find, and jobs that start meanwhile run.
  replaceFolder(local('build'), (fresh) => {
    step('TypeScript', tool('tsc'), ['--project', local('tsconfig.json'), '--outDir', fresh]);
    // tsc does not copy the validators, which are JavaScript already.
    const [from, to] = [local('src/schema/generated'), path.join(fresh, 'src/schema/generated')];
    mkdirSync(to, {recursive: true});
    for (const name of readdirSync(from).filter((each) => /\.validator\.(js|d\.ts)$/.test(each)))
      copyFileSync(path.join(from, name), path.join(to, name));
  });
}

function executableBits() {
  for (const {name} of readdirSync(local('bin'), {withFileTypes: true}).filter((entry) => entry.isFile()))
    chmodSync(local(`bin/${name}`), 0o755);
}

/** Paths, sizes and times of everything that a step reads: a changed, new or deleted file makes another fingerprint. */
function fingerprint({name, from, but = []}) {
  const hash = createHash('sha256').update(`${name} ${process.execPath} ${process.version}\n`);
  const look = (place) => {
    if (but.includes(place)) return;
    const found = statSync(local(place), {throwIfNoEntry: false});
    if (found === undefined) return;
    if (found.isDirectory()) {
      for (const entry of readdirSync(local(place)).sort()) look(`${place}/${entry}`);
    } else {
      hash.update(`${place} ${found.size} ${found.mtimeMs}\n`);
    }
  };
  for (const place of from) look(place);
  return hash.digest('hex');
}

const stamps = {
  file: local('node_modules/.cache/tare/build.json'),
  read() {
    return existsSync(this.file) ? JSON.parse(readFileSync(this.file, 'utf8')) : {};
  },
  set(name, value) {
    mkdirSync(path.dirname(this.file), {recursive: true});
    writeFileSync(this.file, JSON.stringify({...this.read(), [name]: value}));
  },
};

/** Steps that failed in this run: not tried, and not shown, a second time. */
const failed = new Set();

/** What a checkout needs to run. */
const USUAL = STEPS.filter(({onlyNamed}) => !onlyNamed).map(({name}) => name);

/** Builds the named steps (the usual ones without names), with what they need; `force` also when they are up to date. */
export function build(names = USUAL, {force = false} = {}) {
  const unknown = names.find((name) => !STEPS.some((each) => each.name === name));
  if (unknown !== undefined) throw new Stop(`${unknown}: no such step; there are ${STEPS.map(({name}) => name).join(', ')}`);
  const wanted = STEPS.flatMap(({name, needs = []}) => (names.includes(name) ? [name, ...needs] : []));
  const chosen = STEPS.filter(({name}) => wanted.includes(name));
  if (chosen.some(({npm}) => npm)) nodeModules();
  for (const each of chosen) {
    const now = fingerprint(each);
    if (!force && stamps.read()[each.name] === now && each.to.every((place) => existsSync(local(place)))) continue;
    if (failed.has(each.name)) throw new Stop(`${each.name}: not built, see above`);
    failed.add(each.name);
    systemPackages(each.system ?? []);
    each.build();
    const absent = each.to.find((place) => !existsSync(local(place)));
    if (absent !== undefined) throw new Stop(`${each.name}: made, but there is no ${absent}`);
    failed.delete(each.name);
    stamps.set(each.name, now);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(() => {
    const names = process.argv.slice(2);
    nodeVersion();
    if (names.length === 0) build();
    else build(names, {force: true});
    return 0;
  });
}
