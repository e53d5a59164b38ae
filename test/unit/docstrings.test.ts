import {expect} from 'chai';
import {Linter, type ESLint} from 'eslint';
import tseslint from 'typescript-eslint';

const {house} = (await import(new URL('../../scripts/docstrings.mjs', import.meta.url).href)) as {house: ESLint.Plugin};

/** Lines of a file at which the rule reports something, each with the first word of what is wrong. */
function reported(...lines: string[]): string[] {
  const found = new Linter().verify(
    lines.join('\n'),
    {
      files: ['**/*.ts'],
      languageOptions: {parser: tseslint.parser},
      plugins: {house},
      rules: {'house/docstring': 'error'},
    },
    'a.ts',
  );
  return found.map(({line, message}) => `${String(line)} ${message.includes('@throws') ? 'throws' : 'missing'}`);
}

describe('docstrings', () => {
  for (const declaration of [
    'export function f(): void {}',
    'export const f = (): void => undefined;',
    'export const LIMIT = 1;',
    'export interface A {b: number}',
    'export type A = string | null;',
    'export class A {}',
    'export default class A {}',
  ])
    it(`are asked of ${declaration}`, () => {
      expect(reported(declaration)).to.deep.equal(['1 missing']);
      expect(reported('/* no docstring */', declaration)).to.deep.equal(['2 missing']);
      expect(reported('/** Of the file. */', '', declaration)).to.deep.equal(['3 missing']);
      expect(reported('/** It is. */', declaration)).to.deep.equal([]);
    });

  it('are asked of public methods, unless an interface has them', () => {
    const members = [
      '  a(): void {}',
      '  get b(): number { return 1; }',
      '  readonly c = (): void => undefined;',
      '  private d(): void {}',
      '  #e(): void {}',
      '  f = 1;',
      '}',
    ];
    expect(reported('/** It is. */', 'export class A {', ...members)).to.deep.equal(['3 missing', '4 missing', '5 missing']);
    expect(reported('/** It is. */', 'export class A implements B {', ...members)).to.deep.equal([]);
  });

  it('are not required of names that are not exported, of commands, and of a part of a type', () => {
    expect(reported('function f(): void {}', 'interface A {b: number}', 'class B { c(): void {} }')).to.deep.equal([]);
    expect(reported('export default class A extends Command { run(): void { throw new Error(); } }')).to.deep.equal([]);
    expect(reported("export type A = B['c'];")).to.deep.equal([]);
  });

  it('say what is thrown, unless it is caught or thrown by another function', () => {
    expect(reported('/** It is. */', 'export function f(): void { throw new Error(); }')).to.deep.equal(['2 throws']);
    expect(reported('/** It is. @throws Error */', 'export function f(): void { throw new Error(); }')).to.deep.equal([]);
    expect(reported('/** It is. */', 'export const f = (): void => { try { g(); } catch (e) { throw e; } };')).to.deep.equal(['2 throws']);
    expect(reported('/** It is. */', 'export function f(): void { try { throw new Error(); } catch { g(); } }')).to.deep.equal([]);
    expect(reported('/** It is. */', 'export function f(): void { g(() => { throw new Error(); }); }')).to.deep.equal([]);
  });
});
