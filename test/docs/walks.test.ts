/** The walks through the code in docs/explanation/architecture.md: each file that a walk names has the function that it names. */

import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {checkout, contentOf} from './tables.js';

const PAGE = 'docs/explanation/architecture.md';
/** A walk is short, and so is the page. */
const MOST_FILES = 8;
const MOST_LINES = 200;

interface Walk {
  title: string;
  places: {file: string; name: string}[];
}

/** `FILE: NAME()` below each heading of "Five walks", in their order. */
const walksOf = (page: string): Walk[] =>
  (page.split('\n## Five walks\n')[1] ?? '')
    .split('\n### ')
    .slice(1)
    .map((text) => ({
      title: text.split('\n')[0] ?? '',
      places: [...text.matchAll(/`([\w./-]+\.(?:ts|c)): (\w+)\(\)`/g)].map(([, file = '', name = '']) => ({file, name})),
    }));

/** A function, a constant that is one, or a method; in C a definition, whose line ends without a semicolon. */
function defines(text: string, name: string, file: string): boolean {
  const patterns = file.endsWith('.c')
    ? [String.raw`^\w[\w \t*]*\b${name}\([^;]*$`]
    : [
        String.raw`^(?:export )?(?:async )?function ${name}\b`,
        String.raw`^(?:export )?const ${name} = (?:async )?\(`,
        String.raw`^ {2}(?:private |protected )?(?:static )?(?:async )?${name}\([^;]*\{$`,
      ];
  return patterns.some((pattern) => new RegExp(pattern, 'm').test(text));
}

const isThere = ({file, name}: {file: string; name: string}): boolean =>
  existsSync(join(checkout, file)) && defines(contentOf(file), name, file);

describe(`${PAGE}, walks`, () => {
  const page = contentOf(PAGE);
  const walks = walksOf(page);

  it('are five, each of a few files', () => {
    expect(walks.length).to.equal(5);
    for (const {title, places} of walks) {
      expect(places.length, title).to.be.at.least(5);
      expect(new Set(places.map(({file}) => file)).size, title).to.be.at.most(MOST_FILES);
    }
    expect(page.trimEnd().split('\n').length).to.be.at.most(MOST_LINES);
  });

  it('name functions that are there', () => {
    const places = walks.flatMap((walk) => walk.places);
    expect(places.filter((place) => !isThere(place)).map(({file, name}) => `${file}: ${name}()`)).to.deep.equal([]);
  });

  it('would not be believed with a wrong name', () => {
    expect(isThere({file: 'src/plan/limits.ts', name: 'planLimit'})).to.equal(false);
    // called there, and defined elsewhere
    expect(isThere({file: 'src/plan/limits.ts', name: 'resolveLimit'})).to.equal(false);
    expect(isThere({file: 'native/shim.c', name: 'starter_tell'})).to.equal(false);
    expect(isThere({file: 'src/plan/limit.ts', name: 'planLimits'})).to.equal(false);
  });
});
