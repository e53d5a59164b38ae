// The checkout as a machine gets it: a disk with all its files, and over them its TypeScript as JavaScript.
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {root} from '../../scripts/steps.mjs';
import {CHECKOUT_BYTES} from './qemu.mjs';
import {removeFolder, run, temporaryFolder} from './tools.mjs';

/** Where node_modules runs TypeScript as it is read (tsx), a machine under emulation takes ten seconds to begin: it is done here instead. */
const TRANSLATED = ['src', 'plugins', 'test'];

/** So often the disk is begun. */
const ATTEMPTS = 3;

/** Makes the disk and the translation; several machines can use them at once. `remove()` when they have ended. */
export async function takeCheckout() {
  const folder = temporaryFolder('checkout');
  const disk = path.join(folder, 'disk');
  const over = path.join(folder, 'over');
  try {
    fill(disk);
    mkdirSync(over);
    await translate(over);
    supervisor(over);
  } catch (error) {
    removeFolder(folder);
    throw error;
  }
  return {disk, over, remove: () => removeFolder(folder)};
}

/** Other suites may build meanwhile: of a file that goes while it is read, all is begun again. */
function fill(disk) {
  const features = ['-O', '^has_journal', '-E', 'lazy_itable_init=1,nodiscard'];
  for (let attempt = 1; ; attempt++) {
    run('truncate', ['-s', '0', disk]);
    run('truncate', ['-s', String(CHECKOUT_BYTES), disk]);
    try {
      return run('mkfs.ext4', ['-q', '-F', '-m', '0', ...features, '-d', root, disk]);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function translate(over) {
  const esbuild = await import('esbuild');
  const sources = TRANSLATED.flatMap((folder) =>
    readdirSync(path.join(root, folder), {recursive: true})
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.includes('node_modules'))
      .map((name) => path.join(folder, name)),
  );
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: sources,
    outdir: over,
    outbase: '.',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'error',
  });
}

/** The shim finds its supervisor's interpreter by a path: it is elsewhere on the machine. */
function supervisor(over) {
  const file = 'native/build/tare.supervisor';
  const [, ...scripts] = readFileSync(path.join(root, file), 'utf8').split('\n');
  mkdirSync(path.dirname(path.join(over, file)), {recursive: true});
  writeFileSync(path.join(over, file), ['/usr/local/bin/node', ...scripts].join('\n'));
}
