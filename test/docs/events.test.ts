/** The table of events in docs/reference/event.md against the schema. */

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {tableBelow} from './tables.js';

interface Type {
  description: string;
  required?: string[];
  properties: {type: {const: string}};
}

const PAGE = 'docs/reference/event.md';

describe(`${PAGE}, types`, () => {
  it('are those of the schema, with their fields and what they mean', () => {
    const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../src/schema/event-1.json'), 'utf8')) as {oneOf: Type[]};
    const wanted = schema.oneOf.map(({description, required = [], properties}) => [
      properties.type.const,
      required.join(', '),
      description.replace(/\.$/, '').toLowerCase(),
    ]);
    const found = tableBelow(PAGE, 'Types').map(([type = '', fields = '', what = '']) => [type, fields, what.toLowerCase()]);
    expect(found.map((row) => row.map((cell) => cell.replaceAll('`', '')))).to.deep.equal(wanted);
  });
});
