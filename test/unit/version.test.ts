import {readFileSync} from 'node:fs';
import {expect} from 'chai';
import {TARE_VERSION} from '../../src/version.js';

it('the version in the records is the package’s', () => {
  const {version} = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {version: string};
  expect(TARE_VERSION).to.equal(version);
});
