// Makes dist/tare: the folder to drop on a worker node. See docs/howto/install.md, "The folder".
import {chmodSync, cpSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {commandLinePage} from './man-page.mjs';
import {compiler} from './setup.mjs';
import {main, replaceFolder, root, step} from './steps.mjs';

const local = (name) => path.join(root, name);
const {version} = JSON.parse(readFileSync(local('package.json'), 'utf8'));
const manifest = JSON.parse(readFileSync(local('oclif.manifest.json'), 'utf8'));

/**
 * Chunks, so that tare-wrap's supervisor loads nothing of the command line; bytecode, so that nothing is parsed at its start; the JIT late,
 * since a supervisor works for 20 ms and then waits. Without the last two a file in the job's work directory would set variables of the
 * supervisor or load code into it.
 */
const COMPILE = [
  ...['build', '--compile', '--format=esm', '--splitting', '--minify', '--keep-names', '--bytecode', '--compile-jit-policy=10'],
  ...['--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig'],
];
/** See native/README.md: the interpreter beside the C program, and no scripts, since it is the program. */
const SUPERVISOR = '../libexec/tare\n\n\n';

function fill(folder) {
  const at = (name) => path.join(folder, name);
  for (const name of ['bin', 'libexec', 'share/man/man1']) mkdirSync(at(name), {recursive: true});
  copyFileSync(local('native/build/tare'), at('bin/tare'));
  symlinkSync('tare', at('bin/tare-wrap'));
  writeFileSync(at('bin/tare.supervisor'), SUPERVISOR);
  step('compiled supervisor', compiler(), [...COMPILE, local('bin/standalone.js'), '--outfile', at('libexec/tare')]);
  copyFileSync(local('native/build/tare-attacks'), at('libexec/tare-attacks'));
  copyFileSync(local('scripts/packages/tare-versions'), at('libexec/tare-versions'));
  for (const name of ['bin/tare', 'libexec/tare', 'libexec/tare-attacks', 'libexec/tare-versions']) chmodSync(at(name), 0o755);
  cpSync(local('configs'), at('configs'), {recursive: true});
  copyFileSync(local('docs/man/tare-wrap.1'), at('share/man/man1/tare-wrap.1'));
  writeFileSync(at('share/man/man1/tare.1'), commandLinePage(manifest));
  copyFileSync(local('LICENSE'), at('LICENSE'));
  writeFileSync(at('VERSION'), `${version}\n`);
}

await main(() => {
  process.umask(0o022);
  // jobs start meanwhile
  replaceFolder(local('dist/tare'), fill);
  return 0;
});
