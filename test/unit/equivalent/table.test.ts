/** Every tool says what becomes of every step and limit. */

import {expect} from 'chai';
import {ABOUT, ASPECTS, type Answer, type Aspect} from '../../../src/equivalent/answers.js';
import {TOOLS, TOOL_NAMES} from '../../../src/equivalent/table.js';
import {LIMIT_NAMES, type LimitName} from '../../../src/job/job.js';
import {contentOf} from '../../docs/tables.js';

const OPS = Object.values(
  (JSON.parse(contentOf('src/schema/plan-1.json')) as {$defs: Record<string, {properties?: {op?: {const: string}}}>}).$defs,
)
  .flatMap(({properties}) => properties?.op?.const ?? [])
  .sort();

const isLimit = (name: Aspect | LimitName): name is LimitName => (LIMIT_NAMES as readonly string[]).includes(name);

describe('the table of other tools', () => {
  it('has an aspect or a limit for each kind of step', () => {
    expect(Object.keys(ABOUT).sort()).to.deep.equal(OPS);
    for (const [op, abouts] of Object.entries(ABOUT)) expect(abouts, op).to.not.deep.equal([]);
    const known = [...Object.keys(ASPECTS), ...LIMIT_NAMES];
    for (const about of Object.values(ABOUT).flat()) expect(known).to.include(about);
  });

  for (const name of TOOL_NAMES) {
    const {aspects, limits} = TOOLS[name];
    const answerOf = (about: Aspect | LimitName): Answer | undefined => (isLimit(about) ? limits[about] : aspects[about]);

    it(`${name} says of each kind of step, and of each limit, that it is the same, or in a sentence why not`, () => {
      const all = [...LIMIT_NAMES, ...Object.values(ABOUT).flat(), ...(Object.keys(ASPECTS) as Aspect[])];
      for (const about of new Set(all)) {
        const answer = answerOf(about);
        expect(answer, about).to.not.equal(undefined);
        if (answer?.how === 'same') expect([answer.by === '', answer.text], about).to.deep.equal([false, '']);
        else expect(answer?.text, about).to.match(/^\S.{15,}\.$/);
        expect(answer?.by === '', about).to.equal(answer?.how === 'missing');
      }
    });
  }
});
