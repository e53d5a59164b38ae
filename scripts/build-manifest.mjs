// Writes oclif.manifest.json, so that the command line loads the one command that it runs and not all of them.
// This is what `oclif manifest` does, without the package of that name.
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {Plugin, settings} from '@oclif/core';
import {root} from './steps.mjs';

settings.enableAutoTranspile = false;
const plugin = new Plugin({root, type: 'core', ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true});
await plugin.load();
writeFileSync(path.join(root, 'oclif.manifest.json'), `${JSON.stringify(plugin.manifest, null, 2)}\n`);
