/** The core knows no engine by its name: what one needs of it is said by the contract. */

import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {ENGINES} from '../../../src/plugins.js';

const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url));
/** The one list of what comes with Tare, what reads states and records of versions that had these names only, and what reads and writes other tools' texts. */
const MAY_NAME = /^(?:plugins\.ts|migrate\/|schema\/generated\/|import\/|equivalent\/)/;
/** What the schema of the policy says of its default. */
const DESCRIPTIONS = /"description": ?"(?:[^"\\]|\\.)*"/g;
const COMMENTS = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*/g;

describe('names of engines', () => {
  it('are in no code of src but the list of plugins', () => {
    // also a format of images, a command line, and what Tare itself may run in
    const others = ['docker', 'podman'];
    const words = [...ENGINES.map(({name}) => name).filter((name) => !others.includes(name)), 'bwrap'];
    const pattern = new RegExp(`\\b(?:${words.join('|')})\\b`, 'i');
    const files = readdirSync(SOURCES, {recursive: true, encoding: 'utf8'}).filter(
      (file) => /\.(?:ts|json)$/.test(file) && !MAY_NAME.test(file),
    );
    expect(files).to.have.length.above(200);
    const found = files.filter((file) => {
      const text = readFileSync(join(SOURCES, file), 'utf8');
      return pattern.test(text.replace(file.endsWith('.ts') ? COMMENTS : DESCRIPTIONS, ''));
    });
    expect(found).to.deep.equal([]);
  });
});
