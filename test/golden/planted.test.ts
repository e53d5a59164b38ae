import {expect} from 'chai';
import {readFileSync} from 'node:fs';
import {basename} from 'node:path';
import type {Plan} from '../../src/schema/generated/plan-1.js';
import type {Outcome} from './cases.js';
import {goldenFiles, goldens, hostOf, planTexts, readOutcomes, WHOLE, type Named} from './files.js';
import {PLANTED} from './planted.js';
import {reasonsOf, renderPlan} from './render.js';

let outcomes: Outcome[] = [];
let plans: Named[] = [];
/** Texts by file name. */
let onDisk: ReadonlyMap<string, string> = new Map();
before(async () => {
  outcomes = await readOutcomes();
  plans = outcomes.flatMap(({name, planned}) => ('codes' in planned ? [] : [{name, plan: planned}]));
  onDisk = new Map(goldenFiles().map((file) => [basename(file), readFileSync(file, 'utf8')]));
});

const changedFiles = (made: Iterable<[string, string]>): string[] =>
  [...made].map(([file, text]) => [basename(file), text] as const).flatMap(([name, text]) => (onDisk.get(name) === text ? [] : [name]));
/** Files that differ when one plan is changed. Only files of the same host can depend on it. */
const changedBy = ({name, plan}: Named): string[] =>
  changedFiles(
    planTexts(plans.filter((each) => hostOf(each) === hostOf({name})).map((each) => (each.name === name ? {name, plan} : each))),
  );
const stepsOf = ({preparation, box, payload}: ReturnType<typeof renderPlan>): string[] => [...preparation, ...box, ...payload];

describe('a planted change of a plan is seen:', () => {
  for (const [what, change] of Object.entries(PLANTED)) {
    it(what, () => {
      const changed = plans.flatMap(({name, plan}) => {
        const made = change(plan);
        return made === null ? [] : [{name, plan: made, before: plan}];
      });
      expect(changed, 'no case has what the change needs').to.not.be.empty;
      for (const {name, plan, before: original} of changed) expect(renderPlan(plan), name).to.not.deep.equal(renderPlan(original));
      const one = changed.find(({name}) => !WHOLE.includes(name)) ?? changed[0];
      expect(one === undefined ? [] : changedBy(one)).to.not.be.empty;
    });
  }

  it('no change changes no file', () => {
    expect(changedFiles(goldens(structuredClone(outcomes)))).to.deep.equal([]);
  });
});

describe('a rendered plan', () => {
  it('has a line for each step, in their order', () => {
    for (const {name, plan} of plans) {
      const ops = stepsOf(renderPlan(plan)).map((line) => line.slice(0, line.indexOf(' ')));
      expect(ops, name).to.deep.equal(plan.steps.map(({op}) => op));
    }
  });

  it('changes with every value of a plan, and the list of reasons with every reason', () => {
    const seen = new Set<string>();
    for (const {name, plan} of plans) {
      for (const {kind, path} of valuesOf(plan)) {
        if (seen.has(kind)) continue;
        seen.add(kind);
        const changed = changedAt(plan, path) as Plan;
        if (kind.endsWith('.because')) expect(reasonsOf(changed), `${name}: ${kind}`).to.not.deep.equal(reasonsOf(plan));
        else expect(renderPlan(changed), `${name}: ${kind}`).to.not.deep.equal(renderPlan(plan));
      }
    }
    expect(seen.size).to.be.above(300);
  });
});

interface Place {
  /** Equal for all steps with the same op, such as `mount.bind.source`. */
  kind: string;
  path: readonly string[];
}

/** All values of a plan that are not objects, but the version and the digests: no golden has these. */
function valuesOf({schema: _version, inputs: _digests, ...plan}: Plan): Place[] {
  const below = (value: unknown, kind: string, path: readonly string[]): Place[] => {
    if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return [{kind, path}];
    const op = 'op' in value ? String(value.op) : kind;
    return Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
      key === 'op' ? [] : below(inner, Array.isArray(value) ? kind : `${op}.${key}`, [...path, key]),
    );
  };
  return below(plan, 'plan', []);
}

/** The value with another one of the same type at a path. */
function changedAt(value: unknown, [key, ...path]: readonly string[]): unknown {
  if (key !== undefined) {
    if (Array.isArray(value)) return value.with(Number(key), changedAt(value[Number(key)], path));
    return {...(value as object), [key]: changedAt((value as Record<string, unknown>)[key], path)};
  }
  if (Array.isArray(value)) return ['planted'];
  switch (typeof value) {
    case 'number':
      return value + 1;
    case 'boolean':
      return !value;
    default:
      return `${String(value)}x`;
  }
}
